"""Complete a lock: the prompts as they are sent, and the conversations of every phase."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from specseal.digests import sha256_bytes, sha256_value
from specseal.errors import LockError
from specseal.lock.datasets import as_locked
from specseal.lock.pin import Draft, Inputs
from specseal.lock.random_inputs import random_inputs
from specseal.lock.rows import Row
from specseal.lock.steps import source_files, without_outcome
from specseal.lock.vocabulary import Vocabulary
from specseal.plan import choose_conversations, warmup_count
from specseal.records import write_json_atomically
from specseal.spec.locked import Lock
from specseal.spec.model import Dataset

_FROM_ENCODING = ("chat_template_sha256", "stop_ids")


def encoding_key(draft: Draft) -> str:
    """Return the key under which encoded prompts are kept: all that they are made from."""
    lock = draft.lock
    return sha256_value(
        {
            "encoder": lock.encoder,
            "client": lock.client,
            "model": source_files(lock.model),
            "template_args": lock.model["template_args"],
            "rows": lock.dataset["rows"],
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Prompts as they are sent, and what they were made with."""

    prompts: bytes
    """`prompts.jsonl`."""
    tokenizer: dict[str, Any]
    """`tokenizer.json`, as the preparation job wrote it; see `AS_TEXT`."""
    vocabulary: Vocabulary | None = None
    """Known where random inputs are asked for."""


AS_TEXT: dict[str, Any] = {
    "chat_template_sha256": None,
    "stop_ids": [],
    "history_not_rewritten": False,
    "bos_doubled": False,
}
"""What is known of prompts that are sent as text: the server renders and encodes them itself."""


def prompts_as_text(draft: Draft) -> bytes:
    """Return `prompts.jsonl` for a server that gets text."""
    return _as_text(draft.rows)


def _as_text(rows: Iterable[Row]) -> bytes:
    values = ({"id": row.id, "category": row.category, "turns": list(row.turns)} for row in rows)
    lines = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    return "".join(f"{line}\n" for line in lines).encode()


def keep_words(lock: Lock, rows: Iterable[Row], inputs: Inputs) -> Path:
    """Keep a data set's rows as text, for runs on this machine to know what may not get out.

    Raises: MachineLacks: there is no room for them.
    """
    digest = inputs.store.put(_as_text(rows))
    kept = _kept_words(lock, inputs)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomically(kept, {"rows": digest})
    return inputs.store.get(digest)


def words_of(lock: Lock, dataset: Dataset, inputs: Inputs) -> Path:
    """Return a file of a lock's rows as text, which is what an engine may print of them.

    Args:
        lock: of one variant; its prompts may be kept on this machine as token ids alone.
        dataset: what the spec names, read where the text is not kept, too.
        inputs: where data sets are found.

    Raises:
        LockError: the data set is not the one that was locked, or can't be had.
        InputError, MachineLacks: as `Inputs.dataset`.
    """
    kept = _kept_words(lock, inputs)
    if kept.is_file() and inputs.store.has(digest := json.loads(kept.read_bytes())["rows"]):
        return inputs.store.get(digest)
    rows = inputs.dataset(as_locked(dataset, lock.dataset)).rows
    if [{"id": row.id, "sha256": row.sha256} for row in rows] != lock.dataset["rows"]:
        raise LockError(
            "the data set is not the one that was locked, so that nobody can tell whether a log "
            "quotes one of its prompts",
            mend="`specseal lock --check SPEC` names what has changed; put the data set back",
        )
    return keep_words(lock, rows, inputs)


def _kept_words(lock: Lock, inputs: Inputs) -> Path:
    return inputs.settings.cache_dir / "words" / f"{sha256_value(lock.dataset['rows'])}.json"


