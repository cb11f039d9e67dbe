"""SGLang's own dialect: `/generate` with token ids, each event with ids and counts of its own.

Two ways of streaming, told apart by the bytes: in 0.5.7 each event has all ids so far, in 0.5.23
(as it is started here) what is new. `completion_tokens` is the count so far in both, so ids that
are as many are all of them; in the first event both are the same. An event's ids may be more than
it counts (the list goes on growing while it is written) or fewer than it adds (those of an event
that was passed over are lost): the first are left for the next event, the second are held back.

The last event counts the request's drafts: steps that verified one, drafted and accepted tokens,
bonus tokens not among them, before the last step was trimmed. Each decode step verifies a draft, so
these are all steps there were, unless the request was preempted: then prefill made a token, too.

Source: the wheels sglang 0.5.7 and 0.5.23: srt/managers/tokenizer_manager.py,
srt/sampling/sampling_params.py, srt/entrypoints/http_server.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from specseal.client.checked import an_object, an_object_or_none, count, count_or, ids, text
from specseal.client.job import TokenIds
from specseal.client.wire import Call, Dialect, Event, Final, Request, ids_of

_DONE = b"[DONE]"
_FINISH = ("stop", "length")
_NO_TOP_K = -1
_NOT_A_NUMBER = "NaN happened"
"""What a request matched that was stopped because the model's output was none."""
_STEPS = "spec_verify_ct"
_DRAFTED = (
    ("spec_draft_token_num", "spec_accept_token_num"),  # 0.5.7
    ("spec_num_proposed_drafts", "spec_num_correct_drafts"),  # 0.5.23
)
_PREEMPTED = ("total_retractions", "num_retractions")


def _complete(request: Request) -> Call:
    sampling = request.sampling
    stop = {"stop": sampling.stop} if sampling.stop else {}
    return Call(
        path="/generate",
        body={
            "input_ids": ids_of(request, "sglang-generate"),
            "stream": True,
            "sampling_params": stop
            | {
                "max_new_tokens": sampling.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k or _NO_TOP_K,
                "min_p": 0.0,
                "frequency_penalty": 0.0,
                "presence_penalty": 0.0,
                "repetition_penalty": 1.0,
                "ignore_eos": sampling.ignore_eos,
                "sampling_seed": sampling.seed,
                "skip_special_tokens": False,
                "no_stop_trim": False,
            },
        },
    )


class _Reader:
    """Reads the events of one response."""

    __slots__ = ("_has_all", "_ids", "_text", "_tokens")

    def __init__(self) -> None:
        self._has_all: bool | None = None
        """Whether each event has all ids so far; None while that is not known."""
        self._tokens = 0
        self._ids: TokenIds = ()
        """All so far, where each event has them."""
        self._text = ""

    def __call__(self, data: bytes) -> Event:
        if data == _DONE:
            return Event(ids=(), text="", output_tokens=None)
        event = an_object(json.loads(data))
        if "error" in event:
            return _failed(event["error"])
        meta = an_object(event["meta_info"])
        finish = an_object_or_none(meta.get("finish_reason"))
        if finish is not None and (why := _why_cut_short(finish)) is not None:
            return _failed(why)
        tokens = count(meta, "completion_tokens")
        if tokens < self._tokens:
            raise ValueError(f"completion_tokens went down, {self._tokens} to {tokens}")
        new = self._new_ids(ids(event.get("output_ids")), tokens)
        said = self._new_text(text(event.get("text")))
        self._tokens = tokens
        return Event(
            ids=new,
            text=said,
            output_tokens=tokens,
            final=None if finish is None else _final(meta, finish),
        )

    def _new_ids(self, shown: TokenIds, tokens: int) -> TokenIds:
        if not self._tokens:
            self._ids = shown[:tokens]
            if len(shown) > tokens:
                self._has_all = True
            return self._ids
        has_all = len(shown) >= tokens
        if self._has_all is None:
            self._has_all = has_all
        if has_all != self._has_all:
            raise ValueError(f"{len(shown)} ids of {tokens} tokens, unlike the events before")
        if not has_all:
            if len(shown) > tokens - self._tokens:
                raise ValueError(f"{len(shown)} ids for {tokens - self._tokens} new tokens")
            return shown
        if shown[: self._tokens] != self._ids:
            raise ValueError("ids that were streamed before have changed")
        self._ids = shown[:tokens]
        return self._ids[self._tokens :]

    def _new_text(self, shown: str) -> str:
        if not self._has_all:
            self._text += shown
            return shown
        before, self._text = self._text, shown
        return shown[len(before) :] if shown.startswith(before) else ""


def _why_cut_short(finish: Mapping[str, Any]) -> str | None:
    """Say why an answer is none although it ended, or return None."""
    if finish["type"] not in _FINISH:
        return str(finish.get("message") or f"the request ended by {finish['type']!r}")
    if finish.get("matched") == _NOT_A_NUMBER:
        return "the model's output was not a number"
    return None


def _final(meta: Mapping[str, Any], finish: Mapping[str, Any]) -> Final:
    tokens = count(meta, "completion_tokens")
    drafted, accepted, steps = _speculation(meta, tokens)
    return Final(
        finish=text(finish["type"]),
        input_tokens=count(meta, "prompt_tokens"),
        output_tokens=tokens,
        draft_tokens=drafted,
        accepted_tokens=accepted,
        verify_steps=steps,
        cached_tokens=count(meta, "cached_tokens"),
        error=None,
    )


def _speculation(meta: Mapping[str, Any], tokens: int) -> tuple[int | None, int | None, int | None]:
    """Return what a request drafted, what was accepted, and its steps.

    Nothing is told of a request without a step, which had but prefill's token, and of one without
    speculation. Steps are left out where they can't be all there were: each gives a token, the last
    may lose some, and a preempted request was given one by prefill.
    """
    if _STEPS not in meta:
        return (0, 0, 0) if tokens <= 1 else (None, None, None)
    names = next((pair for pair in _DRAFTED if pair[1] in meta), _DRAFTED[-1])
    drafted, accepted = (count(meta, name) for name in names)
    steps = count(meta, _STEPS)
    preempted = any(count_or(meta, name, 0) for name in _PREEMPTED)
    are_all = not preempted and steps + accepted >= tokens - 1
    return drafted, accepted, steps if are_all else None


def _failed(error: Any) -> Event:
    said = error.get("message") if isinstance(error, dict) else None
    return Event(ids=(), text="", output_tokens=None, error=str(said or error))


GENERATE = Dialect(
    complete=_complete,
    decoder=_Reader,
    peek=lambda data: _Reader()(data).final,
    text=None,
)
