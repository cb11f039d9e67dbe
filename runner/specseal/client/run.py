"""The way of one job: wait for health, read back, do the task, close with `status.json`."""

from __future__ import annotations

import hashlib
from typing import Any

from specseal.client.counts import reader_of
from specseal.client.dialects import dialect_named
from specseal.client.encode import encode
from specseal.client.errors import JobFailed, ServerError
from specseal.client.job import Encode, Job
from specseal.client.measure import measure
from specseal.client.output import Output
from specseal.client.server import Server, connect
from specseal.client.text import ServerText
from specseal.records import JobStatus, PhaseStatus


async def run_job(job: Job, output: Output, *, port: int) -> JobStatus:
    """Run a job against the server on this loopback port; return what `status.json` says.

    Raises:
        InputRefused: the job names a dialect or a count source that there is not.
        OutputFailed: a file can't be written; there is no `status.json` then.
    """
    dialect = dialect_named(job.dialect)
    if not isinstance(job.task, Encode):
        reader_of(job.task.counts)
    engine: dict[str, Any] = {}
    phases: list[PhaseStatus] = []
    reason = ""
    async with connect(port, silence_timeout_s=job.silence_timeout_s) as server:
        try:
            await server.wait_until_healthy(job.health_path, deadline_s=job.deadline_s)
            engine = await _read_back(job, server)
            if isinstance(job.task, Encode):
                await encode(job.task, ServerText(server, dialect.text), output)
            else:
                async for phase in measure(job.task, dialect, server, output):
                    phases.append(phase)
        except JobFailed as failure:
            reason = str(failure)
    status = JobStatus(
        outcome="failed" if reason else "done", reason=reason, phases=tuple(phases), engine=engine
    )
    output.replace("status.json", status.to_dict())
    return status


async def _read_back(job: Job, server: Server) -> dict[str, Any]:
    """Return what the engine says of itself, a chat template as a digest only."""
    said: dict[str, Any] = {}
    for name, path in job.readback.items():
        try:
            said[name] = await server.get_any_json(path)
        except ServerError as error:
            raise JobFailed(f"the engine can't be read back: {error}") from error
        template = said[name].pop("chat_template", None) if isinstance(said[name], dict) else None
        if isinstance(template, str):
            said[name]["chat_template_sha256"] = hashlib.sha256(template.encode()).hexdigest()
    return said
