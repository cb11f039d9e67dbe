"""Runs made by hand: one request, one phase, one launch, one run, each with its truth in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from specseal.analysis import JobData, Metric, PhaseData, Result, RunData
from specseal.records import Load, PhaseStatus, Record, Snapshot

MS = 1_000_000


def record(conversation: str = "q1", turn: int = 0, **changes: Any) -> Record:
    """Return a request of 4 tokens: submitted at 0, chunks at 100, 120, 140 and 160 ms."""
    values: dict[str, Any] = {
        "phase": "c1",
        "conversation": conversation,
        "category": "coding",
        "turn": turn,
        "cycle": 0,
        "due_ns": None,
        "connect_ns": 0,
        "submit_ns": 0,
        "chunk_ns": (100 * MS, 120 * MS, 140 * MS, 160 * MS),
        "chunk_tokens": (1, 1, 1, 1),
        "end_ns": 160 * MS,
        "input_tokens": 10,
        "engine_input_tokens": 10,
        "input_sha256": f"{conversation}/{turn}",
        "output_tokens": 4,
        "output_ids": (7, 8, 9, 10),
        "finish": "length",
        "error": None,
        "draft_tokens": 3,
        "accepted_tokens": 1,
        "verify_steps": None,
        "cached_tokens": 0,
    }
    return Record(**{**values, **changes})


def plain(conversation: str = "q1", turn: int = 0, **changes: Any) -> Record:
    """Return the same request without speculation."""
    return record(conversation, turn, **{"draft_tokens": None, "accepted_tokens": None, **changes})


def failed(conversation: str = "q1", **changes: Any) -> Record:
    """Return a request that ended in an error after no token."""
    values = {"chunk_ns": (), "chunk_tokens": (), "output_tokens": 0, "output_ids": None}
    counts = {"draft_tokens": None, "accepted_tokens": None}
    return record(
        conversation, finish="error", error="reset by peer", **{**values, **counts, **changes}
    )


def three(made: Callable[..., Record], **changes: Any) -> list[Record]:
    """Return as many requests, of three conversations, as a throughput has to rest on."""
    return [made(conversation, **changes) for conversation in ("q1", "q2", "q3")]


def telemetry(seconds: int, **fields: Any) -> tuple[dict[str, Any], ...]:
    """Return a sample a second, the first at 0 and the last after `seconds`.

    A field is a value, or a function from the second to the value; None leaves it out.
    """
    rows = []
    for second in range(seconds + 1):
        told = {name: value(second) if callable(value) else value for name, value in fields.items()}
        told = {name: value for name, value in told.items() if value is not None}
        rows.append({"time_ns": second * 1_000 * MS, **told})
    return tuple(rows)


def snapshot(moment: str = "after", **changes: Any) -> Snapshot:
    """Return counters at zero."""
    values: dict[str, Any] = {
        "phase": "c1",
        "moment": moment,
        "time_ns": 0,
        "settled": True,
        "drafts": 0,
        "draft_tokens": 0,
        "accepted_tokens": 0,
        "accepted_per_position": None,
        "output_tokens": None,
        "prompt_tokens": None,
        "cached_tokens": None,
    }
    return Snapshot(**{**values, **changes})


def phase(
    records: Iterable[Record],
    *,
    concurrency: int = 1,
    rate: float | None = None,
    load: Load | None = None,
    seconds: float = 1.0,
    status: dict[str, Any] | None = None,
    **changes: Any,
) -> PhaseData:
    """Return a phase whose counters agree with its records: as few drafts of 4 as there can be.

    Its `max_tokens` is a limit that no request fell short of.
    The load is closed with `concurrency`, or open with `rate`, unless `load` says otherwise.
    """
    records = tuple(records)
    if load is None and rate is None:
        load = Load(mode="closed", concurrency=concurrency)
    load = load or Load(mode="open", rate=rate, arrival="poisson")
    drafted = [r.draft_tokens or 0 for r in records]
    values: dict[str, Any] = {
        "phase": f"c{concurrency}",
        "measured": True,
        "start_ns": 0,
        "end_ns": int(seconds * 1e9),
        "requests": len(records),
        "failed": sum(r.error is not None for r in records),
        "loop_lag_p99_ns": MS,
        "loop_lag_max_ns": MS,
        "send_lag_p99_ns": 0,
        "send_lag_max_ns": 0,
        "client_cpu_share": 0.1,
        "client_cpu_total": 0.1,
        "client_cpus": 1,
        "client_memory_bytes": 50_000_000,
        "client_processes": 1,
    }
    parts: dict[str, Any] = {
        "input": "dataset",
        "max_tokens": min((r.output_tokens for r in records if r.finish == "length"), default=64),
        "temperature": 0.0,
        "ignore_eos": False,
        "history_not_rewritten": False,
        "bos_doubled": False,
        "before": snapshot("before", accepted_per_position=()),
        "after": snapshot(
            drafts=sum(-(-count // 4) for count in drafted),
            draft_tokens=sum(drafted),
            accepted_tokens=sum(r.accepted_tokens or 0 for r in records),
        ),
    }
    return PhaseData(
        load=load,
        status=PhaseStatus(**{**values, **(status or {})}),
        records=records,
        **{**parts, **changes},
    )


def job(*phases: PhaseData, speculation: str = "ngram", **changes: Any) -> JobData:
    """Return a launch, by default with n-gram drafts of up to 4 tokens."""
    values: dict[str, Any] = {
        "speculation": speculation,
        "draft_length": 0 if speculation == "none" else 4,
        "repeat": 0,
        "session": "s1",
        "cut_at_limit": False,
        "one_chunk_a_step": False,
        "prefix_cache": False,
        "devices": 1,
        "accelerator": "cpu",
        "accelerators_found": (),
        "engine_version": "1.0",
        "engine_version_found": "1.0",
        "method_found": speculation,
        "draft_length_found": None,
        "telemetry": (),
        "failure": "",
        "phases": phases,
        "missing": (),
    }
    values.update(changes)
    return JobData(**{"key": f"{values['repeat']}-{values['speculation']}", **values})


def baseline(*phases: PhaseData, **changes: Any) -> JobData:
    """Return a launch without speculation."""
    return job(*phases, speculation="none", **changes)


def run(*jobs: JobData, **changes: Any) -> RunData:
    """Return a run of these jobs."""
    return RunData(jobs=jobs, **{"seed": 0, **changes})


def metric(result: Result, name: str, **where: str | float | None) -> Metric:
    """Return the one metric of that name, of `ngram` on the data set unless `where` says otherwise.

    A key that is None in `where` is not in the metric's.
    """
    wanted = {"speculation": "ngram", "input": "dataset", **where}
    if wanted["speculation"] != "none":
        wanted.setdefault("draft_length", 4)
    wanted = {key: value for key, value in wanted.items() if value is not None}
    (found,) = [m for m in result.metrics if m.name == name and m.where == wanted]
    return found