def with_prompts(draft: Draft, encoded: Encoded) -> Lock:
    """Complete a lock.

    Raises:
        LockError: a conversation does not fit the context length, or there are too few of them
            for the load.
    """
    conversations = describe_prompts(encoded.prompts)
    tokenizer, vocabulary = encoded.tokenizer, encoded.vocabulary
    points = _with_conversations(draft.lock.points, conversations)
    lock = replace(
        draft.lock,
        model={
            **draft.lock.model,
            "chat_template_sha256": tokenizer["chat_template_sha256"],
            "stop_ids": tokenizer["stop_ids"],
            "vocabulary": vocabulary
            and {"size": vocabulary.size, "special_ids": list(vocabulary.special_ids)},
        },
        prompts={
            "sha256": sha256_bytes(encoded.prompts),
            "history_not_rewritten": tokenizer["history_not_rewritten"],
            "bos_doubled": tokenizer["bos_doubled"],
            "conversations": conversations,
            "random": None,
        },
        points=points,
    )
    if "random" in points["inputs"]:
        made = random_prompts(lock, encoded.prompts)
        random = {"sha256": sha256_bytes(made), "seed": points["seed"]}
        lock = replace(lock, prompts={**lock.prompts, "random": random})
    _check_context(lock)
    _check_load(lock)
    return lock


def random_prompts(lock: Lock, prompts: bytes) -> bytes:
    """Return `random.jsonl` of a lock: random tokens in place of the prompts', as many of each.

    Raises:
        LockError: the lock does not know the model's vocabulary.
    """
    known = lock.model["vocabulary"]
    if known is None:
        raise LockError(
            "workload.inputs: random tokens need the model's vocabulary, and it is not known",
            mend="leave `random` out of workload.inputs",
        )
    vocabulary = Vocabulary(size=known["size"], special_ids=tuple(known["special_ids"]))
    return random_inputs(prompts, vocabulary, seed=lock.points["seed"])


def _with_conversations(
    points: dict[str, Any], conversations: list[dict[str, Any]]
) -> dict[str, Any]:
    """Name the conversations of every phase, so that no later version chooses others."""
    seed, load = points["seed"], points["load"]
    chosen = choose_conversations(conversations, count=load["requests"], seed=seed)
    most = warmup_count(max(load["concurrency"], default=1))
    warmup = choose_conversations(conversations, count=most, seed=seed + 1)
    return {**points, "warmup": list(warmup), "conversations": list(chosen)}


def describe_prompts(prompts: bytes) -> list[dict[str, Any]]:
    """Return a row a conversation: id, category, turns, tokens without answers, digest.

    What is sent as text has no number of tokens.
    """
    rows = []
    for line in prompts.splitlines():
        row = json.loads(line)
        if "turns" in row:
            turns, tokens = len(row["turns"]), None
        else:
            turns = len(row["between"]) + 1
            tokens = len(row["first"]) + sum(map(len, row["between"]))
        rows.append(
            {
                "id": row["id"],
                "category": row["category"],
                "turns": turns,
                "input_tokens": tokens,
                "sha256": sha256_bytes(line),
            }
        )
    return rows


def _check_context(lock: Lock) -> None:
    room = lock.engine["context_length"]
    if room is None:
        return  # a running server's; it says itself when a prompt is too long
    answer = lock.sampling["max_tokens"]
    needs = {
        row["id"]: row["input_tokens"] + row["turns"] * answer
        for row in lock.prompts["conversations"]
    }
    too_long = [name for name, tokens in needs.items() if tokens > room]
    if too_long:
        raise LockError(
            f"{len(too_long)} conversations need up to {max(needs.values())} tokens with their "
            f"answers, and engine.context_length is {room}: {', '.join(too_long[:5])}",
            mend="raise engine.context_length, lower workload.sampling.max_tokens, or leave them "
            "out of the data set",
        )


def _check_load(lock: Lock) -> None:
    most = max(lock.points["load"]["concurrency"], default=1)
    asked = len(lock.points["conversations"])
    if most > asked:
        raise LockError(
            f"workload.load.concurrency: {most} at once are never reached with the {asked} "
            "conversations of a phase",
            mend="raise workload.load.requests, lower the concurrency, or take a larger data set",
        )


def without_prompts(lock: Lock) -> Lock:
    """Return a lock as it was before anything was prepared for it: what `pin_inputs` gives."""
    model = {key: value for key, value in lock.model.items() if key not in _FROM_ENCODING}
    points = {**lock.points, "warmup": [], "conversations": []}
    return replace(
        lock,
        model=without_outcome({**model, "vocabulary": None}),
        drafter=without_outcome(lock.drafter),
        points=points,
        prompts={},
    )
