"""One whole job, run in this process against a fake server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specseal.client.job import read_job
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
    """Return `run(fake, job_json, prompts=[…])`: its output lies in the fixture `out`."""

    def run(fake: FakeLlamaCpp, job_json: dict[str, Any], **rows: Any) -> JobStatus:
        job = read_job(write_folder(tmp_path / "in", job_json, **rows))

        async def serve_and_run() -> JobStatus:
            async with fake.running():
                return await run_job(job, Output(out), port=fake.port)

        return asyncio.run(serve_and_run())

    return run
