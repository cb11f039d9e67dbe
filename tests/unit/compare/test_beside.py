"""Which figures of two results stand beside each other."""

from __future__ import annotations

from specseal.analysis import Metric, Result
from specseal.compare import Side
from specseal.compare.beside import beside
from unit.compare.small import make_side, metric


def side(name: str, *metrics: Metric) -> Side:
    return make_side(name, result=Result(analysis_version=2, metrics=metrics))


def length(**where: str | float | bool) -> Metric:
    return metric("acceptance_length", 2.0, **where)


def test_the_same_way_of_drafting_stands_beside_itself() -> None:
    found = beside(side("A", length()), side("B", length()))
    assert (found.other, found.alone) == (None, ())
    assert found.seen_as(length().where) == length().where


def test_the_one_other_drafter_stands_beside_the_one_of_the_first() -> None:
    other = length(speculation="eagle3", draft_length=3)
    found = beside(side("A", length()), side("B", other))
    assert found.other == (("ngram", 2), ("eagle3", 3))
    assert found.seen_as(other.where) == length().where
    assert found.told_as(length().where) == other.where


def test_the_baseline_stands_beside_the_baseline() -> None:
    baseline = {"speculation": "none", "input": "dataset", "concurrency": 1}
    found = beside(side("A", length()), side("B", length(speculation="eagle3")))
    assert (found.seen_as(baseline), found.told_as(baseline)) == (baseline, baseline)


def test_what_both_have_leaves_the_one_other_of_each() -> None:
    first = side("A", length(), length(draft_length=4))
    second = side("B", length(), length(draft_length=8))
    assert beside(first, second).other == (("ngram", 4), ("ngram", 8))


def test_nothing_is_chosen_among_several_ways_of_drafting() -> None:
    several = (length(draft_length=4), length(draft_length=8))
    found = beside(side("A", length()), side("B", *several))
    assert found.other is None
    assert found.alone == (
        "only A drafts by ngram 2: nothing stands beside that",
        "only B drafts by ngram 4, ngram 8: nothing stands beside that",
    )


def test_load_level_that_only_one_has_is_named() -> None:
    first = side("A", length(), length(concurrency=4))
    second = side("B", length(), length(concurrency=16), length(concurrency=8))
    assert beside(first, second).alone == (
        "only A has concurrency 4",
        "only B has concurrency 8, 16",
    )


def test_value_of_a_sweep_that_only_one_has_is_named() -> None:
    swept = length(**{"drafter.args.kind": "simple"})
    found = beside(side("A", swept), side("B", length()))
    assert found.alone == ("only A has drafter.args.kind simple",)
