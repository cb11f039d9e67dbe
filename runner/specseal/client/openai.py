"""OpenAI's two dialects: `/v1/completions` with token ids, `/v1/chat/completions` with messages.

Every parameter of sampling is sent, each by the name that vLLM, SGLang and llama.cpp share: what is
left out they take from the model's generation config or from defaults of their own. No top_k is −1
there (SGLang refuses 0). OpenAI's own service knows no top_k at all and refuses the request, with
the parameter's name: to send less would measure other sampling than the spec asks for.

How many tokens a chunk holds is told by vLLM and SGLang as usage so far (`continuous_usage_stats`)
and by ids (`return_token_ids`), by llama.cpp in its timings (`timings_per_token`). Other servers
tell at the end how many they were together; one token a chunk is never assumed. Ids are not asked
for in a chat: SGLang refuses that of a stream, and text goes on from text.

Source: vLLM 0.32 entrypoints/openai/{completion,chat_completion}/serving.py and
v1/metrics/stats.py; SGLang 0.5.23 srt/entrypoints/openai/{protocol,serving_completions,
serving_chat}.py; llama.cpp tools/server/server-task.cpp (October 2026).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from specseal.client.checked import (
    an_object,
    an_object_or_none,
    count,
    count_or,
    ids,
    objects,
    text,
)
from specseal.client.job import Sampling
from specseal.client.wire import Call, Dialect, Event, Final, Request, ids_of, messages_of

_DONE = b"[DONE]"
_FINISH = ("stop", "length")
_NO_TOP_K = -1


def _complete(request: Request) -> Call:
    prompt = ids_of(request, "openai-completions")
    return Call(
        path="/v1/completions",
        body={"prompt": prompt, "return_token_ids": True, **_common(request)},
    )


def _chat(request: Request) -> Call:
    messages = messages_of(request, "openai-chat")
    return Call(path="/v1/chat/completions", body={"messages": messages, **_common(request)})


def _common(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    return {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "timings_per_token": True,  # llama.cpp
        "return_spec_tokens_details": True,  # SGLang
        **_sampling(sampling),
    }


def _sampling(sampling: Sampling) -> dict[str, Any]:
    # An empty list of stop words is refused by some servers, and means the same as none.
    stop = {"stop": sampling.stop} if sampling.stop else {}
    return stop | {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or _NO_TOP_K,
        "seed": sampling.seed,
        "ignore_eos": sampling.ignore_eos,
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,  # vLLM, SGLang
        "repeat_penalty": 1.0,  # llama.cpp
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drafted:
    """What one request's answer tells of its speculation."""

    draft_tokens: int
    accepted_tokens: int
    steps: int | None
    """Steps that verified a draft."""


def _of_vllm(chunk: Mapping[str, Any]) -> _Drafted | None:
    told = _inner(chunk, "metrics", "speculative_decoding")
    if told is None:
        return None
    return _Drafted(
        draft_tokens=count(told, "num_draft_tokens"),
        accepted_tokens=count(told, "num_accepted_draft_tokens"),
        steps=count(told, "num_spec_steps"),
    )


def _of_sglang(chunk: Mapping[str, Any]) -> _Drafted | None:
    told = _inner(chunk, "sglext", "spec_tokens_details")
    if told is None:
        return None
    return _Drafted(
        draft_tokens=count(told, "spec_num_proposed_drafts"),
        accepted_tokens=count(told, "spec_num_correct_drafts"),
        steps=count(told, "spec_verify_ct"),
    )


def _of_llamacpp(chunk: Mapping[str, Any]) -> _Drafted | None:
    told = an_object_or_none(chunk.get("timings"))
    if told is None:
        return None
    return _Drafted(  # Left out by the server where nothing was drafted.
        draft_tokens=count_or(told, "draft_n", 0),
        accepted_tokens=count_or(told, "draft_n_accepted", 0),
        steps=None,
    )


def _inner(chunk: Mapping[str, Any], outer: str, inner: str) -> dict[str, Any] | None:
    told = an_object_or_none(chunk.get(outer))
    return an_object_or_none(told.get(inner)) if told else None


_DRAFTED = (_of_vllm, _of_sglang, _of_llamacpp)

_Said = tuple[str, str]
"""Of the answer, and of what came before it (reasoning)."""


def said_in_completion(choice: Mapping[str, Any]) -> _Said:
    """Return what a chunk of a completion says. Raises: KeyError, TypeError."""
    return text(choice["text"]), ""


