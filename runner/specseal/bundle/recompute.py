"""What a bundle says, held against itself: schemas, lock against environment, result again.

In: the bytes of the files, already held against the signed manifest. No signature is looked at
here, and nothing is read from disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from specseal.analysis import JobData, Result, RunData, analyse
from specseal.bundle.counts import COUNTS, decode_counts
from specseal.bundle.findings import BundleBroken, Finding, broken
from specseal.bundle.statement import ResultStatement
from specseal.bundle.strict import parse_file
from specseal.bundle.tables import RECORDS, TELEMETRY, decode_records, decode_telemetry
from specseal.digests import Digest, canonical, sha256_bytes
from specseal.errors import SpecsealError
from specseal.plan import Job, make_plan
from specseal.records import Record
from specseal.spec import Spec, parse_spec
from specseal.spec.locked import Lock, parse_lock

RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A bundle's contents, read from the bytes that were verified."""

    manifest: Digest
    """The bundle's identity."""
    spec: Spec
    lock: Lock
    environment: dict[str, Any]
    result: Result
    run: RunData
    telemetry: list[dict[str, Any]]

    def to_document(self) -> dict[str, Any]:
        """Return what programs are shown: identity, recipe and metrics, as plain JSON types."""
        return {
            "bundle": self.manifest,
            "recipe": self.lock.recipe,
            "metrics": self.result.to_dict()["metrics"],
        }


def read_contents(
    files: Mapping[str, bytes], *, manifest: Digest, statement: ResultStatement
) -> Contents:
    """Read the files, and check that spec, lock, environment and statement name each other.

    Args:
        files: the bundle's parsed files by path.
        manifest: digest of the manifest that lists them.
        statement: what the signer says about them.

    Raises:
        BundleBroken: a file is not of its schema, or two of them disagree.
    """
    spec, lock = _read_spec_and_lock(files)
    environment = _read_json(files, "environment")
    contents = Contents(
        manifest=manifest,
        spec=spec,
        lock=lock,
        environment=environment,
        result=Result.from_dict(_read_json(files, "result")),
        run=decode_records(files[RECORDS], decode_counts(files[COUNTS])),
        telemetry=decode_telemetry(files[TELEMETRY]),
    )
    pairs = (
        ("lock.json: spec.sha256", lock.spec.get("sha256"), "spec.yaml", spec.digest),
        ("environment.json: lock_sha256", environment["lock_sha256"], "lock.json", lock.digest),
        ("environment.json: recipe", environment["recipe"], "lock.json", lock.recipe),
        ("the statement: name", statement.name, "spec.yaml", spec.name),
        ("the statement: recipe", statement.recipe, "lock.json", lock.recipe),
        ("the statement: lock", statement.lock, "lock.json", lock.digest),
        (
            "the statement: result",
            statement.result,
            "result.json",
            sha256_bytes(files["result.json"]),
        ),
    )
    _raise_any(
        Finding("schemas.disagree", f"{where} is {said}, but {other} gives {found}")
        for where, said, other, found in (*pairs, *_lock_against_spec(lock, spec))
        if said != found
    )
    return contents


def recompute(contents: Contents) -> None:
    """Check the run against the lock, and the result against a new analysis of the run.

    Raises:
        BundleBroken: the records are not those of the lock's plan, or the result is not theirs.
    """
    try:
        _raise_any(
            [*_compare_sampling(contents), *_compare_jobs(contents), *_compare_records(contents)]
        )
        again = analyse(contents.run)
    # What a hostile lock or hostile records can make these raise; all of it means: no.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise broken(
            "recompute.impossible",
            f"lock.json, {RECORDS}, {COUNTS}: can't be analysed: {type(error).__name__}: {error}",
        ) from error
    _raise_any(compare_results(contents.result, again))


def compare_results(sealed: Result, again: Result) -> list[Finding]:
    """Return a finding a metric in which a sealed result differs from the recomputed one.

    The set of metrics, their units, counts and validity must be equal; estimates to a relative
    1e-9, because sums may be taken in another order; intervals likewise, where both come from one
    analysis version.
    """
    found, expected = _by_identity(sealed), _by_identity(again)
    same_version = sealed.analysis_version == again.analysis_version
    findings = []
    if len(found) != len(sealed.metrics):
        findings.append(Finding("recompute.metrics", "result.json: a metric comes twice"))
    for identity in sorted({*found, *expected}):
        if identity not in expected:
            message = f"result.json: {identity} does not come out of the records"
        elif identity not in found:
            message = f"result.json: {identity} is missing"
        elif wrong := _difference(found[identity], expected[identity], intervals=same_version):
            message = f"result.json: {identity}: {wrong}"
        else:
            continue
        findings.append(Finding("recompute.metrics", message))
    return findings


def _read_spec_and_lock(files: Mapping[str, bytes]) -> tuple[Spec, Lock]:
    try:
        spec = parse_spec(files["spec.yaml"], path="spec.yaml")
    except SpecsealError as error:
        raise broken("schemas.spec", error.message) from error
    parse_file(files["lock.json"], path="lock.json", code="schemas.lock")
    try:
        lock = parse_lock(files["lock.json"], path="lock.json")
    except SpecsealError as error:
        raise broken("schemas.lock", error.message) from error
    return spec, lock


