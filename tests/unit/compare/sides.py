"""Results made by hand, or drawn at random from a truth that is known, as sides of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import locks
from specseal.analysis import JobData, RunData, analyse
from specseal.compare import Side, Verdict, judge_claims
from specseal.digests import sha256_value
from specseal.engines import CAPABILITIES
from specseal.spec import Claim, Spec, parse_spec
from unit.analysis.builders import baseline, job, phase, plain, record, run, snapshot

FloatArray = npt.NDArray[np.float64]

DRAFT_LENGTH = 3
SPEC = """\
apiVersion: specseal/v1
name: tiny
title: A tiny run
engine: {{name: llamacpp, version: "2026.10.11549", context_length: 8192}}
hardware: {{accelerator: cpu}}
model: {{source: path, path: model.gguf}}
drafter: {{method: ngram, draft_length: {draft_length}}}
baseline: autoregressive
workload:
  dataset: {{source: builtin, name: speed-mini, split: qualitative}}
  sampling: {{temperature: 0, max_tokens: 4096}}
  load: {{mode: closed, concurrency: [1]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Decode tokens and verify steps of prompts: one row a result, one column a prompt."""

    decode: FloatArray
    steps: FloatArray

    def __getitem__(self, row: int) -> tuple[FloatArray, FloatArray]:
        return self.decode[row], self.steps[row]


def draw_prompts(generator: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Return each prompt's own tokens a step: 1 to 4, mean 2.5, and as far apart as prompts are.

    Of the reference bundles and the paper's categories, whose means alone go from 2.0 to 3.0.
    """
    return 1 + DRAFT_LENGTH * generator.beta(4, 4, size=shape)


def draw_sample(generator: np.random.Generator, pace: FloatArray, *, factor: float = 1.0) -> Sample:
    """Draw what a run of these prompts gives: lengths as of answers, steps with their own noise.

    Args:
        generator: of the draws.
        pace: each prompt's tokens a step.
        factor: by which the true acceptance length is greater than `pace` has it.
    """
    decode = np.clip(np.round(generator.lognormal(5.3, 0.8, size=pace.shape)), 8, 4095)
    # A step of a draft of 3 has a standard deviation of about 1.2 tokens.
    mean = decode / (pace * factor)
    steps = np.round(mean + generator.normal(size=pace.shape) * 1.2 * np.sqrt(mean / pace**2))
    return Sample(decode=decode, steps=np.clip(steps, np.ceil(decode / (1 + DRAFT_LENGTH)), decode))


def side(
    name: str,
    samples: Sequence[tuple[FloatArray, FloatArray]],
    *,
    draft_length: int = DRAFT_LENGTH,
    seconds: Sequence[float] | None = None,
    lock: dict[str, dict[str, Any]] | None = None,
    spec: str = "",
    others: bool = False,
    **changes: Any,
) -> Side:
    """Return a result of so many launches, at concurrency 1.

    Args:
        name: of the side.
        samples: decode tokens and steps of each prompt, a launch each.
        draft_length: of the n-grams that it drafts with.
        seconds: how long each launch took; by default one each.
        lock: changes of its sections.
        spec: lines that the spec has beside the usual ones.
        others: whether its prompts are others than those of sides without this.
        changes: of each job.
    """
    count = len(samples[0][0])
    categories = [("coding", "math")[number % 2] for number in range(count)]
    names = [f"{category}-{number}" for number, category in enumerate(categories)]
    given = "other" if others else "one"
    jobs = [
        _launch(repeat, names, categories, sample, (seconds or [1.0] * len(samples))[repeat])
        for repeat, sample in enumerate(samples)
    ]
    data = run(
        *(replace(one, draft_length=draft_length, **changes) for one in jobs),
        _baseline(names, categories),
    )
    return side_of(
        name,
        data,
        spec=parse_spec(
            (SPEC.format(draft_length=draft_length) + spec).encode(),
            path="spec.yaml",
            capabilities=CAPABILITIES,
        ),
        prompts=[
            {
                "id": one,
                "category": category,
                "turns": 1,
                "input_tokens": 10,
                "sha256": sha256_value([given, one]),
            }
            for one, category in zip(names, categories, strict=True)
        ],
        lock={**(lock or {}), "points": {"draft_length": draft_length, "repeats": len(samples)}},
    )


def side_of(
    name: str,
    data: RunData,
    *,
    spec: Spec,
    prompts: list[dict[str, Any]],
    lock: dict[str, dict[str, Any]],
) -> Side:
    """Return a result with the lock of these prompts, all of which are sent."""
    sent = [row["id"] for row in prompts]
    rows = [{"id": row["id"], "sha256": row["sha256"]} for row in prompts]
    sections: dict[str, dict[str, Any]] = {
        "spec": {"name": name},
        "prompts": {"sha256": sha256_value(prompts), "conversations": prompts},
        "dataset": {"rows": rows},
    }
    for section, values in lock.items():
        sections[section] = {**sections.get(section, {}), **values}
    sections["points"] = {"conversations": sent, **sections.get("points", {})}
    return Side(
        name=name,
        manifest=sha256_value(name),
        spec=spec,
        lock=locks.make_lock(**sections),
        environment={"machine": {"cpu": "a processor"}, "hardware": "as_locked"},
        result=analyse(data),
        run=data,
    )


def judge(claim: Claim, measured: Side, *, of: Spec | None = None) -> Verdict:
    """Return the verdict on one claim, of the result's own spec if of no other."""
    (verdict,) = judge_claims(replace(of or measured.spec, claims=(claim,)), measured)
    return verdict


def _launch(
    repeat: int,
    names: Sequence[str],
    categories: Sequence[str],
    sample: tuple[FloatArray, FloatArray],
    seconds: float,
) -> JobData:
    decode, steps = (column.astype(int).tolist() for column in sample)
    records = [
        record(
            name,
            category=category,
            output_tokens=tokens + 1,
            output_ids=(tokens, of_steps),
            chunk_ns=(1, 2),
            chunk_tokens=(1, tokens),
            end_ns=2,
            accepted_tokens=tokens - of_steps,
            draft_tokens=DRAFT_LENGTH * of_steps,
            finish="length",
        )
        for name, category, tokens, of_steps in zip(names, categories, decode, steps, strict=True)
    ]
    counted = snapshot(
        drafts=sum(steps),
        draft_tokens=DRAFT_LENGTH * sum(steps),
        accepted_tokens=sum(decode) - sum(steps),
    )
    return job(phase(records, seconds=seconds, max_tokens=1, after=counted), repeat=repeat)


def _baseline(names: Sequence[str], categories: Sequence[str]) -> JobData:
    records = [
        plain(name, category=category) for name, category in zip(names, categories, strict=True)
    ]
    return baseline(phase(records, max_tokens=4))