def _said_in_chat(choice: Mapping[str, Any]) -> _Said:
    delta = an_object_or_none(choice["delta"]) or {}
    # vLLM calls it reasoning, SGLang and llama.cpp reasoning_content.
    aside = text(delta.get("reasoning_content")) or text(delta.get("reasoning"))
    return text(delta.get("content")), aside


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    input_tokens: int
    output_tokens: int


class Reader:
    """Reads the events of one response; what they tell of it as a whole comes out at `[DONE]`."""

    __slots__ = ("_cached", "_drafted", "_finish", "_said", "_usage")

    def __init__(self, said: Callable[[Mapping[str, Any]], _Said]) -> None:
        self._said = said
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._drafted: _Drafted | None = None
        self._cached: int | None = None

    def __call__(self, data: bytes) -> Event:
        """Return what an event says. Raises: as `Decode`."""
        if data == _DONE:
            return Event(ids=(), text="", output_tokens=None, final=self.final())
        chunk = an_object(json.loads(data))
        if "error" in chunk:
            return _failed(chunk["error"])
        self.note(chunk)
        choices = objects(chunk["choices"])
        if not choices:
            return Event(ids=(), text="", output_tokens=_so_far(chunk, holds_tokens=False))
        (choice,) = choices  # one answer was asked for
        self._finish = text(choice.get("finish_reason")) or self._finish
        said, aside = self._said(choice)
        shown = ids(choice.get("token_ids"))
        return Event(
            ids=shown,
            text=said,
            aside=aside,
            output_tokens=_so_far(chunk, holds_tokens=bool(said or aside or shown)),
        )

    def note(self, chunk: Mapping[str, Any]) -> None:
        """Keep what a chunk tells of the whole answer. Raises: as `Decode`."""
        if usage := an_object_or_none(chunk.get("usage")):
            self._usage = _Usage(
                input_tokens=count(usage, "prompt_tokens"),
                output_tokens=count(usage, "completion_tokens"),
            )
            details = an_object_or_none(usage.get("prompt_tokens_details")) or {}
            cached = details.get("cached_tokens")
            self._cached = self._cached if cached is None else count(details, "cached_tokens")
        for drafted_of in _DRAFTED:
            self._drafted = drafted_of(chunk) or self._drafted

    def final(self) -> Final:
        """Return what the server has said of the whole answer."""
        usage, drafted = self._usage, self._drafted
        output_tokens = usage.output_tokens if usage else 0
        return Final(
            finish=self._finish or "",
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=output_tokens,
            draft_tokens=drafted.draft_tokens if drafted else None,
            accepted_tokens=drafted.accepted_tokens if drafted else None,
            verify_steps=_all_steps(drafted, output_tokens) if drafted else None,
            cached_tokens=self._cached,
            error=self._flaw(),
        )

    def _flaw(self) -> str | None:
        if self._usage is None:
            return (
                "the server tells no usage, although stream_options.include_usage asks for it: "
                "how many tokens it generated is not known"
            )
        if self._finish not in _FINISH:
            return f"the server ended the answer with finish_reason {self._finish!r}"
        return None


def _so_far(chunk: Mapping[str, Any], *, holds_tokens: bool) -> int | None:
    """Return how many tokens the server says it has generated, or None where it does not say."""
    for name, key in (("usage", "completion_tokens"), ("timings", "predicted_n")):
        told = an_object_or_none(chunk.get(name))
        if told and key in told:
            tokens = count(told, key)
            # Some servers fill in their usage only at the end.
            return None if tokens == 0 and holds_tokens else tokens
    return None


def _all_steps(drafted: _Drafted, output_tokens: int) -> int | None:
    """Return the steps of an answer, where those that verified a draft are all there were.

    Steps without a draft, of which n-gram drafters have many, are in none of the servers' counts.
    They must be there where the others, one token each and those accepted, fall short of the
    tokens after the first one, which is prefill's.
    """
    if drafted.steps is None or drafted.steps + drafted.accepted_tokens < output_tokens - 1:
        return None
    return drafted.steps


def _failed(error: Any) -> Event:
    said = error.get("message") if isinstance(error, dict) else None
    return Event(ids=(), text="", output_tokens=None, error=str(said or error))


def _peek(said: Callable[[Mapping[str, Any]], _Said], data: bytes) -> Final | None:
    reader = Reader(said)
    reader(data)
    final = reader.final()
    return final if final.output_tokens else None


COMPLETIONS = Dialect(
    complete=_complete,
    decoder=partial(Reader, said_in_completion),
    peek=partial(_peek, said_in_completion),
    text=None,
)
CHAT = Dialect(
    complete=_chat,
    decoder=partial(Reader, _said_in_chat),
    peek=partial(_peek, _said_in_chat),
    text=None,
)
