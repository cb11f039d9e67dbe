"""What was generated, as one digest: two runs of the same prompts that agree in it agree in all.

Works the same on ids, and on their hashes where a data set's licence keeps the ids themselves out
of a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from specseal.analysis.data import JobData, PhaseData, RunData
from specseal.analysis.facts import BASELINE
from specseal.analysis.phases import LOAD_SETTINGS
from specseal.analysis.result import Where
from specseal.analysis.selection import load_where
from specseal.digests import Digest, sha256_bytes, sha256_value
from specseal.record_table import OUTPUT_SHA256, table_of

OUTPUTS_DEFINITION = (
    "SHA-256 of the canonical JSON of the sorted list of [input, conversation, turn, SHA-256 of "
    "the generated ids as JSON without spaces]"
)
Turn = tuple[str, str, int]
"""Input, conversation and turn."""


def outputs_digest(run: RunData, where: Where) -> Digest | None:
    """Return the digest (`OUTPUTS_DEFINITION`) of what was generated in one figure of a run.

    Returns None where there is no one such output: nothing was measured there, a temperature is not
    0, a request failed or its ids are not known, or launches differ in what they generated.

    Args:
        run: with ids or with their hashes.
        where: keys as of a metric; what is left out is over all of it.
    """
    found = {}
    for turn, answers in outputs_of(run, where).items():
        if len(answers) > 1 or None in answers:
            return None
        found[turn] = next(iter(answers))
    if not found or not is_greedy(run, where):
        return None
    return sha256_value(sorted([*turn, generated] for turn, generated in found.items()))


def outputs_of(run: RunData, where: Where) -> dict[Turn, set[Digest | None]]:
    """Return what was generated in each turn of one figure of a run: the SHA-256 of its ids.

    Several, where launches or load levels differ; None among them where a request failed, or where
    its ids are not known.
    """
    found: dict[Turn, set[Digest | None]] = {}
    for phase in _phases(run, where):
        for turn, generated in _generated(phase, where.get("category")):
            found.setdefault(turn, set()).add(generated)
    return found


def is_greedy(run: RunData, where: Where) -> bool:
    """Say whether the temperature was 0 in all of a figure of a run."""
    return all(phase.temperature == 0 for phase in _phases(run, where))


def ids_sha256(ids: Sequence[int]) -> Digest:
    """Return the SHA-256 of generated ids as JSON without spaces, as it stands in for them."""
    return sha256_bytes(json.dumps(list(ids), separators=(",", ":")).encode())


def _phases(run: RunData, where: Where) -> Iterator[PhaseData]:
    asked = {key: value for key, value in where.items() if key != "category"}
    for job in run.jobs:
        for phase in job.phases:
            if asked.items() <= _where(job, phase).items():
                yield phase


def _where(job: JobData, phase: PhaseData) -> Where:
    """Return all that a figure of the phase may have in its `where`, but for a category."""
    where: Where = {"speculation": job.speculation, "input": phase.input, **phase.setting}
    if job.speculation != BASELINE:
        where["draft_length"] = job.draft_length
    for key in LOAD_SETTINGS:
        if (value := getattr(phase.load, key)) is not None:
            where[f"workload.load.{key}"] = value
    return where | load_where(phase.load)


def _generated(phase: PhaseData, category: object) -> Iterator[tuple[Turn, Digest | None]]:
    """Yield each turn and the hash of its ids, None where it failed or nobody knows them."""
    table = table_of(phase.records)
    ids, hashes = table.lists["output_ids"], table.texts[OUTPUT_SHA256]
    completed = table.completed.tolist()
    for row, (conversation, _, turn) in enumerate(table.turn_keys()):
        if category not in (None, table.texts["category"][row]):
            continue
        known, withheld = ids[row], hashes[row]
        digest = None if withheld is None else Digest(withheld)
        if known is not None:
            digest = ids_sha256(known)
        yield (phase.input, conversation, turn), digest if completed[row] else None