def _lock_against_spec(lock: Lock, spec: Spec) -> list[tuple[str, Any, str, Any]]:
    """Return (where, what the lock says, "spec.yaml", what the spec says) of what both hold."""
    workload = spec.workload
    asked: dict[str, dict[str, Any]] = {
        "points": {
            "concurrency": list(workload.load.concurrency),
            "requests": workload.load.requests,
            "repeats": workload.repeats,
            "draft_length": spec.drafter.draft_length,
            "baseline": spec.baseline,
            "seed": workload.seed,
        },
        "sampling": {
            "max_tokens": workload.sampling.max_tokens,
            "temperature": workload.sampling.temperature,
        },
        "drafter": {"method": spec.drafter.method},
    }
    sections = lock.to_dict()
    return [
        (f"lock.json: {section}.{key}", sections[section].get(key), "spec.yaml", value)
        for section, values in asked.items()
        for key, value in values.items()
    ]


def _read_json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    path = f"{name}.json"
    value: dict[str, Any] = parse_file(files[path], path=path, code=f"schemas.{name}", schema=name)
    return value


def _compare_sampling(contents: Contents) -> list[Finding]:
    run, lock = contents.run, contents.lock
    pairs = (
        ("max_tokens", run.max_tokens, lock.sampling["max_tokens"]),
        ("temperature", run.temperature, lock.sampling["temperature"]),
        ("seed", run.seed, lock.points["seed"]),
    )
    return [
        Finding("recompute.lock", f"{COUNTS}: run.{name} is {found}, the lock says {locked}")
        for name, found, locked in pairs
        if found != locked
    ]


def _compare_jobs(contents: Contents) -> list[Finding]:
    """Hold the jobs of the records against those of the lock's plan and of the environment."""
    found = {(job.speculation, job.draft_length, job.repeat): job for job in contents.run.jobs}
    planned = {
        (job.method, job.draft_length, job.repeat): job for job in make_plan(contents.lock).jobs
    }
    findings = []
    if len(found) != len(contents.run.jobs) or found.keys() != planned.keys():
        findings.append(
            Finding(
                "recompute.plan",
                f"{COUNTS}: jobs (method, draft length, repeat) are {sorted(found)}, the lock's "
                f"plan has {sorted(planned)}",
            )
        )
    described = sorted((job["key"], job["session"]) for job in contents.environment["jobs"])
    if described != sorted((job.key, job.session) for job in contents.run.jobs):
        findings.append(
            Finding("recompute.jobs", f"environment.json: jobs are not those of {COUNTS}")
        )
    for place in sorted(found.keys() & planned.keys()):
        # Requests that were left out are as telling as requests that were altered.
        if _asked(found[place]) != _to_ask(planned[place]):
            findings.append(
                Finding(
                    "recompute.plan",
                    f"{RECORDS}: job {found[place].key}: its phases or their conversations are "
                    "not those that the lock's plan has",
                )
            )
    return findings


def _compare_records(contents: Contents) -> list[Finding]:
    """Hold each record against itself, and each conversation against the lock's."""
    locked = {row["id"]: row for row in contents.lock.prompts["conversations"]}
    findings = []
    for job in contents.run.jobs:
        for phase in job.phases:
            where = f"{RECORDS}: job {job.key}, phase {phase.status.phase}"
            taken: dict[str, list[Record]] = {}
            for record in phase.records:
                taken.setdefault(record.conversation, []).append(record)
                if flaw := record.flaw():
                    message = f"{where}, {record.conversation} turn {record.turn}: {flaw}"
                    findings.append(Finding("recompute.records", message))
            for name, records in taken.items():
                if wrong := _conversation_problem(records, locked.get(name)):
                    findings.append(Finding("recompute.records", f"{where}: {name} {wrong}"))
    return findings


def _conversation_problem(records: list[Record], locked: dict[str, Any] | None) -> str | None:
    if locked is None:
        return "is not among the lock's conversations"
    if {record.category for record in records} != {locked["category"]}:
        return f"is of another category than the lock's {locked['category']!r}"
    numbers = sorted(record.turn for record in records)
    # A conversation ends with its last turn, or with the turn that failed.
    whole = len(numbers) == locked["turns"] or any(record.error for record in records)
    if numbers != list(range(len(numbers))) or not whole:
        return f"has turns {numbers}, the lock's has {locked['turns']}"
    return None


def _asked(job: JobData) -> dict[tuple[str, int], set[str]]:
    return {
        (phase.status.phase, phase.concurrency): {record.conversation for record in phase.records}
        for phase in job.phases
    }


def _to_ask(job: Job) -> dict[tuple[str, int], set[str]]:
    return {
        (phase.name, phase.concurrency): set(phase.conversations)
        for phase in job.phases
        if phase.measured
    }


def _by_identity(result: Result) -> dict[str, dict[str, Any]]:
    """Return the metrics as plain JSON values, by name and where, spelled for people."""
    return {
        f"{metric.name} {canonical(metric.where).decode()}": metric.to_dict()
        for metric in result.metrics
    }


def _difference(
    found: Mapping[str, Any], expected: Mapping[str, Any], *, intervals: bool
) -> str | None:
    exact = found["unit"] == "count"
    for name, value in expected.items():
        if name == "value" and not exact:
            same = _is_close(found[name], value)
        elif name in ("low", "high"):
            same = not intervals or _is_close(found[name], value)
        else:
            same = found[name] == value
        if not same:
            return f"{name} is {found[name]}, the records give {value}"
    return None


def _is_close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=0.0)


def _raise_any(findings: Iterable[Finding]) -> None:
    if collected := tuple(findings):
        raise BundleBroken(collected)
