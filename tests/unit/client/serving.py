"""Serve an application of a test's own on the loopback, while a block runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler


@asynccontextmanager
async def served(*, get: dict[str, Handler], post: dict[str, Handler]) -> AsyncIterator[int]:
    """Serve pages by their path; yields the port, a free one."""
    app = web.Application()
    for path, page in get.items():
        app.router.add_get(path, page)
    for path, page in post.items():
        app.router.add_post(path, page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
