"""One whole job, run in this process against a fake server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specseal.client.address import on_loopback
from specseal.client.job import read_job
from specseal.client.offer import STREAMS_A_PROCESS
from specseal.client.output import Output
from specseal.client.run import run_job
from specseal.records import JobStatus
from unit.client.fake_llamacpp import FakeLlamaCpp
from unit.client.jobs import write_folder

RunJob = Callable[..., JobStatus]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path: Path, out: Path) -> RunJob:
    """Return `run(fake, job_json, prompts=[…])`: its output lies in the fixture `out`.

    `streams_a_process` spreads the load over further, real processes.
    """

    def run(
        fake: FakeLlamaCpp,
        job_json: dict[str, Any],
        *,
        streams_a_process: int = STREAMS_A_PROCESS,
        cpus: int = 8,
        **rows: Any,
    ) -> JobStatus:
        folder = write_folder(tmp_path / "in", job_json, **rows)
        job = read_job(folder)

        async def serve_and_run() -> JobStatus:
            async with fake.running():
                return await run_job(
                    job,
                    Output(out),
                    on_loopback(fake.port),
                    arguments=["--in", str(folder), "--out", str(out), "--port", str(fake.port)],
                    streams_a_process=streams_a_process,
                    cpus=cpus,
                )

        return asyncio.run(serve_and_run())

    return run
