"""What the load generator leaves is what the verifier asks of a phase, in each mode of load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from specseal.bundle.against_records import phase_against_records
from specseal.digests import Digest
from specseal.plan import Phase, schedule
from specseal.records import Load
from truth.clients import Outcome, prompt, run_client, write_job
from truth.running import running

CONVERSATIONS = 24
LOADS = [
    Load(mode="closed", concurrency=1),
    Load(mode="closed", concurrency=5),
    Load(mode="closed", concurrency=5, duration_s=0.5),
    Load(mode="closed", concurrency=300, duration_s=0.5),
    Load(mode="open", rate=60.0, arrival="poisson"),
    Load(mode="open", rate=60.0, arrival="constant", duration_s=0.5),
    Load(mode="burst", concurrency=5),
    Load(mode="burst", concurrency=300, duration_s=0.5),
    Load(mode="ramp", concurrency=5, duration_s=0.5),
    Load(mode="ramp", concurrency=300, duration_s=0.5),
]


def left_by(place: Path, plan: Phase, port: int, turns: int) -> Outcome:
    rows = [prompt(number, between=[[5, 6]] * (turns - 1)) for number in range(CONVERSATIONS)]
    folder = write_job(place / "in", rows, concurrency=1, max_tokens=9)
    job = json.loads((folder / "job.json").read_bytes())
    asked: dict[str, Any] = {"load": plan.load.to_dict(), "offsets_ns": list(plan.offsets_ns)}
    job["phases"][0] |= asked
    (folder / "job.json").write_text(json.dumps(job))
    return run_client(folder, place / "out", port)


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load.mode}-{load.concurrency}")
def test_phase_of_the_load_generator_is_what_its_records_give(
    tmp_path: Path, load: Load, turns: int
) -> None:
    plan = Phase(
        name="c1",
        measured=True,
        load=load,
        input="dataset",
        prompts=Digest("0" * 64),
        sampling={},
        conversations=tuple(prompt(number)["id"] for number in range(CONVERSATIONS)),
        offsets_ns=schedule(load, CONVERSATIONS, seed=0),
    )
    with running() as engine:
        usual = {"ttft_s": 0.02, "step_s": 0.005, "draft_length": 4}
        engine.behave(usual=usual, by_first={}, counters="vllm")
        outcome = left_by(tmp_path, plan, engine.port, turns)
    assert outcome.exit_code == 0, outcome.stderr
    phase = outcome.phase(load, max_tokens=9)
    assert not list(phase_against_records("here", phase, plan, is_of_the_first=False))
