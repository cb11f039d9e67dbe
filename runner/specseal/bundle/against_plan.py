"""A run held against its lock: the jobs, phases and requests are those that the lock's plan has.

A request that was left out is as telling as one that was altered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle.against_jobs import devices_of_jobs, images_of_jobs
from specseal.bundle.against_records import phase_against_records
from specseal.bundle.counts import COUNTS
from specseal.bundle.findings import Finding, broken
from specseal.bundle.parquet import MAX_ROWS
from specseal.bundle.tables import RECORDS
from specseal.bundle.withheld import is_restricted
from specseal.digests import Digest
from specseal.plan import Job, Phase, loads, make_plan
from specseal.record_table import OUTPUT_SHA256, RecordTable, table_of
from specseal.sent import ends_as_it_should, is_as_planned, missing_phase
from specseal.spec.locked import Lock

MAX_JOBS = 10_000
MAX_PHASES = 20_000
_SEEN = ("engine_version_found", "method_found", "draft_length_found")
"""What was seen of an engine, its log among the sources: found once, when the job was read."""


def run_against_plan(
    run: RunData, lock: Lock, environment: Mapping[str, Any], *, is_of_the_first: bool = False
) -> Iterator[Finding]:
    """Yield a finding for each way in which a run is not its lock's.

    Args:
        run: the run.
        lock: what was to be run.
        environment: what was found.
        is_of_the_first: whether its bundle is one of the first, of which less is asked.

    Raises:
        BundleBroken: the plan is larger than any bundle: it would take for ever to make.
    """
    _refuse_endless(lock)
    yield from _run_facts(run, lock)
    yield from _jobs_of_the_environment(run, environment)
    yield from devices_of_jobs(run, lock, environment)
    yield from _withheld(run, lock)
    planned = make_plan(lock).jobs
    found, expected = list(map(_launch_of, run.jobs)), list(map(_launch_of, planned))
    if found != expected:
        yield Finding(
            "recompute.plan",
            f"{COUNTS}: jobs (method, draft length, repeat) are {found}, the lock's plan has "
            f"{expected}",
        )
        return
    yield from images_of_jobs(run, planned, environment)
    locks = [variant.lock for variant in lock.variants_in_full()]
    prompts = _prompts_by_digest(locks)
    for job, plan in zip(run.jobs, planned, strict=True):
        yield from _job_facts(job, locks[plan.variant])
        yield from _phases(job, plan, prompts, is_of_the_first=is_of_the_first)


def _refuse_endless(lock: Lock) -> None:
    """Refuse a lock whose plan has more than a bundle may hold, before the plan is made."""
    jobs = phases = conversations = 0.0
    for variant in lock.variants_in_full():
        points = variant.lock.points
        named = len(points["conversations"])  # by every phase, even one that sends none of them
        sent = [
            max(named, load.rate * load.duration_s if load.rate and load.duration_s else 1)
            for load in loads(points["load"])
        ]
        each = points["repeats"] * len(points["inputs"])
        jobs += 2 * points["repeats"]
        phases += 2 * each * len(sent)
        conversations += each * sum(sent) + points["repeats"] * len(points["warmup"])
    if jobs > MAX_JOBS or phases > MAX_PHASES or conversations > MAX_ROWS:
        raise broken("recompute.plan", "lock.json: its plan has more than a bundle may hold")


def _launch_of(job: Job | JobData) -> tuple[str, int, int]:
    method = job.method if isinstance(job, Job) else job.speculation
    return method, job.draft_length, job.repeat


def _run_facts(run: RunData, lock: Lock) -> Iterator[Finding]:
    yield from _differences(
        f"{COUNTS}: run",
        "recompute.lock",
        (
            ("seed", run.seed, lock.points["seed"]),
            ("objectives", asdict(run.objectives), lock.points["objectives"]),
            ("draftable", run.draftable, lock.drafter["draftable"]),
        ),
    )


def _withheld(run: RunData, lock: Lock) -> Iterator[Finding]:
    """Ids are withheld, and what they tell only attested, just where the data set is restricted."""
    restricted = is_restricted(lock)
    for job in run.jobs:
        for phase in job.phases:
            table = table_of(phase.records)
            if restricted:
                flawed = bool(table.lists["output_ids"].are_known().any())
                said = "output ids are there, and the lock's data set may not be passed on"
            else:
                flawed = any(table.texts[OUTPUT_SHA256].used() - {None})
                said = "output ids are withheld, and the lock's data set is not restricted"
            if flawed:
                where = f"{RECORDS}: job {job.key}, phase {phase.status.phase}"
                yield Finding("recompute.withheld", f"{where}: {said}")


def _jobs_of_the_environment(run: RunData, environment: Mapping[str, Any]) -> Iterator[Finding]:
    described = [(job["key"], job["session"]) for job in environment["jobs"]]
    if described != [(job.key, job.session) for job in run.jobs]:
        yield Finding("recompute.jobs", f"environment.json: jobs are not those of {COUNTS}")
        return
    for job, found in zip(run.jobs, environment["jobs"], strict=True):
        for name in _SEEN:
            if getattr(job, name) != found[name]:
                yield Finding(
                    "recompute.jobs",
                    f"{COUNTS}: job {job.key}: {name} is {getattr(job, name)}, environment.json "
                    f"has {found[name]}",
                )
    taken = {
        inspection["hardware"]
        for found in environment["jobs"]
        if (inspection := found.get("machine", {}).get("inspection"))
    }
    said = environment.get("hardware")
    if said is not None and taken and said != ("any" if "any" in taken else "as_locked"):
        yield Finding(
            "recompute.jobs", f"environment.json: hardware is {said}, its jobs took {sorted(taken)}"
        )


def _job_facts(job: JobData, lock: Lock) -> Iterator[Finding]:
    yield from _differences(
        f"{COUNTS}: job {job.key}",
        "recompute.lock",
        (
            ("prefix_cache", job.prefix_cache, lock.prefix_cache),
            ("devices", job.devices, lock.hardware["count"]),
            ("accelerator", job.accelerator, lock.hardware["accelerator"]),
            ("engine_version", job.engine_version, lock.engine["version"]),
        ),
    )


def _phases(
    job: JobData, plan: Job, prompts: Mapping[Digest, _Prompts], *, is_of_the_first: bool
) -> Iterator[Finding]:
    measured = [phase for phase in plan.phases if phase.measured]
    names = [phase.status.phase for phase in job.phases]
    expected = [phase.name for phase in measured]
    if job.failure:
        expected = expected[: len(names)]  # they run in order: what is missing are the last
    missing = tuple(map(missing_phase, measured[len(names) :]))
    if names != expected or job.missing != missing:
        yield Finding(
            "recompute.plan",
            f"{COUNTS}: job {job.key}: its phases are {names} and {len(job.missing)} are missing, "
            f"the lock's plan has {[phase.name for phase in measured]}",
        )
        return
    for phase, planned in zip(job.phases, measured, strict=False):
        where = f"job {job.key}, phase {planned.name}"
        yield from _phase_facts(f"{COUNTS}: {where}", phase, planned)
        flaws = [*_records(f"{RECORDS}: {where}", phase, planned, prompts[planned.prompts])]
        # Of other records than the plan's there is nothing to be told.
        yield from flaws or phase_against_records(
            where, phase, planned, is_of_the_first=is_of_the_first
        )


def _phase_facts(where: str, phase: PhaseData, plan: Phase) -> Iterator[Finding]:
    yield from _differences(
        where,
        "recompute.plan",
        (
            ("load", phase.load, plan.load),
            ("input", phase.input, plan.input),
            ("setting", phase.setting, plan.setting),
        ),
    )
    yield from _differences(
        where,
        "recompute.lock",
        (
            ("measured", phase.status.measured, True),
            ("max_tokens", phase.max_tokens, plan.sampling["max_tokens"]),
            ("temperature", phase.temperature, plan.sampling["temperature"]),
            ("ignore_eos", phase.ignore_eos, plan.sampling["ignore_eos"]),
            ("history_not_rewritten", phase.history_not_rewritten, plan.history_not_rewritten),
            ("bos_doubled", phase.bos_doubled, plan.bos_doubled),
        ),
    )


def _differences(
    where: str, code: str, triples: Iterable[tuple[str, Any, Any]]
) -> Iterator[Finding]:
    """Yield a finding for each (name, found, planned) whose values differ."""
    for name, found, planned in triples:
        if found != planned:
            yield Finding(code, f"{where}: {name} is {found}, the lock says {planned}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompts:
    """The prompts of one data set under one tokenizer, and those of random tokens like them."""

    rows: dict[str, dict[str, Any]]
    """The lock's row of each conversation."""
    first_turns: dict[str, int]
    """Input tokens of each conversation's first turn, as the records seen so far have them."""


