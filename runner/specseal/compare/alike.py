"""Is it the same thing that was run: inputs, hardware, rows, as far as a claim tells of its own."""

from __future__ import annotations

from collections.abc import Mapping

from specseal.analysis.result import Where
from specseal.compare.side import Side
from specseal.digests import Digest
from specseal.spec.figures import OUTPUTS
from specseal.spec.locked import CONVERSATIONS, Lock
from specseal.spec.model import Claim, Dataset, Spec

Inputs = Mapping[str, Digest]
SPEED_BENCH = "speed-bench"
"""The data set of which every complete copy is taken for the one that a paper measured on. Nobody
can know: it has changed in place, and the papers name no revision of it."""

_DECISIVE = {
    "model": "other files, or another revision or chat template, than the claim's",
    "dataset": "other rows than the claim's",
    "prompts": "other prompts than the claim's",
    "sampling": "other sampling than the claim's",
}
"""Sections without which it is another question, and how each is said to differ."""
_TOLD = {
    "engine": "another version, image or setting than the claim's",
    "client": "another load generator than the claim's",
    "drafter": "another method, other arguments or other files than the claim's",
}
"""Sections that may be why a claim does not hold."""
_OF_PROMPTS = {CONVERSATIONS: "others of the prompts were sent than the claim's"}
"""What makes other outputs of course, and another sample of any other figure."""


def another_question(claim: Claim, found: Inputs) -> tuple[str, ...]:
    """Return the inputs that make it another question, each as `field: …`.

    Args:
        claim: what it names of its own inputs.
        found: the result's, as `Lock.input_digests` returns them.
    """
    words = _DECISIVE | _OF_PROMPTS if claim.metric == OUTPUTS else _DECISIVE
    return _unlike(claim, found, words)


def set_up_otherwise(claim: Claim, found: Inputs) -> tuple[str, ...]:
    """Return the inputs that are otherwise in an answer to the same question."""
    words = _TOLD if claim.metric == OUTPUTS else _TOLD | _OF_PROMPTS
    return _unlike(claim, found, words)


def _unlike(claim: Claim, found: Inputs, words: Mapping[str, str]) -> tuple[str, ...]:
    claimed = claim.source.inputs
    return tuple(
        f"{name}: {said}"
        for name, said in words.items()
        if name in claimed and claimed[name] != found[name]
    )


def other_hardware(of: Spec, side: Side) -> tuple[str, ...]:
    """Return in what the machine is another than a claim's spec asks for.

    Args:
        of: the claim's spec.
        side: the result.
    """
    asked = {variant.spec.hardware for variant in of.variants_in_full()}
    names = {one.accelerator for one in asked}
    differs = [*other_accelerators(names, accelerators(side))]
    counts, held = {one.count for one in asked}, _counts(side.lock)
    if counts != held:
        differs.append(f"hardware.count: claimed {_listed(counts)}, measured on {_listed(held)}")
    return tuple(differs)


def other_accelerators(claimed: set[str], measured: set[str]) -> tuple[str, ...]:
    """Return in what devices differ; those that nobody could look at are not known to be alike."""
    if claimed == measured and measured:
        return ()
    return (f"hardware.accelerator: claimed {_listed(claimed)}, measured on {_listed(measured)}",)


def accelerators(side: Side) -> set[str]:
    """Return what a result was measured on; nothing, where nobody could look."""
    found: set[str] = set()
    for job in side.run.jobs:
        if job.accelerators_found is None:
            return set()
        found |= {*job.accelerators_found} or {job.accelerator}
    return found


def are_same_rows(claim: Claim, of: Spec, side: Side, found: Inputs, where: Where) -> bool:
    """Say whether a figure is over the very prompts that a claim is about, or is taken to be.

    It is where the claim names both prompts and which of them were sent. It is taken to be where
    both are of a whole part of SPEED-Bench, of which every row was sent, and not of two copies that
    both specs name. A phase that ends with its time may not come to all that were to be sent.
    """
    variants = side.lock.variants_in_full()
    if any(one.lock.points["load"]["duration_s"] is not None for one in variants):
        return False
    claimed = claim.source.inputs
    if claimed:
        return all(claimed.get(name) == found[name] for name in ("prompts", CONVERSATIONS))
    theirs, ours = (_speed_bench(spec) for spec in (of, side.spec))
    if theirs is None or theirs != ours or where.get("input", "dataset") != "dataset":
        return False
    named, used = (_copies(spec) for spec in (of, side.spec))
    if named and used and named != used:
        return False
    return all(_sends_all(one.lock, where) for one in variants)


def _speed_bench(spec: Spec) -> tuple[str | None, ...] | None:
    """Return the parts of SPEED-Bench that a spec sends; None of another data set."""
    datasets: list[Dataset] = [one.spec.workload.dataset for one in spec.variants_in_full()]
    if any(one.kind != SPEED_BENCH for one in datasets):
        return None
    return tuple(dict.fromkeys(one.config for one in datasets))


def _copies(spec: Spec) -> set[Digest]:
    """Return the copies of the data set that a spec names."""
    digests = {one.spec.workload.dataset.sha256 for one in spec.variants_in_full()}
    return {digest for digest in digests if digest is not None}


def _sends_all(lock: Lock, where: Where) -> bool:
    """Say whether every row of the data set, or of a category, is sent."""
    encoded = {row["id"] for row in lock.prompts["conversations"]}
    asked = {
        row["id"]
        for row in lock.prompts["conversations"]
        if where.get("category") in (None, row["category"])
    }
    is_whole = encoded >= {row["id"] for row in lock.dataset["rows"]}
    return is_whole and asked <= {*lock.points["conversations"]}


def _counts(lock: Lock) -> set[int]:
    return {variant.lock.hardware["count"] for variant in lock.variants_in_full()}


def _listed(values: set[str] | set[int]) -> str:
    return " and ".join(sorted(map(str, values))) or "what nobody could look at"
