"""Task `encode`: dialogues in, token ids out, through the server's own template and tokenizer.

Writes `prompts.jsonl` (one row a dialogue, in the order of the input) and `tokenizer.json`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from specseal.client.errors import JobFailed, ServerError
from specseal.client.job import Dialogue, Encode, TokenIds
from specseal.client.output import Output
from specseal.client.text import ServerText
from specseal.client.wire import Message

_ANSWER = "specseal-answer-{turn}-q7x2v9"
_THOUGHT = "specseal-thought-k4z8w1"


async def encode(task: Encode, text: ServerText, output: Output) -> None:
    """Render and encode every dialogue.

    `tokenizer.json` holds `stop_ids`, `begin_ids` (what the tokenizer puts before a sequence; in
    every `first` exactly once), `chat_template_sha256`, and two flags: `history_not_rewritten`
    is true where the template would rewrite earlier turns and the prompts go on without that,
    `bos_doubled` where a rendered prompt already began with two BOS.

    Raises:
        JobFailed: the server does not answer, or its template can't be used.
        OutputFailed: the results can't be written.
    """
    try:
        rows, tokenizer = await _encode_all(task, text)
    except ServerError as error:
        raise JobFailed(f"the prompts can't be encoded: {error}") from error
    output.append("prompts.jsonl", rows)
    output.replace("tokenizer.json", tokenizer)


async def _encode_all(
    task: Encode, text: ServerText
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    end_token, template = await text.properties()
    begin = await text.begin_ids()
    stop_ids = await text.encode(end_token)
    if len(stop_ids) != 1:
        raise ServerError(f"the end-of-turn token {end_token!r} is {len(stop_ids)} tokens, not one")
    multi_turn = any(len(dialogue.turns) > 1 for dialogue in task.dialogues)
    rewritten = multi_turn and await _drops_thoughts(text, task.template_args)
    rows = []
    doubled = False
    for dialogue in task.dialogues:
        prompts = await _render_turns(dialogue, text, task.template_args)
        betweens, changed = _betweens(prompts)
        first = await text.encode(prompts[0])
        if begin and first[: len(begin)] != begin:
            first = begin + first
        doubled |= bool(begin) and first[len(begin) :][: len(begin)] == begin
        rewritten |= changed
        between: list[TokenIds] = [await text.encode(part) for part in betweens]
        row = {"id": dialogue.id, "category": dialogue.category, "first": first}
        rows.append({**row, "between": between})
    return rows, {
        "stop_ids": stop_ids,
        "begin_ids": begin,
        "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest(),
        "history_not_rewritten": rewritten,
        "bos_doubled": doubled,
    }


async def _render_turns(
    dialogue: Dialogue, text: ServerText, template_args: dict[str, Any]
) -> list[str]:
    """Render the dialogue up to each of its turns, with a rare string for each answer."""
    messages: list[Message] = []
    prompts = []
    for turn, said in enumerate(dialogue.turns):
        messages.append({"role": "user", "content": said})
        prompts.append(await text.render(messages, template_args))
        messages.append({"role": "assistant", "content": _ANSWER.format(turn=turn)})
    return prompts


def _betweens(prompts: list[str]) -> tuple[list[str], bool]:
    """Return what comes after each answer, and whether a longer prompt rewrites a shorter one."""
    betweens = []
    rewritten = False
    for turn, longer in enumerate(prompts[1:]):
        before, answer, after = longer.partition(_ANSWER.format(turn=turn))
        if not answer:
            raise JobFailed("the chat template leaves out an earlier answer; turns can't follow it")
        rewritten |= before != prompts[turn]
        betweens.append(after)
    return betweens, rewritten


async def _drops_thoughts(text: ServerText, template_args: dict[str, Any]) -> bool:
    """Say whether the template drops the thinking out of an earlier answer."""
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": f"<think>\n{_THOUGHT}\n</think>\n\nb"},
        {"role": "user", "content": "c"},
    ]
    return _THOUGHT not in await text.render(messages, template_args)
