"""A phase held against its own records: what every honest one gives, and what none does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.analysis import PhaseData
from specseal.bundle.against_records import phase_against_records
from specseal.digests import Digest
from specseal.plan import Phase
from specseal.record_table import table_of
from specseal.records import Load, Record
from unit.analysis import builders

S = 1_000_000_000
MS = 1_000_000
START = 5 * S
NAMES = ("a", "b", "c", "d")


def plan(
    mode: str = "closed",
    concurrency: int | None = 2,
    *,
    duration_s: float | None = None,
    offsets_ns: tuple[int, ...] = (),
    names: Sequence[str] = NAMES,
) -> Phase:
    return Phase(
        name="c2",
        measured=True,
        load=Load(mode=mode, concurrency=concurrency, duration_s=duration_s),
        input="dataset",
        prompts=Digest("0" * 64),
        sampling={},
        conversations=tuple(names),
        offsets_ns=offsets_ns,
    )


def one(conversation: str, start_s: float, end_s: float, turn: int = 0, **changes: Any) -> Record:
    """A request from `start_s` to `end_s` after the start of the phase, sent as it was due."""
    return at(conversation, round(start_s * S), round(end_s * S), turn, **changes)


def at(conversation: str, start_ns: int, end_ns: int, turn: int = 0, **changes: Any) -> Record:
    start_ns, end_ns = START + start_ns, START + end_ns
    values: dict[str, Any] = {
        "due_ns": start_ns, "submit_ns": start_ns, "end_ns": end_ns, "chunk_ns": (end_ns,),
        "chunk_tokens": (4,),
    }  # fmt: skip
    return builders.record(conversation, turn, **{**values, **changes})


def phase(records: Sequence[Record], **status: Any) -> PhaseData:
    told = {
        "phase": "c2",
        "start_ns": min(record.submit_ns for record in records),
        "end_ns": max(record.end_ns for record in records),
        **status,
    }
    return builders.phase(records, status=told, before=None, after=None)


def found(plan: Phase, records: Sequence[Record], **status: Any) -> list[tuple[str, str]]:
    told = phase_against_records("here", phase(records, **status), plan, is_of_the_first=False)
    return [(finding.code, finding.message) for finding in told]


def load_of(plan: Phase, *records: Record) -> list[str]:
    told = found(plan, records)
    assert {code for code, _ in told} <= {"recompute.load"}
    return [message.removeprefix("records.parquet: here: ") for _, message in told]


# What is told


def test_errors_are_counted_whatever_they_say() -> None:
    records = [one("a", 0, 1, error=""), one("b", 0, 1, error="reset"), one("c", 1, 2)]
    assert found(plan(), records) == []
    assert found(plan(), records, failed=1) == [
        ("recompute.status", "counts.json: here: failed is 1, the records give 2")
    ]


def test_first_bundles_may_tell_of_other_failures_and_late_sends_and_of_no_other_times() -> None:
    records = [one("a", 0, 1, error="reset"), one("b", 0, 1, due_ns=START - S)]

    def told(**status: Any) -> list[str]:
        asked = phase(records, failed=0, **status)
        findings = phase_against_records("here", asked, plan(), is_of_the_first=True)
        return [finding.message.partition(" is ")[0] for finding in findings]

    assert told() == []
    for name in ("start_ns", "end_ns", "requests"):
        assert told(**{name: 9}) == [f"counts.json: here: {name}"]


def test_lateness_counts_from_when_the_connection_stood() -> None:
    late = [
        one(name, second, second + 1, due_ns=START + second * S - 30 * MS, connect_ns=10 * MS)
        for second, name in enumerate(NAMES)
    ]
    told = found(plan(), late)
    assert [message.partition(": ")[2] for _, message in told] == [
        "here: send_lag_p99_ns is 0, the records give 20000000",
        "here: send_lag_max_ns is 0, the records give 20000000",
    ]
    assert found(plan(), late, send_lag_p99_ns=20 * MS, send_lag_max_ns=20 * MS) == []


def test_p99_is_the_nearest_rank_as_the_client_has_it() -> None:
    names = [f"q{number}" for number in range(101)]
    records = [
        one(name, second, second + 0.5, due_ns=START + second * S - second * MS)
        for second, name in enumerate(names)
    ]
    asked = plan(names=names)
    assert found(asked, records, send_lag_p99_ns=99 * MS, send_lag_max_ns=100 * MS) == []
    for told in ({"send_lag_p99_ns": 98 * MS}, {"send_lag_max_ns": 99 * MS}):
        lags = {"send_lag_p99_ns": 99 * MS, "send_lag_max_ns": 100 * MS, **told}
        assert [code for code, _ in found(asked, records, **lags)] == ["recompute.status"]


def test_of_what_nothing_says_when_it_was_due_nothing_is_late() -> None:
    assert found(plan(), [one("a", 0, 1, due_ns=None), one("b", 0, 1)]) == []


def test_counters_after_a_phase_are_looked_at_where_there_are_none_before_it() -> None:
    early = builders.snapshot(phase="c2", time_ns=START)
    asked = replace(phase([one("a", 0, 1)]), after=early)
    (finding,) = phase_against_records("here", asked, plan(), is_of_the_first=False)
    assert finding.code == "recompute.snapshots"
    assert f"the counters after it were read at {START}" in finding.message


# The load


def test_event_loop_may_wake_a_moment_too_early() -> None:
    def early(by_ns: int) -> list[str]:
        told = {"send_lag_p99_ns": -by_ns, "send_lag_max_ns": -by_ns}
        return [code for code, _ in found(plan(), [one("a", 0, 1, due_ns=START + by_ns)], **told)]

    assert early(MS) == []
    assert early(MS + 1) == ["recompute.load"]


def test_turns_of_a_conversation_follow_each_other_and_hold_its_stream() -> None:
    answered = [one("a", 0, 1), one("a", 1, 2, turn=1), one("a", 3, 4, turn=2)]
    assert load_of(plan(concurrency=1), *answered[::-1]) == []
    assert load_of(plan(), answered[0], one("a", 0.9, 2, turn=1)) == [
        "a turn was sent before the one before it had ended"
    ]
    (said,) = load_of(plan(concurrency=1), *answered, one("b", 2, 3))
    assert said == f"at {START + 2 * S} 2 conversations are in flight, the lock has 1"
    assert load_of(plan(concurrency=1), *answered, one("b", 4, 5)) == []


def test_turns_follow_each_other_in_every_conversation() -> None:
    first = one("a", 0, 1)
    assert load_of(plan(), first, one("b", 0, 2), one("b", 2, 3, turn=1)) == []
    assert load_of(plan(), first, one("b", 0, 3), one("b", 2, 4, turn=1)) == [
        "a turn was sent before the one before it had ended"
    ]


def test_conversation_holds_its_stream_between_its_turns() -> None:
    between = [one("a", 0, 1), one("b", 1, 2), one("b", 3, 4, turn=1), one("c", 2, 3)]
    (said,) = load_of(plan(concurrency=1), *between)
    assert said == f"at {START + 2 * S} 2 conversations are in flight, the lock has 1"


def test_each_cycle_of_a_conversation_is_one_of_its_own() -> None:
    timed = plan(concurrency=1, duration_s=9)
    first = [one(name, second, second + 1) for second, name in enumerate(NAMES)]
    assert load_of(timed, *first, one("a", 4, 5, cycle=1)) == []
    assert len(load_of(timed, *first, one("a", 3.5, 5, cycle=1))) == 1


def test_request_that_was_never_submitted_takes_no_time_and_no_stream() -> None:
    refused = [one(name, 0, 0, error="no connection") for name in NAMES]
    assert load_of(plan(concurrency=1), *refused) == []


def test_burst_begins_when_the_last_of_the_one_before_has_ended() -> None:
    first = [one("a", 0, 1), one("b", 0, 3)]
    assert load_of(plan("burst"), *first, one("c", 3, 4), one("d", 3.5, 4)) == []
    assert load_of(plan("burst"), *first, one("c", 2, 4), one("d", 3, 4)) == [
        "a burst began before the one before it had ended"
    ]


def test_bursts_go_through_all_cycles() -> None:
    bursts = plan("burst", 3, duration_s=9)
    sent = [one(name, 0, 1) for name in NAMES[:3]]
    again = [one("d", 1, 2), one("a", 1, 2, cycle=1), one("b", 1, 2, cycle=1)]
    assert load_of(bursts, *sent, *again, one("c", 2, 3, cycle=1)) == []
    assert load_of(bursts, *sent, *again[:2], one("b", 1, 3, cycle=1), one("c", 2, 4, cycle=1)) == [
        "a burst began before the one before it had ended"
    ]


def test_ramp_has_a_stream_more_as_each_ones_time_has_come() -> None:
    ramp = plan("ramp", 4, duration_s=4)
    long = [one(name, second, 9) for second, name in enumerate(NAMES)]
    assert load_of(ramp, *long) == []
    (said,) = load_of(ramp, *long[:2], one("c", 1.9, 9), long[3])
    assert said == f"at {START + 1_900 * MS} 3 conversations are in flight, the lock has 2"


def test_open_load_keeps_to_its_schedule_however_many_are_in_flight() -> None:
    schedule = plan("open", None, offsets_ns=(0, S, S, 3 * S))
    sent = [one("a", 0, 9), one("b", 1, 9), one("c", 1, 9), one("d", 3, 9)]
    assert load_of(schedule, *sent) == []
    assert load_of(schedule, *sent[:3], one("d", 2.9, 9)) == [
        "conversation 3 was due 2900000000 ns after the first, the lock's schedule has 3000000000"
    ]
    (said,) = load_of(schedule, *sent[:3], one("d", 3, 9, due_ns=None))
    assert said.startswith("of a conversation nothing says when it was due")


def test_ramp_of_which_nothing_says_when_it_was_due_has_all_its_streams() -> None:
    ramp = plan("ramp", 4, duration_s=4)
    long = [one(name, 0, 9, due_ns=None) for name in NAMES]
    assert load_of(ramp, *long) == []
    assert len(load_of(replace(ramp, load=replace(ramp.load, concurrency=3)), *long)) == 1


def test_schedule_counts_from_the_first_that_was_sent() -> None:
    schedule = plan("open", None, offsets_ns=(S, 2 * S, 3 * S, 4 * S))
    assert load_of(schedule, *(one(name, second, 9) for second, name in enumerate(NAMES))) == []
    (said,) = load_of(schedule, one("a", 0, 9), one("b", 2, 9))
    assert said == (
        "conversation 1 was due 2000000000 ns after the first, the lock's schedule has 1000000000"
    )


def test_open_load_that_time_ends_goes_round() -> None:
    schedule = plan("open", None, duration_s=9, offsets_ns=tuple(second * S for second in range(6)))
    sent = [one(NAMES[number % 4], number, number + 1, cycle=number // 4) for number in range(6)]
    assert load_of(schedule, *sent) == []


def test_times_beyond_64_bits_apart_are_no_small_lateness() -> None:
    with pytest.raises(OverflowError):
        load_of(plan(), one("a", 0, 1, due_ns=-(2**63)))


def test_columns_and_records_are_the_same() -> None:
    records = (one("a", 0, 2), one("b", 0, 2), one("c", 1, 3))
    asked = phase(records, requests=9)
    told = [
        list(phase_against_records("here", each, plan(), is_of_the_first=False))
        for each in (asked, replace(asked, records=table_of(records)))
    ]
    assert told[0] == told[1]
    assert [finding.code for finding in told[0]] == ["recompute.status", "recompute.load"]


@given(
    durations_ms=st.lists(st.integers(0, 50), min_size=1, max_size=40),
    streams=st.integers(1, 6),
    processes=st.integers(1, 3),
    mode=st.sampled_from(["closed", "ramp", "burst"]),
)
def test_what_workers_send_is_of_their_load(
    durations_ms: list[int], streams: int, processes: int, mode: str
) -> None:
    """Law: each stream sends its next conversation when its last one has ended, in any process."""
    names = [f"q{number}" for number in range(len(durations_ms))]
    asked = plan(mode, streams, duration_s=0.1 if mode == "ramp" else None, names=names)
    apart_ns = 100 * MS // streams if mode == "ramp" else 0
    idle_ns = [stream * apart_ns for stream in range(streams)]
    used = min(processes, streams)
    records: list[Record] = []
    for number, (name, takes_ms) in enumerate(zip(names, durations_ms, strict=True)):
        stream = min(range(number % used, streams, used), key=idle_ns.__getitem__)
        if mode == "burst":
            stream = number % streams
            idle_ns = idle_ns if stream else [max(idle_ns)] * streams
        end_ns = idle_ns[stream] + takes_ms * MS
        records.append(at(name, idle_ns[stream], end_ns))
        idle_ns[stream] = end_ns
    assert load_of(asked, *records) == []
