"""The client's llama.cpp dialect against the real server.

The fixture `llamacpp_server(N)` starts one with draft length N (0: no speculation).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from specseal.client.__main__ import main
from specseal.records import Record, Snapshot, read_records, read_snapshots, read_status

pytestmark = pytest.mark.engine

StartServer = Callable[[int], AbstractContextManager[int]]

DRAFT_LENGTH = 4
MAX_TOKENS = 48
PROMPTS = "prompts-0123456789ab"
SPECULATION = "llamacpp:spec_decode_num"
COUNTS = {
    "source": "prometheus",
    "path": "/metrics",
    "names": {
        "drafts": f"{SPECULATION}_drafts_total",
        "draft_tokens": f"{SPECULATION}_draft_tokens_total",
        "accepted_tokens": f"{SPECULATION}_accepted_tokens_total",
        "output_tokens": "llamacpp:tokens_predicted_total",
        "prompt_tokens": "llamacpp:prompt_tokens_total",
    },
    "per_position": {
        "name": f"{SPECULATION}_accepted_tokens_per_pos_total",
        "label": "position",
    },
    "in_flight": ["llamacpp:requests_processing", "llamacpp:requests_deferred"],
}
SAMPLING = {
    "temperature": 0,
    "top_p": 1,
    "top_k": 0,
    "seed": 0,
    "stop": [],
    "ignore_eos": False,
    "max_tokens": MAX_TOKENS,
}
DIALOGUES = [
    {
        "id": "repeat",
        "category": "writing",
        "turns": ["Write the word river ten times, then again ten times.", "Once more, please."],
    },
    {"id": "emoji", "category": "multilingual", "turns": ["Repeat: 🧪👌🧪👌🧪👌🧪👌🧪👌"]},
    {"id": "short", "category": "qa", "turns": ["Say only the word yes."]},
]
NAMES = [row["id"] for row in DIALOGUES]


def run_client(folder: Path, port: int, job: dict[str, Any], **rows: list[dict[str, Any]]) -> Path:
    whole = {
        "schema": "specseal/job/1",
        "server": {"health_path": "/health", "deadline_s": 120},
        "dialect": "llamacpp",
        "readback": {"props": "/props", "slots": "/slots"},
        "silence_timeout_s": 120,
        **job,
    }
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "in" / "job.json").write_text(json.dumps(whole))
    for name, items in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in items)
        (folder / "in" / f"{PROMPTS if name == 'prompts' else name}.jsonl").write_text(text)
    arguments = ["--in", f"{folder}/in", "--out", f"{folder}/out", "--port", str(port)]
    assert main(arguments) == 0
    return folder / "out"


def encode(folder: Path, port: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    out = run_client(folder, port, {"task": "encode"}, conversations=DIALOGUES)
    prompts = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    return prompts, json.loads((out / "tokenizer.json").read_text())


def measure(
    folder: Path, port: int, prompts: list[dict[str, Any]], *, concurrency: int
) -> tuple[tuple[Record, ...], Snapshot, Snapshot]:
    phase = {
        "name": "c",
        "measured": True,
        "load": {"mode": "closed", "concurrency": concurrency},
        "prompts": f"{PROMPTS}.jsonl",
        "sampling": SAMPLING,
        "conversations": NAMES,
        "offsets_ns": [],
    }
    job = {
        "task": "measure",
        "counts": COUNTS,
        "stop_ids": [2],
        "phases": [{**phase, "name": "warmup", "measured": False}, phase],
    }
    out = run_client(folder, port, job, prompts=prompts)
    status = read_status(out / "status.json")
    assert status is not None
    assert "build_info" in status.engine["props"]
    before, after = read_snapshots(out / "counts.jsonl")
    assert before.settled
    assert after.settled
    return read_records(out / "records.jsonl"), before, after


def not_streamed(port: int, ids: list[int]) -> list[int]:
    """Return the ids of a greedy answer that is given at once, with nothing held back."""
    body = {
        "prompt": ids,
        "n_predict": MAX_TOKENS,
        "temperature": 0,
        "samplers": ["temperature"],
        "cache_prompt": False,
        "return_tokens": True,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/completion",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        tokens: list[int] = json.load(response)["tokens"]
    return tokens


def test_prompts_are_encoded_by_the_engines_own_template(
    llamacpp_server: StartServer, tmp_path: Path
) -> None:
    with llamacpp_server(0) as port:
        prompts, tokenizer = encode(tmp_path / "a", port)
        again, _ = encode(tmp_path / "b", port)
    assert prompts == again
    assert [row["id"] for row in prompts] == NAMES
    assert tokenizer["stop_ids"] == [2]
    assert tokenizer["history_not_rewritten"] is False
    assert tokenizer["bos_doubled"] is False
    first, (between,) = prompts[0]["first"], prompts[0]["between"]
    assert first[0] == 1, "<|im_start|>, rendered by the template, once"
    assert first[1] != 1
    assert between[0] == 2, "<|im_end|> closes the answer"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_records_agree_with_the_engines_own_counters(
    llamacpp_server: StartServer, tmp_path: Path, concurrency: int
) -> None:
    with llamacpp_server(DRAFT_LENGTH) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        records, before, after = measure(tmp_path / "run", port, prompts, concurrency=concurrency)
    assert len(records) == 4
    assert [record.error for record in records] == [None] * 4
    assert all(sum(record.chunk_tokens) == record.output_tokens for record in records)
    for counter in ("draft_tokens", "accepted_tokens", "output_tokens"):
        of_engine = getattr(after, counter) - getattr(before, counter)
        assert sum(getattr(record, counter) for record in records) == of_engine, counter
    assert after.prompt_tokens is not None
    assert before.prompt_tokens is not None
    assert sum(record.input_tokens for record in records) == (
        after.prompt_tokens - before.prompt_tokens
    )
    assert after.drafts is not None
    assert before.drafts is not None
    assert after.drafts > before.drafts
    assert after.accepted_per_position is not None
    assert len(after.accepted_per_position) <= DRAFT_LENGTH
    assert sum(after.accepted_per_position) == after.accepted_tokens


def test_streamed_ids_are_those_of_an_answer_given_at_once(
    llamacpp_server: StartServer, tmp_path: Path
) -> None:
    with llamacpp_server(0) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        records, before, after = measure(tmp_path / "run", port, prompts, concurrency=1)
        at_once = {row["id"]: not_streamed(port, row["first"]) for row in prompts}
    assert after.drafts == before.drafts == 0
    first_turns = {record.conversation: record for record in records if record.turn == 0}
    assert max(first_turns["emoji"].chunk_tokens) > 1, "the engine held ids back"
    for name, ids in at_once.items():
        assert first_turns[name].output_tokens == len(ids)
        assert first_turns[name].output_ids in (tuple(ids), None)
    assert first_turns["short"].output_ids == tuple(at_once["short"])