def _prompts_by_digest(locks: Sequence[Lock]) -> dict[Digest, _Prompts]:
    found: dict[Digest, _Prompts] = {}
    for lock in locks:
        rows = {row["id"]: row for row in lock.prompts["conversations"]}
        prompts = found.setdefault(lock.prompts["sha256"], _Prompts(rows=rows, first_turns={}))
        if lock.prompts["random"] is not None:
            found[lock.prompts["random"]["sha256"]] = prompts
    return found


def _records(where: str, phase: PhaseData, plan: Phase, prompts: _Prompts) -> Iterator[Finding]:
    """Hold each record against itself, and each conversation against plan and lock."""
    table = table_of(phase.records)
    for record, flaw in table.flaws():
        message = f"{where}, {record.conversation} turn {record.turn}: {flaw}"
        yield Finding("recompute.records", message)
    sent = _by_conversation(table)
    if not is_as_planned(sent.keys(), phase.status.client_processes, plan):
        yield Finding(
            "recompute.plan", f"{where}: its conversations are not those that the lock's plan has"
        )
    for (name, _), turns in sent.items():
        if wrong := _conversation_problem(name, turns, prompts):
            yield Finding("recompute.records", f"{where}: {name} {wrong}")


_Turn = tuple[int, str, int, bool]
"""Number, category, input tokens, and whether it failed: what the lock speaks about."""


