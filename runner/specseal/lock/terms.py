"""Whose terms hold for SPEED-Bench, and that the user of this machine has accepted them.

The question is asked once and remembered beside the site settings, together with the digest of
what was shown: a longer list is asked about again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from specseal.atomic import write_atomically
from specseal.digests import Digest, canonical, sha256_value
from specseal.settings import Settings

SCHEMA = "specseal/accepted/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A part of the data, and the terms that it comes under."""

    data: str
    terms: str


_OWN = "its own terms, on its page at the hub"
TERMS: tuple[Terms, ...] = (
    Terms(
        data="nvidia/SPEED-Bench, the whole",
        terms="NVIDIA Evaluation Dataset License Agreement (License.pdf at the hub)",
    ),
    Terms(
        data="in it: bigcode/humanevalpack, RUCAIBox/MMATH, RUCAIBox/BAMBOO, EQ-Bench", terms="MIT"
    ),
    Terms(data="in it: Writing Bench, Spec-Bench", terms="Apache-2.0"),
    Terms(data="in it: FBK-MT/MCIF", terms="CC BY 4.0"),
    Terms(
        data="in it: tianyang/repobench_python_v1.1, tianyang/repobench_java_v1.1, "
        "JetBrains-Research/lca-project-level-code-completion",
        terms="MIT and Apache-2.0",
    ),
    Terms(
        data="fetched for it: cais/hle",
        terms=f"{_OWN}: to be accepted there with an account, whose token goes into HF_TOKEN; its "
        "questions are not to be published",
    ),
    *(
        Terms(data=f"fetched for it: {name}", terms=_OWN)
        for name in (
            "RUCAIBox/BAMBOO", "abisee/cnn_dailymail", "livecodebench/code_generation_lite",
            "deepmind/code_contests", "mtbench101/mt-bench-101", "Helsinki-NLP/opus-100",
            "nvidia/ChatRAG-Bench", "TIGER-Lab/MMLU-Pro", "AdaLEval/stackselect",
            "AdaLEval/textsort", "ZenMoore/RoleBench", "Neph0s/CoSER",
        )
    ),
)  # fmt: skip
"""Source: NVIDIA/Model-Optimizer, examples/specdec_bench/README.md ("License") and
specdec_bench/datasets/speed.py; nobody has summed up the terms of what is fetched."""


def shown_terms() -> str:
    """Return the list as it is shown before the question."""
    lines = [f"  {one.data}: {one.terms}" for one in TERMS]
    return "\n".join(
        [
            "SPEED-Bench's prepare step fetches data of others for you, under these terms:",
            *lines,
            "You answer for whether your use is within each of them. The prompts may not be "
            "passed on; specseal leaves only their hashes and token counts in a bundle.",
        ]
    )


def are_terms_accepted(settings: Settings) -> bool:
    """Say whether just these terms were accepted on this machine."""
    try:
        noted = json.loads(_noted_in(settings).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(noted, dict) and noted.get("terms_sha256") == _digest()


def accept_terms(settings: Settings, *, now: datetime) -> None:
    """Note that the user accepts the terms. Raises: OSError."""
    path = _noted_in(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    note = {
        "schema": SCHEMA,
        "data_set": "speed-bench",
        "terms_sha256": _digest(),
        "accepted_at": now.isoformat(timespec="seconds"),
    }
    write_atomically(path, canonical(note) + b"\n")


def _digest() -> Digest:
    return sha256_value([asdict(one) for one in TERMS])


def _noted_in(settings: Settings) -> Path:
    return settings.config_dir / "accepted-speed-bench.json"
