"""What is told of a phase, and the load that it was to offer, against its own records.

The result is the one that the altered run gives, and all is signed by the trusted key: only that
records, counts and lock do not go together can betray it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import NOW, GoodBundle, as_recorded, codes, inputs_of, sent_at
from attacks.test_sweep import run_of, timed
from specseal.analysis import PhaseData, RunData
from specseal.bundle import Report, SealInputs, seal
from specseal.records import Record

MS = 1_000_000
Change = Callable[[PhaseData], PhaseData]


def altered(run: RunData, change: Change, *, number: int = 1) -> RunData:
    """The run with one phase of its last job changed."""
    *others, job = run.jobs
    phases = list(job.phases)
    phases[number] = change(phases[number])
    return replace(run, jobs=(*others, replace(job, phases=tuple(phases))))


def verify_sealed(good: GoodBundle, folder: Path, inputs: SealInputs) -> Report:
    return good.verify(seal(inputs, folder / "bundle", signer=good.signer, now=NOW))


def verify_altered(good: GoodBundle, folder: Path, change: Change, *, number: int = 1) -> Report:
    run = altered(good.inputs.run, change, number=number)
    return verify_sealed(good, folder, replace(good.inputs, run=run))


# What is told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"start_ns": 2_500 * MS}, "start_ns is 2500000000, the records give 0"),
        ({"end_ns": 2_500 * MS}, "end_ns is 2500000000, the records give 5096000000"),
        ({"end_ns": 5_097 * MS}, "end_ns is 5097000000, the records give 5096000000"),
        ({"requests": 5}, "requests is 5, the records give 6"),
        ({"requests": 999}, "requests is 999, the records give 6"),
        ({"failed": 1}, "failed is 1, the records give 0"),
    ],
)
def test_phase_that_is_told_otherwise_than_its_records_have_it_is_refused(
    good: GoodBundle, tmp_path: Path, changes: dict[str, int], said: str
) -> None:
    """Output throughput rests on when a phase began and ended: half the time, twice the figure."""

    def change(phase: PhaseData) -> PhaseData:
        return replace(phase, status=replace(phase.status, **changes))

    report = verify_altered(good, tmp_path, change)
    assert codes(report) == {"recompute.status"}
    assert f"counts.json: job key-r1-ngram, phase c2: {said}" in report.to_text()


def late(phase: PhaseData) -> PhaseData:
    """The phase with its requests sent 50 ms late, of which its status tells nothing."""
    records = tuple(replace(one, due_ns=one.submit_ns - 50 * MS) for one in phase.records)
    return replace(phase, records=records)


def test_late_sends_that_are_told_to_be_none_are_refused(good: GoodBundle, tmp_path: Path) -> None:
    report = verify_altered(good, tmp_path, late)
    assert codes(report) == {"recompute.status"}
    assert "send_lag_p99_ns is 0, the records give 50000000" in report.to_text()
    assert "send_lag_max_ns is 0, the records give 50000000" in report.to_text()


def test_late_sends_that_are_told_hold(good: GoodBundle, tmp_path: Path) -> None:
    assert verify_altered(good, tmp_path, lambda phase: as_recorded(late(phase))).intact


@pytest.mark.parametrize(
    ("moment", "changes", "said"),
    [
        ("before", {"time_ns": 1}, "the counters before it were read at 1, it was from 0 to"),
        ("after", {"time_ns": 5_096 * MS - 1}, "the counters after it were read at 5095999999, it"),
        ("before", {"phase": "c1"}, "the counters before it are those before c1"),
        ("after", {"moment": "before"}, "the counters after it are those before c2"),
    ],
)
def test_counters_of_another_time_or_phase_are_refused(
    good: GoodBundle, tmp_path: Path, moment: str, changes: dict[str, Any], said: str
) -> None:
    def change(phase: PhaseData) -> PhaseData:
        return replace(phase, **{moment: replace(getattr(phase, moment), **changes)})

    report = verify_altered(good, tmp_path, change)
    assert codes(report) == {"recompute.snapshots"}
    assert said in report.to_text()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_counters_read_just_as_a_phase_begins_or_ends_hold(
    good: GoodBundle, tmp_path: Path, moment: str
) -> None:
    def change(phase: PhaseData) -> PhaseData:
        time_ns = phase.status.start_ns if moment == "before" else phase.status.end_ns
        return replace(phase, **{moment: replace(getattr(phase, moment), time_ns=time_ns)})

    assert verify_altered(good, tmp_path, change).intact


# The load


def at(instants_ms: Sequence[int]) -> Change:
    """Return what has a phase send its requests, which take 91 to 96 ms, at these instants."""

    def change(phase: PhaseData) -> PhaseData:
        records = tuple(
            sent_at(one, instant * MS)
            for one, instant in zip(phase.records, instants_ms, strict=True)
        )
        return as_recorded(replace(phase, records=records))

    return change


@pytest.mark.parametrize(
    ("instants_ms", "number", "said"),
    [
        ([0] * 6, 0, "at 0 6 conversations are in flight, the lock has 1"),
        ([0, 90, 200, 300, 400, 500], 0, "at 90000000 2 conversations are in flight"),
        ([0, 0, 90, 100, 200, 200], 1, "at 90000000 3 conversations are in flight"),
        ([0] * 6, 1, "conversations are in flight, the lock has 2"),
    ],
    ids=["all at once", "two at once", "three for two", "all for two"],
)
def test_more_in_flight_than_the_locks_load_has_is_refused(
    good: GoodBundle, tmp_path: Path, instants_ms: list[int], number: int, said: str
) -> None:
    """Throughput of six at once, told as that of one."""
    report = verify_altered(good, tmp_path, at(instants_ms), number=number)
    assert codes(report) == {"recompute.load"}
    assert said in report.to_text()


def test_next_request_in_the_moment_in_which_another_ends_holds(
    good: GoodBundle, tmp_path: Path
) -> None:
    assert verify_altered(good, tmp_path, at([0, 0, 91, 92, 200, 200])).intact


def test_request_sent_before_it_was_due_is_refused(good: GoodBundle, tmp_path: Path) -> None:
    def early(phase: PhaseData) -> PhaseData:
        records = tuple(replace(one, due_ns=one.submit_ns + 2 * MS) for one in phase.records)
        return as_recorded(replace(phase, records=records))

    report = verify_altered(good, tmp_path, early)
    assert codes(report) == {"recompute.load"}
    assert "a request was sent before it was due" in report.to_text()


OPEN = b"{mode: open, rate: [2.5], arrival: poisson}"


def sent_openly(good: GoodBundle, folder: Path, change: Callable[[Record], Record]) -> Report:
    """Seal a run under an open load with its records changed."""
    text, lock = timed(OPEN)

    def changed(phase: PhaseData) -> PhaseData:
        return as_recorded(replace(phase, records=tuple(map(change, phase.records))))

    run = altered(run_of(lock), changed, number=0)
    return verify_sealed(good, folder, inputs_of(text, lock, run, folder))


def test_open_load_at_the_instants_of_its_lock_holds(good: GoodBundle, tmp_path: Path) -> None:
    """From whenever its first is due; and however late one is sent, or how many are in flight."""
    assert sent_openly(good, tmp_path, lambda one: sent_at(one, one.submit_ns + 7)).intact


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: sent_at(one, one.submit_ns // 2), "ns after the first, the lock's schedule"),
        (lambda one: replace(one, due_ns=None), "nothing says when it was due"),
    ],
    ids=["twice as fast", "untold"],
)
def test_open_load_at_other_instants_than_the_locks_is_refused(
    good: GoodBundle, tmp_path: Path, change: Callable[[Record], Record], said: str
) -> None:
    report = sent_openly(good, tmp_path, change)
    assert codes(report) == {"recompute.load"}
    assert said in report.to_text()


BURST = b"{mode: burst, concurrency: [2]}"
RAMP = b"{mode: ramp, concurrency: [2], duration_s: 4}"


@pytest.mark.parametrize(
    ("load", "instants_ms", "said"),
    [
        (BURST, [0, 0, 96, 96, 200, 200], None),
        (BURST, [0, 500, 600, 600, 700, 700], None),
        (BURST, [0, 50, 100, 146, 300, 300], "a burst began before the one before it had ended"),
        (RAMP, [0, 100, 200, 2_000, 2_000, 2_100], None),
        (RAMP, [0, 100, 150, 2_000, 2_100, 2_200], "2 conversations are in flight, the lock has 1"),
    ],
    ids=["bursts", "slow burst", "bursts that overlap", "ramp", "ramp that rises too soon"],
)
def test_burst_or_ramp_that_is_none_is_refused(
    good: GoodBundle, tmp_path: Path, load: bytes, instants_ms: list[int], said: str | None
) -> None:
    text, lock = timed(load)
    run = altered(run_of(lock), at(instants_ms), number=0)
    report = verify_sealed(good, tmp_path, inputs_of(text, lock, run, tmp_path))
    assert codes(report) == ({"recompute.load"} if said else set())
    assert (said or "") in report.to_text()
