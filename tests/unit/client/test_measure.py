"""Whole measuring jobs against a fake server: load, records, counters, and how they end."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from specseal.client.connection import Connector
from specseal.engines import LaunchRequest, engine
from specseal.records import JobStatus, Record, read_records, read_snapshots, read_status
from unit.client.fake_llamacpp import (
    EOS,
    Cut,
    Die,
    FakeLlamaCpp,
    Hang,
    Script,
    answer,
    final,
    refuse,
    sse,
    token,
)
from unit.client.jobs import COUNTS, SAMPLING, job, load, metrics, phase, prompt

RunJob = Callable[..., JobStatus]
NAMES = [f"p{number}" for number in range(8)]
PROMPTS = [prompt(name, 100 + number) for number, name in enumerate(NAMES)]


def failing(script: Script, *, on: int) -> Script:
    """Answer as usual, but by `script` where the prompt starts with the id `on`."""

    def play(ids: list[int]) -> Iterator[bytes]:
        return script(ids) if ids[0] == on else answer(ids, [50, EOS], stop_type="eos")

    return play


def cut(ids: list[int]) -> Iterator[bytes]:
    yield sse(token(50, 1))
    raise Cut


def die(ids: list[int]) -> Iterator[bytes]:
    yield sse(token(50, 1))
    raise Die


def hang(ids: list[int]) -> Iterator[bytes]:
    yield sse(token(50, 1))
    raise Hang


def end_early(ids: list[int]) -> Iterator[bytes]:
    yield sse(token(50, 1))


def records_of(out: Path) -> tuple[Record, ...]:
    return read_records(out / "records.jsonl")


def test_records_are_complete(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp(script=lambda ids: answer(ids, [50, 51, 52], drafted=(4, 1)))
    run(fake, job(phase("a")), prompts=[prompt("a", 7, 8)])
    (record,) = records_of(out)
    assert (record.phase, record.conversation, record.category, record.turn) == (
        ("c1", "a", "coding", 0)
    )
    assert record.output_ids == (50, 51, 52)
    assert record.chunk_tokens == (1, 1, 1)
    assert record.submit_ns < record.chunk_ns[0] <= record.chunk_ns[2] <= record.end_ns
    assert (record.input_tokens, record.output_tokens) == (2, 3)
    assert record.input_sha256 == hashlib.sha256(b"[7,8]").hexdigest()
    assert (record.finish, record.error) == ("length", None)
    assert (record.draft_tokens, record.accepted_tokens, record.cached_tokens) == (4, 1, 0)
    assert (record.cycle, record.engine_input_tokens, record.verify_steps) == (0, 2, None)
    assert record.due_ns is not None
    assert record.due_ns <= record.submit_ns


def test_status_tells_phases_and_the_engine_without_its_template(run: RunJob, out: Path) -> None:
    warmup = phase("a", name="warmup", measured=False)
    returned = run(FakeLlamaCpp(), job(warmup, phase("a")), prompts=[prompt("a", 7)])
    status = read_status(out / "status.json")
    assert status == returned
    assert (status.outcome, status.reason) == ("done", "")
    assert [(each.phase, each.requests, each.failed) for each in status.phases] == [
        ("warmup", 1, 0),
        ("c1", 1, 0),
    ]
    (record,) = records_of(out)
    assert (status.phases[1].start_ns, status.phases[1].end_ns) == (
        (record.submit_ns, record.end_ns)
    )
    said = {
        "eos_token": "<eos>",
        "build_info": "b1",
        "chat_template_sha256": hashlib.sha256(b"the template").hexdigest(),
    }
    assert status.engine == {"props": said}


def test_connection_that_takes_long_does_not_make_the_client_late(
    run: RunJob, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = Connector._open

    async def far_away(self: Connector, timeout_s: float) -> Any:
        await asyncio.sleep(0.3)
        return await at_once(self, timeout_s)

    monkeypatch.setattr(Connector, "_open", far_away)
    status = run(FakeLlamaCpp(), job(phase("a")), prompts=[prompt("a", 7)])
    (record,) = records_of(out)
    assert record.due_ns is not None
    assert record.connect_ns >= 300_000_000
    assert record.submit_ns - record.due_ns >= record.connect_ns
    (seen,) = status.phases
    assert seen.send_lag_max_ns == record.submit_ns - record.due_ns - record.connect_ns


def test_pages_are_read_back_before_any_request_and_once_more_after_all_phases(
    run: RunJob, out: Path
) -> None:
    fake = FakeLlamaCpp(drafts_with="none,draft-simple")
    pages = {"readback": {"slots": "/slots"}, "readback_after": {"slots": "/slots"}}
    status = run(fake, job(phase("a"), **pages), prompts=[prompt("a", 7)])
    slot = {"id": 0, "n_ctx": 4096, "speculative": True}
    params = {"params": {"speculative.types": "none,draft-simple"}}
    assert status.engine == {"slots": [slot], "after": {"slots": [slot | params]}}


def test_page_that_can_not_be_read_back_after_all_fails_the_job(run: RunJob) -> None:
    pages = {"readback_after": {"slots": "/nowhere"}}
    status = run(FakeLlamaCpp(), job(phase("a"), **pages), prompts=[prompt("a", 7)])
    assert status.outcome == "failed"
    assert "the engine can't be read back" in status.reason


LLAMACPP_METRICS = """\
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total {prompt}
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total {output}
# TYPE llamacpp:spec_decode_num_draft_tokens_total counter
llamacpp:spec_decode_num_draft_tokens_total {drafted}
# TYPE llamacpp:spec_decode_num_accepted_tokens_total counter
llamacpp:spec_decode_num_accepted_tokens_total {accepted}
# TYPE llamacpp:spec_decode_num_drafts_total counter
llamacpp:spec_decode_num_drafts_total {drafts}
{positions}# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 0
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 0
"""
"""As the server of xllamacpp 2026.10.11549 writes it, without the help lines and other families."""
LLAMACPP_POSITIONS = """\
# TYPE llamacpp:spec_decode_num_accepted_tokens_per_pos_total counter
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="0"} 1
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="1"} 0
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="2"} 0
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="3"} 0
"""


def test_what_the_adapter_asks_of_the_client_comes_back_as_proof(run: RunJob, out: Path) -> None:
    request = LaunchRequest(
        method="draft_model",
        draft_length=4,
        drafter_args={},
        has_drafter_model=True,
        max_sequences=1,
        engine={"context_length": 4096, "family": "cpu"},
    )
    launch = engine("llamacpp").launch(request)
    fake = FakeLlamaCpp(
        drafts_with="draft-simple",
        script=lambda ids: answer(ids, [50, 51, 52], drafted=(4, 1)),
    )

    def page(read: int) -> str:
        # The positions are there once a draft was verified, those without any token included.
        if not fake.bodies:
            nothing = dict.fromkeys(("prompt", "output", "drafted", "accepted", "drafts"), 0)
            return LLAMACPP_METRICS.format(**nothing, positions="")
        some = {"prompt": 1, "output": 3, "drafted": 4, "accepted": 1, "drafts": 1}
        return LLAMACPP_METRICS.format(**some, positions=LLAMACPP_POSITIONS)

    fake.metrics = page
    asked = {
        "dialect": launch.dialect,
        "counts": launch.counts,
        "readback": {"slots": launch.readback["slots"]},
        "readback_after": launch.readback_after,
    }
    status = run(fake, job(phase("a"), **asked), prompts=[prompt("a", 7)])
    (record,) = records_of(out)
    snapshots = read_snapshots(out / "counts.jsonl")
    before, after = snapshots
    assert (before.drafts, before.accepted_per_position) == (0, ())
    assert (after.drafts, after.accepted_per_position) == (1, (1, 0, 0, 0))
    assert (record.output_ids, record.chunk_tokens) == ((50, 51, 52), (1, 1, 1))
    assert (record.draft_tokens, record.accepted_tokens) == (
        (after.draft_tokens, after.accepted_tokens)
    )
    assert engine("llamacpp").proof(request, status, snapshots, "") == ()
    assert engine("llamacpp").method_found(status.engine, "") == "draft_model"


def test_bos_that_the_engine_added_is_in_the_record(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp(script=lambda ids: answer([1, *ids], [50]))
    run(fake, job(phase("a")), prompts=[prompt("a", 7, 8)])
    (record,) = records_of(out)
    assert (record.error, record.input_tokens, record.engine_input_tokens) == (None, 2, 3)


def test_each_request_is_due_when_what_it_waited_for_had_ended(run: RunJob, out: Path) -> None:
    prompts = [prompt("a", 7, between=[[8]]), prompt("b", 9)]
    status = run(FakeLlamaCpp(), job(phase("a", "b")), prompts=prompts)
    first, second, third = records_of(out)
    assert (second.due_ns, third.due_ns) == (first.end_ns, second.end_ns)
    late = [
        each.submit_ns - each.connect_ns - (each.due_ns or 0) for each in (first, second, third)
    ]
    (seen,) = status.phases
    assert (seen.send_lag_max_ns, seen.send_lag_p99_ns) == (max(late), max(late))
    assert min(late) >= 0
    assert seen.client_processes == 1
    assert seen.client_memory_bytes > 5_000_000, "no Python is smaller than that"


def test_phase_limited_by_time_sends_in_turn_until_then(run: RunJob, out: Path) -> None:
    timed = phase("p0", "p1", load=load("closed", concurrency=1, duration_s=1))
    status = run(FakeLlamaCpp(), job(timed), prompts=PROMPTS)
    records = records_of(out)
    start_ns = records[0].due_ns or 0
    assert [(each.conversation, each.cycle) for each in records] == [
        (f"p{number % 2}", number // 2) for number in range(len(records))
    ]
    assert all((each.due_ns or 0) - start_ns <= 1_000_000_000 for each in records)
    progress = json.loads((out / "progress.json").read_text())
    assert progress["total"] == progress["done"] == status.phases[0].requests


def test_phase_that_is_over_before_anything_was_sent_fails_with_that_reason(run: RunJob) -> None:
    timed = phase("p0", load=load("closed", concurrency=1, duration_s=1e-9))
    status = run(FakeLlamaCpp(), job(timed), prompts=PROMPTS)
    assert status.outcome == "failed"
    assert status.reason.startswith("phase c1: its 1e-09 s were over before anything was sent")


def test_open_load_keeps_its_instants_while_nothing_is_answered(run: RunJob, out: Path) -> None:
    instants = [0, 1_000_000, 1_500_000, 9_000_000]
    timed = phase(*NAMES[:4], load=load("open", rate=400, arrival="poisson"), offsets_ns=instants)
    fake = FakeLlamaCpp(hold_until=4)
    run(fake, job(timed), prompts=PROMPTS)
    records = records_of(out)
    due = [each.due_ns or 0 for each in records]
    assert [each - due[0] for each in due] == instants
    assert all(each.submit_ns >= (each.due_ns or 0) for each in records)
    assert fake.most_in_flight == 4


def test_phases_have_their_own_sampling_and_prompts(run: RunJob, out: Path) -> None:
    other = "prompts-ba9876543210"
    short = {**SAMPLING, "max_tokens": 1}
    phases = [phase("a"), phase("a", name="x", prompts=f"{other}.jsonl", sampling=short)]
    fake = FakeLlamaCpp()
    run(fake, job(*phases), prompts=[prompt("a", 7)], **{other: [prompt("a", 9)]})
    assert fake.prompts == [[7], [9]]
    assert [body["n_predict"] for body in fake.bodies] == [8, 1]


def test_counters_are_read_before_and_after_measured_phases_only(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp()
    fake.metrics = lambda read: metrics(drafts=len(fake.prompts))
    warmup = phase("a", name="warmup", measured=False)
    run(fake, job(warmup, phase("a"), counts=COUNTS), prompts=[prompt("a", 7)])
    seen = [(each.phase, each.moment, each.drafts) for each in read_snapshots(out / "counts.jsonl")]
    assert seen == [("c1", "before", 1), ("c1", "after", 2)]


def test_one_worker_sends_conversations_in_order(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp()
    run(fake, job(phase(*reversed(NAMES))), prompts=PROMPTS)
    assert [ids[0] for ids in fake.prompts] == [107, 106, 105, 104, 103, 102, 101, 100]
    assert [record.conversation for record in records_of(out)] == list(reversed(NAMES))


@pytest.mark.parametrize("concurrency", [2, 3, 20])
def test_closed_loop_fills_its_concurrency_and_never_exceeds_it(
    run: RunJob, concurrency: int
) -> None:
    expected = min(concurrency, len(NAMES))
    fake = FakeLlamaCpp(hold_until=expected)
    run(fake, job(phase(*NAMES, concurrency=concurrency)), prompts=PROMPTS)
    assert len(fake.prompts) == len(NAMES)
    assert fake.most_in_flight == expected


def test_conversation_goes_on_from_the_generated_ids_without_the_stop_id(
    run: RunJob, out: Path
) -> None:
    fake = FakeLlamaCpp(script=lambda ids: answer(ids, [50, len(ids), EOS], stop_type="eos"))
    run(fake, job(phase("a")), prompts=[prompt("a", 7, between=[[EOS, 8], [EOS, 9]])])
    first, second = [7], [7, 50, 1, EOS, 8]
    third = [*second, 50, 5, EOS, 9]
    assert fake.prompts == [first, second, third]
    records = records_of(out)
    assert [record.turn for record in records] == [0, 1, 2]
    assert [record.input_tokens for record in records] == [1, 5, 9]
    assert records[1].input_sha256 == (
        hashlib.sha256(json.dumps(second, separators=(",", ":")).encode()).hexdigest()
    )


def test_ids_held_back_by_the_engine_are_asked_of_its_tokenizer(run: RunJob, out: Path) -> None:
    held_back = {**token(ord("你"), 2, "é你"), "tokens": [ord("你")]}
    events = [sse(held_back), sse(token(52, 3)), sse(final(3, 1))]
    fake = FakeLlamaCpp(script=lambda ids: iter(events))
    run(fake, job(phase("a")), prompts=[prompt("a", 7)])
    (record,) = records_of(out)
    assert record.error is None
    assert record.chunk_tokens == (2, 1)
    assert record.output_ids == (ord("é"), ord("你"), 52)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (refuse, "HTTP 500: no slot"),
        (cut, "connection cut"),
        (end_early, "the stream ended before its final event"),
    ],
)
def test_failed_request_becomes_a_record_and_the_job_goes_on(
    run: RunJob, out: Path, script: Script, message: str
) -> None:
    fake = FakeLlamaCpp(script=failing(script, on=101))
    status = run(fake, job(phase("p0", "p1", "p2"), silence_timeout_s=2), prompts=PROMPTS)
    assert status.outcome == "done"
    assert status.phases[0].failed == 1
    good, bad, also_good = records_of(out)
    assert good.error is None
    assert also_good.error is None
    assert bad.finish == "error"
    assert message in (bad.error or "")
    assert len(fake.prompts) == 3, "nothing is sent twice"


def test_failed_turn_ends_its_conversation(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp(script=failing(cut, on=7))
    prompts = [prompt("a", 7, between=[[8]]), prompt("b", 9, between=[[8]])]
    run(fake, job(phase("a", "b")), prompts=prompts)
    assert [(each.conversation, each.turn, each.finish) for each in records_of(out)] == [
        ("a", 0, "error"),
        ("b", 0, "stop"),
        ("b", 1, "stop"),
    ]


def test_phase_in_which_every_request_fails_fails_the_job(run: RunJob, out: Path) -> None:
    later = phase("p0", name="later")
    status = run(FakeLlamaCpp(script=refuse), job(phase("p0", "p1"), later), prompts=PROMPTS)
    assert status.outcome == "failed"
    assert status.reason == ("phase c1: all 2 requests failed; the first with: HTTP 500: no slot")
    assert [each.phase for each in status.phases] == ["c1"]
    assert len(records_of(out)) == 2


def test_server_that_is_gone_ends_the_job_at_once(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp(script=failing(die, on=101))
    status = run(fake, job(phase(*NAMES)), prompts=PROMPTS)
    assert status.outcome == "failed"
    assert status.reason.startswith("phase c1: the server is gone: no connection")
    assert [each.conversation for each in records_of(out)] == ["p0", "p1", "p2"]


def test_counters_that_can_not_be_read_after_a_phase_fail_the_job(run: RunJob) -> None:
    fake = FakeLlamaCpp(metrics=lambda read: metrics() if read < 2 else "<html>\n")
    status = run(fake, job(phase("p0"), counts=COUNTS), prompts=PROMPTS)
    assert status.outcome == "failed"
    assert "counters can't be read" in status.reason
    assert [(each.phase, each.failed) for each in status.phases] == [("c1", 0)]


def test_server_that_hangs_is_given_up_at_the_first_silence(run: RunJob) -> None:
    def every_other(ids: list[int]) -> Iterator[bytes]:
        return hang(ids) if ids[0] % 2 else answer(ids, [50, EOS], stop_type="eos")

    fake = FakeLlamaCpp(script=every_other)
    status = run(fake, job(phase(*NAMES), silence_timeout_s=0.5), prompts=PROMPTS)
    assert status.outcome == "failed"
    assert status.reason == "phase c1: the server hangs: nothing received for 0.5 s"
    assert [ids[0] for ids in fake.prompts] == [100, 101]


def test_tokenizer_that_fails_is_asked_once_and_ends_the_phase(run: RunJob, out: Path) -> None:
    def held_back(ids: list[int]) -> Iterator[bytes]:
        for count, text in ((2, "é"), (4, "ü")):
            yield sse({**token(0, count, text), "tokens": []})
        yield sse(final(4, len(ids)))

    fake = FakeLlamaCpp(script=held_back, tokenizer_fails=True)
    prompts = [prompt("a", 7, between=[[8]]), prompt("b", 9)]
    status = run(fake, job(phase("a", "b")), prompts=prompts)
    assert status.reason == (
        "phase c1: the server's tokenizer fails: /tokenize: HTTP 500: no tokenizer"
    )
    assert fake.tokenize_calls == 1
    (record,) = records_of(out)
    assert (record.output_tokens, record.output_ids) == (4, None)


def test_server_never_healthy_fails_with_what_it_last_said(run: RunJob, out: Path) -> None:
    server = {"health_path": "/health", "deadline_s": 0.3}
    fake = FakeLlamaCpp(unhealthy_polls=1_000_000)
    status = run(fake, job(phase("p0"), server=server), prompts=PROMPTS)
    assert status.outcome == "failed"
    assert "not healthy within 0.3 s" in status.reason
    assert "HTTP 503" in status.reason
    assert not (out / "records.jsonl").exists()


def test_server_healthy_after_a_while_is_waited_for(run: RunJob) -> None:
    status = run(FakeLlamaCpp(unhealthy_polls=2), job(phase("p0")), prompts=PROMPTS)
    assert status.outcome == "done"


def test_progress_ends_with_all_that_was_done(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp(script=lambda ids: answer(ids, [50, 51], drafted=(4, 1)))
    run(fake, job(phase("a", "b")), prompts=[prompt("a", 7, between=[[8]]), prompt("b", 9)])
    progress = json.loads((out / "progress.json").read_text())
    assert progress.pop("elapsed_s") > 0
    assert progress == {
        "phase": "c1",
        "done": 3,
        "total": 3,
        "output_tokens": 6,
        "draft_tokens": 12,
        "accepted_tokens": 3,
    }


def test_failed_request_is_done_without_tokens_in_the_progress(run: RunJob, out: Path) -> None:
    run(FakeLlamaCpp(script=failing(cut, on=100)), job(phase("p0", "p1")), prompts=PROMPTS)
    progress = json.loads((out / "progress.json").read_text())
    assert (progress["done"], progress["output_tokens"]) == (2, 2)
