"""The way of one job: wait for health, read back, do the task, close with `status.json`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from specseal.client.address import Address
from specseal.client.counts import check_source, find_source
from specseal.client.dialects import dialect_named
from specseal.client.encode import encode
from specseal.client.errors import InputRefused, JobFailed, ServerError
from specseal.client.hand import OwnHand
from specseal.client.job import Encode, Job, Measure
from specseal.client.load import Counterpart
from specseal.client.measure import measure
from specseal.client.offer import STREAMS_A_PROCESS, processes_for
from specseal.client.output import Output
from specseal.client.server import Server
from specseal.client.shards import remote_hands
from specseal.client.text import ServerText
from specseal.records import JobStatus, PhaseStatus


async def run_job(
    job: Job,
    output: Output,
    address: Address,
    *,
    arguments: Sequence[str] = (),
    streams_a_process: int = STREAMS_A_PROCESS,
    cpus: int | None = None,
) -> JobStatus:
    """Run a job against a server; return what `status.json` says.

    Args:
        job: what to do.
        output: where results go.
        address: where the server is.
        arguments: the command line, for the further processes of a load that needs them.
        streams_a_process: how many conversations one process holds.
        cpus: how many processes can run at once; None: as many as this one may use. More would take
            turns, and each stamp late what comes in the others' turn.

    Raises:
        InputRefused: the job names a dialect or a count source that there is not.
        OutputFailed: a file can't be written; there is no `status.json` then.
    """
    server = Server(address, silence_timeout_s=job.silence_timeout_s)
    counterpart = counterpart_of(job, server)
    if isinstance(job.task, Measure):
        check_source(job.task.counts)
    engine: dict[str, Any] = {}
    phases: list[PhaseStatus] = []
    reason = ""
    try:
        await server.wait_until_healthy(job.health_path, deadline_s=job.deadline_s)
        engine = await _read_back(job.readback, server)
        if isinstance(job.task, Encode):
            await encode(job.task, _text_of(job, counterpart), output)
        else:
            counts, found = await find_source(server, job.task.counts)
            if found is not None:
                engine["counts"] = found
            task = replace(job.task, counts=counts)
            own = OwnHand(task=task, counterpart=counterpart)
            wanted = max(processes_for(phase, streams_a_process) for phase in job.task.phases)
            most = min(wanted, cpus or len(os.sched_getaffinity(0)))
            async with remote_hands(most - 1, arguments) as others:
                async for phase in measure(
                    task, server, [own, *others], output, streams_a_process=streams_a_process
                ):
                    phases.append(phase)
            if job.readback_after:
                engine["after"] = await _read_back(job.readback_after, server)
    except JobFailed as failure:
        reason = str(failure)
    status = JobStatus(
        outcome="failed" if reason else "done", reason=reason, phases=tuple(phases), engine=engine
    )
    output.replace("status.json", status.to_dict())
    return status


def counterpart_of(job: Job, server: Server) -> Counterpart:
    """Return how one speaks with the job's server. Raises: InputRefused."""
    dialect = dialect_named(job.dialect)
    return Counterpart(
        server=server,
        dialect=dialect,
        model=job.model,
        text=ServerText(server, dialect.text) if dialect.text else None,
        stop_ids=job.task.stop_ids if isinstance(job.task, Measure) else frozenset(),
    )


def _text_of(job: Job, counterpart: Counterpart) -> ServerText:
    if counterpart.text is None:
        raise InputRefused(f"dialect {job.dialect!r} has no way to encode prompts")
    return counterpart.text


async def _read_back(pages: Mapping[str, str], server: Server) -> dict[str, Any]:
    """Return what the engine says of itself, a chat template as a digest only."""
    said: dict[str, Any] = {}
    for name, path in pages.items():
        try:
            said[name] = await server.get_any_json(path)
        except ServerError as error:
            raise JobFailed(f"the engine can't be read back: {error}") from error
        template = said[name].pop("chat_template", None) if isinstance(said[name], dict) else None
        if isinstance(template, str):
            said[name]["chat_template_sha256"] = hashlib.sha256(template.encode()).hexdigest()
    return said