def _by_conversation(table: RecordTable) -> dict[tuple[str, int], list[_Turn]]:
    """Return the turns of each sending of a conversation, by its id and cycle."""
    sent: dict[tuple[str, int], list[_Turn]] = {}
    turns = zip(
        table.number("turn").tolist(),
        map(str, table.texts["category"].to_list()),
        table.number("input_tokens").tolist(),
        map(bool, table.texts["error"].to_list()),
        strict=True,
    )
    for (name, cycle, _), turn in zip(table.turn_keys(), turns, strict=True):
        sent.setdefault((name, cycle), []).append(turn)
    return sent


def _conversation_problem(name: str, turns: list[_Turn], prompts: _Prompts) -> str | None:
    locked = prompts.rows.get(name)
    if locked is None:
        return "is not among the lock's conversations"
    if {category for _, category, _, _ in turns} != {locked["category"]}:
        return f"is of another category than the lock's {locked['category']!r}"
    numbers = sorted(number for number, _, _, _ in turns)
    whole = ends_as_it_should([failed for _, _, _, failed in turns], locked["turns"])
    if numbers != list(range(len(numbers))) or not whole:
        return f"has turns {numbers}, the lock's has {locked['turns']}"
    _, _, input_tokens, _ = min(turns)
    return _length_problem(name, input_tokens, locked, prompts)


def _length_problem(
    name: str, input_tokens: int, locked: dict[str, Any], prompts: _Prompts
) -> str | None:
    """Hold the first turn's length against the lock's, and against all that was sent before.

    Random tokens take the place of the data set's one for one, so theirs is the same.
    """
    if locked["input_tokens"] is None:
        return None  # sent as text, which the server alone can count
    if locked["turns"] == 1 and input_tokens != locked["input_tokens"]:
        return f"has {input_tokens} input tokens, the lock's has {locked['input_tokens']}"
    seen = prompts.first_turns.setdefault(name, input_tokens)
    if seen != input_tokens:
        return f"has {input_tokens} input tokens in its first turn, and elsewhere {seen}"
    return None
