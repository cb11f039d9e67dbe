"""Completing a lock: what it says of prompts, which phases get which, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from locks import make_lock
from specseal.digests import sha256_bytes
from specseal.errors import LockError
from specseal.lock import (
    AS_TEXT,
    Draft,
    Encoded,
    Inputs,
    Store,
    prompts_as_text,
    random_prompts,
    with_prompts,
    words_of,
)
from specseal.lock import without_prompts as bare
from specseal.lock.rows import Row
from specseal.lock.vocabulary import Vocabulary
from specseal.settings import load_settings
from specseal.spec.locked import Lock
from specseal.spec.model import Dataset

TOKENIZER = {
    "chat_template_sha256": "7" * 64,
    "stop_ids": [2],
    "history_not_rewritten": True,
    "bos_doubled": True,
}
VOCABULARY = Vocabulary(size=100, special_ids=(0, 1, 2))
ROWS = tuple(
    Row(id=f"{category}-{number}", category=category, turns=("Hello?", "And?"), sha256="8" * 64)
    for category in ("coding", "math")
    for number in range(3)
)


def prompts() -> bytes:
    rows = [
        {"id": row.id, "category": row.category, "first": [5, 6, 7], "between": [[8, 9]]}
        for row in ROWS
    ]
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def draft(**changes: dict[str, Any]) -> Draft:
    return Draft(lock=bare(make_lock(**changes)), model=None, rows=ROWS)


def encoded(vocabulary: Vocabulary | None = VOCABULARY) -> Encoded:
    return Encoded(prompts=prompts(), tokenizer=TOKENIZER, vocabulary=vocabulary)


def test_a_lock_says_of_every_conversation_how_long_it_is_and_not_what_it_says() -> None:
    lock = with_prompts(draft(), encoded())
    assert lock.prompts["sha256"] == sha256_bytes(prompts())
    first = lock.prompts["conversations"][0]
    assert (first["id"], first["turns"], first["input_tokens"]) == ("coding-0", 2, 5)
    assert (lock.prompts["history_not_rewritten"], lock.prompts["bos_doubled"]) == (True, True)
    assert lock.prompts["random"] is None


def test_random_inputs_are_pinned_and_can_be_made_again_from_the_lock_alone() -> None:
    lock = with_prompts(draft(points={"inputs": ["dataset", "random"], "seed": 7}), encoded())
    made = random_prompts(lock, prompts())
    assert lock.prompts["random"] == {"sha256": sha256_bytes(made), "seed": 7}
    assert lock.model["vocabulary"] == {"size": 100, "special_ids": [0, 1, 2]}
    assert made != prompts()


def test_random_inputs_of_a_model_whose_vocabulary_is_unknown_are_refused() -> None:
    asked = draft(points={"inputs": ["random"]})
    with pytest.raises(LockError, match="need the model's vocabulary"):
        with_prompts(asked, encoded(None))


def test_a_warm_up_has_as_many_conversations_as_are_in_flight_at_once() -> None:
    load = {**make_lock().points["load"], "concurrency": [1, 5]}
    lock = with_prompts(draft(points={"load": load}), encoded())
    assert len(lock.points["warmup"]) == 5


def test_a_load_that_is_never_reached_is_refused() -> None:
    load = {**make_lock().points["load"], "concurrency": [7]}
    with pytest.raises(LockError, match="7 at once are never reached with the 6 conversations"):
        with_prompts(draft(points={"load": load}), encoded())


def test_a_conversation_that_does_not_fit_is_refused_before_anything_runs() -> None:
    with pytest.raises(LockError, match=r"need up to 21 tokens .*context_length is 20"):
        with_prompts(draft(engine={"context_length": 20}), encoded())


def test_prompts_for_a_server_with_its_own_template_stay_text_of_unknown_length() -> None:
    text = prompts_as_text(draft())
    assert json.loads(text.splitlines()[0]) == {
        "id": "coding-0",
        "category": "coding",
        "turns": ["Hello?", "And?"],
    }
    asked = draft(engine={"context_length": None})
    lock = with_prompts(asked, Encoded(prompts=text, tokenizer=AS_TEXT))
    assert lock.model["chat_template_sha256"] is None
    assert {row["input_tokens"] for row in lock.prompts["conversations"]} == {None}


def test_without_its_prompts_a_lock_is_the_draft_that_it_was_made_from() -> None:
    asked = draft(points={"inputs": ["dataset", "random"]})
    assert bare(with_prompts(asked, encoded())) == asked.lock


MINI = Dataset(kind="builtin", name="speed-mini", split="qualitative")


def make_inputs(folder: Path) -> Inputs:
    settings = load_settings({"SPECSEAL_CACHE_DIR": str(folder / "cache")}, folder)
    return Inputs(spec_folder=folder, settings=settings, store=Store(settings.cache_dir))


def lock_of(inputs: Inputs) -> Lock:
    rows = [{"id": row.id, "sha256": row.sha256} for row in inputs.dataset(MINI).rows]
    return make_lock(dataset={"rows": rows})


def test_words_of_what_was_sent_as_ids_are_known_though_the_data_set_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = make_inputs(tmp_path)
    lock = lock_of(inputs)
    words = words_of(lock, MINI, inputs).read_bytes()
    turns = [json.loads(line)["turns"] for line in words.splitlines()]
    assert turns == [list(row.turns) for row in inputs.dataset(MINI).rows]
    monkeypatch.delattr(Inputs, "dataset")
    assert words_of(lock, MINI, make_inputs(tmp_path)).read_bytes() == words


def test_words_of_another_data_set_than_was_locked_are_refused(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path)
    lock = make_lock(dataset={"rows": [{"id": "other", "sha256": "8" * 64}]})
    with pytest.raises(LockError, match="not the one that was locked"):
        words_of(lock, MINI, inputs)
