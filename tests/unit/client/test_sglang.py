"""How SGLang's `/generate` is asked, and what its streams tell, in both versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specseal.client.dialects import dialect_named
from specseal.client.errors import InputRefused
from specseal.client.job import Sampling
from specseal.client.sglang import GENERATE
from specseal.client.wire import Event, Final, Request
from specseal.engines.counters import counts_of
from specseal.records import JobStatus, Record, read_records, read_snapshots
from unit.client.fake_sglang import FakeSGLang, events, stream
from unit.client.jobs import job, phase, prompt

RunJob = Callable[..., JobStatus]
IDS = (9707, 11, 358, 2776, 264, 4108)
TEXT = "Hello, I'm a virtual"
SAMPLING = Sampling(
    temperature=0.7, top_p=0.9, top_k=20, seed=7, stop=("END",), ignore_eos=True, max_tokens=16
)
GREEDY = Sampling(
    temperature=0.0, top_p=1.0, top_k=0, seed=1, stop=(), ignore_eos=False, max_tokens=6
)
SPECULATING = [
    "0.5.7-eagle3",
    "0.5.7-eagle3-no-metrics",
    "0.5.7-eagle3-no-tokenizer",
    "0.5.7-eagle3-no-tokenizer-stream-output",
    "0.5.23-eagle3",
    "0.5.23-eagle3-no-metrics",
    "0.5.23-eagle3-cumulative",
]


def read(*data: bytes | dict[str, Any]) -> list[Event]:
    decode = GENERATE.decoder()
    return [decode(one if isinstance(one, bytes) else json.dumps(one).encode()) for one in data]


def final_of(read_events: list[Event]) -> Final:
    (final,) = [event.final for event in read_events if event.final is not None]
    return final


def event(ids: list[int], tokens: int, text: str = "", **meta: Any) -> dict[str, Any]:
    counts = {"prompt_tokens": 5, "completion_tokens": tokens, "cached_tokens": 0}
    return {
        "text": text,
        "output_ids": ids,
        "meta_info": {"finish_reason": None, **counts, **meta},
    }


def ended(ids: list[int], tokens: int, **meta: Any) -> dict[str, Any]:
    return event(ids, tokens, finish_reason={"type": "length", "length": tokens}, **meta)


def test_request_sends_ids_and_every_parameter_of_sampling() -> None:
    call = GENERATE.complete(Request(input=(5, 6), sampling=SAMPLING, model=""))
    assert call.path == "/generate"
    assert call.body == {
        "input_ids": (5, 6),
        "stream": True,
        "sampling_params": {
            "stop": ("END",),
            "max_new_tokens": 16,
            "temperature": 0.7,
            "top_p": 0.9,
            "top_k": 20,
            "min_p": 0.0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            "repetition_penalty": 1.0,
            "ignore_eos": True,
            "sampling_seed": 7,
            "skip_special_tokens": False,
            "no_stop_trim": False,
        },
    }


def test_no_top_k_is_minus_one_and_no_stop_words_are_not_sent() -> None:
    sampling = GENERATE.complete(Request(input=(5,), sampling=GREEDY, model="")).body[
        "sampling_params"
    ]
    assert sampling["top_k"] == -1
    assert "stop" not in sampling


def test_messages_are_refused() -> None:
    with pytest.raises(InputRefused, match="'sglang-generate' takes token ids"):
        GENERATE.complete(
            Request(input=({"role": "user", "content": "x"},), sampling=GREEDY, model="")
        )


def test_it_has_its_row_in_the_table_and_renders_nothing() -> None:
    assert dialect_named("sglang-generate") is GENERATE
    assert GENERATE.text is None


@pytest.mark.parametrize("name", SPECULATING)
def test_steps_ids_and_counts_are_the_same_in_every_form_of_stream(name: str) -> None:
    *said, done = read(*events(name))
    assert [one.output_tokens for one in said] == [1, 4, 6]
    assert [one.ids for one in said] == [IDS[:1], IDS[1:4], IDS[4:]]
    assert final_of(said) == Final(
        finish="length",
        input_tokens=5,
        output_tokens=6,
        draft_tokens=6,
        accepted_tokens=5,
        verify_steps=2,
        cached_tokens=0,
        error=None,
    )
    assert (done.ids, done.output_tokens, done.final) == ((), None, None)
    text = "".join(one.text for one in said)
    assert text == ("" if "no-tokenizer" in name else TEXT)


def test_cut_follows_from_the_counts() -> None:
    final = final_of(read(*events("0.5.7-eagle3")))
    assert final.verify_steps is not None
    assert final.accepted_tokens is not None
    cut = final.verify_steps + final.accepted_tokens - (final.output_tokens - 1)
    assert cut == 2


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
def test_without_speculation_nothing_is_told_of_drafts(version: str) -> None:
    said = read(*events(f"{version}-ar"))[:-1]
    assert [one.ids for one in said] == [(id_,) for id_ in IDS]
    final = final_of(said)
    assert (final.finish, final.output_tokens) == ("length", 6)
    assert (final.draft_tokens, final.accepted_tokens, final.verify_steps) == (None, None, None)


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
def test_stop_token_is_among_the_ids_and_not_in_the_text(version: str) -> None:
    said = read(*events(f"{version}-ar-stop"))[:-1]
    assert said[-1].ids == (4108,)
    assert final_of(said).finish == "stop"
    assert "".join(one.text for one in said) == "Hello, I'm a"


@pytest.mark.parametrize(
    ("name", "tokens"), [("0.5.7-ar-coalesced", [1, 3, 6]), ("0.5.23-eagle3-coalesced", [1, 6])]
)
def test_events_that_piled_up_keep_their_ids(name: str, tokens: list[int]) -> None:
    said = read(*events(name))[:-1]
    assert [one.output_tokens for one in said] == tokens
    assert sum((one.ids for one in said), ()) == IDS


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
def test_request_that_failed_says_so(version: str) -> None:
    (error, _) = read(*events(f"{version}-error"))
    assert error.error is not None
    assert error.error.startswith("The input (40000 tokens) is longer than")


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
def test_request_that_was_aborted_has_failed(version: str) -> None:
    (aborted, _) = read(*events(f"{version}-abort"))
    assert (aborted.error, aborted.final) == ("Abort in waiting queue", None)


def test_error_may_be_a_text() -> None:
    (said,) = read({"error": "unknown field `x`"})
    assert said.error == "unknown field `x`"


def test_output_that_was_not_a_number_has_failed() -> None:
    finish = {"type": "stop", "matched": "NaN happened"}
    (said,) = read(event([1], 1, finish_reason=finish))
    assert said.error == "the model's output was not a number"


def test_list_that_grew_while_it_was_written_gives_each_id_once() -> None:
    said = read(event([1, 2, 3], 1), event([1, 2, 3, 4], 3), ended([1, 2, 3, 4], 4))
    assert [one.ids for one in said] == [(1,), (2, 3), (4,)]


def test_ids_that_were_lost_are_held_back() -> None:
    said = read(event([1], 1), event([4], 4), ended([5], 5))
    assert [(one.ids, one.output_tokens) for one in said] == [((1,), 1), ((4,), 4), ((5,), 5)]


def test_last_event_may_hold_no_new_token() -> None:
    for last in ([], [1, 2]):
        said = read(event([1], 1), event([1, 2] if last else [2], 2), ended(last, 2))
        assert [one.ids for one in said] == [(1,), (2,), ()]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ([event([1], 1), event([1, 2], 2), event([3], 3)], "unlike the events before"),
        ([event([1], 1), event([2], 2), event([1, 2, 3], 3)], "unlike the events before"),
        ([event([1], 1), event([9, 2], 2)], "have changed"),
        ([event([1, 2], 2), event([1, 2, 3], 4)], "3 ids for 2 new tokens"),
        ([event([1, 2], 2), event([1], 1)], "went down"),
    ],
)
def test_stream_that_contradicts_itself_is_not_read(shown: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(*shown)


OLD = {"spec_verify_ct": 2, "spec_accept_token_num": 3, "spec_draft_token_num": 6}


def test_steps_are_not_told_where_a_request_was_preempted() -> None:
    for name in ("total_retractions", "num_retractions"):
        final = final_of(read(ended([1, 2, 3, 4, 5, 6], 6, **OLD, **{name: 1})))
        assert (final.accepted_tokens, final.verify_steps) == (3, None)


def test_steps_are_not_told_where_they_cannot_have_made_the_tokens() -> None:
    assert final_of(read(ended([1] * 6, 6, **OLD))).verify_steps == 2
    assert final_of(read(ended([1] * 7, 7, **OLD))).verify_steps is None


def test_request_that_ended_with_prefills_token_had_no_step() -> None:
    final = final_of(read(ended([1], 1)))
    assert (final.draft_tokens, final.accepted_tokens, final.verify_steps) == (0, 0, 0)


def test_counts_by_other_names_are_not_guessed() -> None:
    with pytest.raises(KeyError, match="spec_num_proposed_drafts"):
        read(ended([1, 2], 2, spec_verify_ct=1, spec_accepted_drafts=1))


def test_last_event_tells_progress_by_itself() -> None:
    final = GENERATE.peek(events("0.5.23-eagle3")[-2])
    assert final is not None
    assert (final.output_tokens, final.accepted_tokens) == (6, 5)
    assert GENERATE.peek(events("0.5.7-error")[0]) is None


# The client against a server that speaks the protocol.


def counts(version: str) -> dict[str, Any]:
    return counts_of("sglang", without=("drafts",) if version == "0.5.7" else ())


def measured(run: RunJob, fake: FakeSGLang, *, turns: int = 1) -> JobStatus:
    given = job(
        phase("a"),
        dialect="sglang-generate",
        counts=counts(fake.version),
        readback={"server_info": "/server_info"},
    )
    between = [[77]] * (turns - 1)
    return run(fake, given, prompts=[prompt("a", 1, 2, 3, 4, 5, between=between)])


def record_of(out: Path) -> Record:
    (record,) = read_records(out / "records.jsonl")
    return record


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
def test_request_is_measured_with_its_ids_and_counts(run: RunJob, out: Path, version: str) -> None:
    fake = FakeSGLang(version=version, answer=stream(f"{version}-eagle3"))
    status = measured(run, fake)
    assert (status.outcome, status.reason) == ("done", "")
    record = record_of(out)
    assert (record.error, record.finish, record.output_ids) == (None, "length", IDS)
    assert record.chunk_tokens == (1, 3, 2)
    assert (record.input_tokens, record.engine_input_tokens, record.output_tokens) == (5, 5, 6)
    assert (record.draft_tokens, record.accepted_tokens, record.verify_steps) == (6, 5, 2)
    assert record.cached_tokens == 0
    assert fake.bodies[0]["input_ids"] == [1, 2, 3, 4, 5]
    assert fake.bodies[0]["sampling_params"]["max_new_tokens"] == 8


@pytest.mark.parametrize(("version", "drafts"), [("0.5.7", None), ("0.5.23", 2)])
def test_counters_are_those_that_the_version_has(
    run: RunJob, out: Path, version: str, drafts: int | None
) -> None:
    measured(run, FakeSGLang(version=version, answer=stream(f"{version}-eagle3")))
    before, after = read_snapshots(out / "counts.jsonl")
    assert (before.settled, after.settled) == (True, True)
    assert (after.drafts, after.output_tokens, after.prompt_tokens) == (drafts, 6, 5)
    assert (after.accepted_tokens, after.accepted_per_position) == (None, None)


def test_what_it_says_of_itself_goes_into_the_status(run: RunJob) -> None:
    status = measured(run, FakeSGLang(version="0.5.7", answer=stream("0.5.7-ar")))
    assert status.engine["server_info"]["version"] == "0.5.7"


def test_conversation_goes_on_from_the_ids(run: RunJob, out: Path) -> None:
    fake = FakeSGLang(version="0.5.7", answer=stream("0.5.7-ar-stop"))
    run(
        fake,
        job(
            phase("a"),
            dialect="sglang-generate",
            readback={"server_info": "/server_info"},
            stop_ids=[4108],
        ),
        prompts=[prompt("a", 1, 2, 3, 4, 5, between=[[77]])],
    )
    assert fake.bodies[1]["input_ids"] == [1, 2, 3, 4, 5, *IDS[:-1], 77]


def test_refusal_in_the_stream_is_the_records_error(run: RunJob, out: Path) -> None:
    measured(run, FakeSGLang(version="0.5.23", answer=stream("0.5.23-error")))
    record = record_of(out)
    assert record.finish == "error"
    assert record.error is not None
    assert "longer than the model's context length" in record.error


def test_refusal_before_the_stream_is_the_records_error(run: RunJob, out: Path) -> None:
    said = b'{"error":"unknown field `x`, expected one of `temperature`"}'
    measured(run, FakeSGLang(version="0.5.23", answer=said, status=400))
    assert "HTTP 400" in (record_of(out).error or "")
    assert "unknown field" in (record_of(out).error or "")


def test_stream_that_was_cut_is_no_answer(run: RunJob, out: Path) -> None:
    whole = stream("0.5.7-eagle3").split(b"\n\n")
    measured(run, FakeSGLang(version="0.5.7", answer=b"\n\n".join(whole[:2])))
    assert "ended before its final event" in (record_of(out).error or "")
