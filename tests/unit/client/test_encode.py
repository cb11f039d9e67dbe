"""Dialogues rendered and encoded by the server's own template and tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specseal.client.fields import strict_json
from specseal.records import JobStatus
from unit.client.fake_llamacpp import FakeLlamaCpp
from unit.client.jobs import encode_job

RunJob = Callable[..., JobStatus]
ONE = {"id": "one", "category": "qa", "turns": ["hi"]}
TWO = {"id": "two", "category": "chat", "turns": ["a", "b", "c"]}


def ids(text: str) -> list[int]:
    """Encode as the fake does."""
    return [2 if char == "$" else 1 if char == "^" else ord(char) for char in text]


def encoded(
    run: RunJob, out: Path, fake: FakeLlamaCpp, *dialogues: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    status = run(fake, encode_job(), conversations=list(dialogues))
    assert status.outcome == "done", status.reason
    lines = (out / "prompts.jsonl").read_bytes().splitlines()
    tokenizer = json.loads((out / "tokenizer.json").read_text())
    return [strict_json(line, "prompts") for line in lines], tokenizer


def test_rows_keep_the_order_of_the_input(run: RunJob, out: Path) -> None:
    rows, _ = encoded(run, out, FakeLlamaCpp(), TWO, ONE)
    assert [(row["id"], row["category"]) for row in rows] == [("two", "chat"), ("one", "qa")]


def test_between_is_what_follows_an_answer_up_to_the_next(run: RunJob, out: Path) -> None:
    rows, _ = encoded(run, out, FakeLlamaCpp(), TWO)
    assert rows[0]["first"] == ids("<user>a$<bot>")
    assert rows[0]["between"] == [ids("$<user>b$<bot>"), ids("$<user>c$<bot>")]


def test_tokenizer_tells_stop_ids_and_the_templates_digest(run: RunJob, out: Path) -> None:
    _, tokenizer = encoded(run, out, FakeLlamaCpp(), ONE, TWO)
    assert tokenizer == {
        "stop_ids": [2],
        "begin_ids": [],
        "chat_template_sha256": hashlib.sha256(b"the template").hexdigest(),
        "history_not_rewritten": False,
        "bos_doubled": False,
    }


def test_bos_that_the_server_stripped_is_put_back(run: RunJob, out: Path) -> None:
    rows, tokenizer = encoded(run, out, FakeLlamaCpp(with_bos=True), ONE)
    assert rows[0]["first"] == ids("^<user>hi$<bot>")
    assert (tokenizer["begin_ids"], tokenizer["bos_doubled"]) == ([1], False)


def test_bos_that_the_template_rendered_is_not_added_again(run: RunJob, out: Path) -> None:
    rows, tokenizer = encoded(run, out, FakeLlamaCpp(with_bos=True, renders_bos=1), ONE, TWO)
    assert rows[0]["first"] == ids("^<user>hi$<bot>")
    assert rows[1]["between"][0] == ids("$<user>b$<bot>")
    assert tokenizer["bos_doubled"] is False


def test_template_that_doubles_the_bos_is_flagged(run: RunJob, out: Path) -> None:
    _, tokenizer = encoded(run, out, FakeLlamaCpp(with_bos=True, renders_bos=2), ONE)
    assert tokenizer["bos_doubled"] is True


@pytest.mark.parametrize("habit", [{"drops_thoughts": True}, {"thinks_in_history": True}])
def test_template_that_rewrites_earlier_turns_is_flagged_and_run_on(
    run: RunJob, out: Path, habit: dict[str, bool]
) -> None:
    rows, tokenizer = encoded(run, out, FakeLlamaCpp(**habit), TWO)
    assert tokenizer["history_not_rewritten"] is True
    assert len(rows[0]["between"]) == 2


def test_single_turns_have_no_history_to_rewrite(run: RunJob, out: Path) -> None:
    _, tokenizer = encoded(run, out, FakeLlamaCpp(drops_thoughts=True), ONE)
    assert tokenizer["history_not_rewritten"] is False


def test_same_dialogues_give_the_same_bytes(run: RunJob, out: Path) -> None:
    encoded(run, out, FakeLlamaCpp(), ONE, TWO)
    before = (out / "prompts.jsonl").read_bytes()
    for file in out.iterdir():
        file.unlink()
    encoded(run, out, FakeLlamaCpp(), ONE, TWO)
    assert (out / "prompts.jsonl").read_bytes() == before


def test_server_without_a_template_endpoint_fails_the_job(run: RunJob, out: Path) -> None:
    class WithoutTemplate(FakeLlamaCpp):
        async def _apply_template(self, request: Any) -> Any:
            return await self._health(request)

    status = run(WithoutTemplate(), encode_job(), conversations=[ONE])
    assert status.outcome == "failed"
    assert "the answer has no 'prompt'" in status.reason
    assert not (out / "prompts.jsonl").exists()
