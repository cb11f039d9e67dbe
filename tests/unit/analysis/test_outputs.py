"""One digest of all that was generated: what it is of, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from specseal.analysis import RunData
from specseal.analysis.outputs import ids_sha256, outputs_digest
from specseal.bundle.withheld import withhold_ids
from specseal.digests import sha256_value
from specseal.records import Load
from unit.analysis.builders import baseline, failed, job, phase, plain, record, run

NGRAM = {"speculation": "ngram", "concurrency": 1}


def of(*records: object, **changes: object) -> RunData:
    return run(job(phase(records, **changes)))  # type: ignore[arg-type]


def test_digest_is_of_input_conversation_turn_and_the_hash_of_the_ids() -> None:
    digest = outputs_digest(of(record("q2"), record("q1", 1), record("q1", 0)), NGRAM)
    ids = ids_sha256((7, 8, 9, 10))
    turns = [["dataset", "q1", 0, ids], ["dataset", "q1", 1, ids], ["dataset", "q2", 0, ids]]
    assert digest == sha256_value(turns)


def test_ids_that_are_withheld_give_the_same_digest() -> None:
    whole = of(record("q1"), record("q2"))
    assert outputs_digest(withhold_ids(whole), NGRAM) == outputs_digest(whole, NGRAM) is not None


def test_one_other_id_gives_another_digest() -> None:
    one = outputs_digest(of(record(output_ids=(7, 8, 9, 10))), NGRAM)
    assert one != outputs_digest(of(record(output_ids=(7, 8, 9, 11))), NGRAM)


def test_speculation_that_generates_what_the_baseline_does_has_its_digest() -> None:
    both = run(baseline(phase([plain()])), job(phase([record()])))
    assert outputs_digest(both, NGRAM) == outputs_digest(both, {"speculation": "none"})


def test_launches_and_sendings_that_agree_have_one_digest() -> None:
    twice = run(job(phase([record()])), job(phase([record(), record(cycle=1)]), repeat=1))
    assert outputs_digest(twice, NGRAM) == outputs_digest(of(record()), NGRAM)


OTHER = record(output_ids=(7, 8, 9, 11))
NONE = {
    "launches differ": run(job(phase([record()])), job(phase([OTHER]), repeat=1)),
    "sendings differ": of(record(), replace(OTHER, cycle=1)),
    "levels differ": run(job(phase([record()]), phase([OTHER], concurrency=4))),
    "a request failed": of(record("q1"), failed("q2")),
    "ids are not known": of(record(output_ids=None)),
    "outputs are sampled": of(record(), temperature=0.5),
    "nothing was measured there": run(baseline(phase([plain()]))),
    "no request was sent": of(),
}


@pytest.mark.parametrize("why", NONE)
def test_there_is_none_where(why: str) -> None:
    assert outputs_digest(NONE[why], {"speculation": "ngram"}) is None


def test_only_what_is_asked_for_counts() -> None:
    different = run(
        job(phase([record()]), phase([OTHER], concurrency=4), phase([OTHER], input="random")),
        job(phase([OTHER], setting={"engine.dtype": "float32"})),
        job(phase([OTHER]), draft_length=2),
        job(phase([OTHER], load=Load(mode="burst", concurrency=1))),
    )
    where = {**NGRAM, "input": "dataset", "draft_length": 4, "workload.load.mode": "closed"}
    assert outputs_digest(different, where) is None
    kept = replace(different, jobs=(different.jobs[0], *different.jobs[2:]))
    assert outputs_digest(kept, where) == outputs_digest(of(record()), NGRAM)


def test_category_can_be_asked_for() -> None:
    mixed = of(record("q1"), replace(OTHER, conversation="q2", category="math"))
    assert outputs_digest(mixed, {"category": "coding"}) == outputs_digest(of(record()), NGRAM)
