"""Which figure a claim is of whose spec measures something else."""

from __future__ import annotations

import pytest

from specseal.analysis.result import Where
from specseal.compare.finding import Found, find
from specseal.engines import CAPABILITIES
from specseal.spec import Claim, ClaimSource, parse_spec
from unit.compare.sides import SPEC, side
from unit.compare.test_claims import launches

SWEEP = "sweep: {drafter.draft_length: [3, 5]}\n"


def found(where: Where, sweep: str = SWEEP) -> Found:
    """Look for a claim of a spec with a sweep in a result of draft length 3."""
    of = parse_spec(
        (SPEC.format(draft_length=3) + sweep).encode(), path="x", capabilities=CAPABILITIES
    )
    source = ClaimSource(title="A paper", definition="D ÷ S")
    claim = Claim(metric="acceptance_length", where=where, value=2.0, source=source)
    return find(claim, of, side("measured", launches(1, prompts=2, count=1)).result)


def test_claim_that_says_all_in_which_figures_of_its_spec_differ_is_of_one_figure() -> None:
    told = found({"draft_length": 7})
    assert told.other_drafting == ("drafter.draft_length: claimed 7, measured 3",)
    assert told.missing == ()


def test_load_is_named_as_it_is_written_in_a_spec() -> None:
    told = found({"draft_length": 3, "rate": 2.0}, sweep="")
    assert told.missing == ("workload.load.rate: claimed 2, measured nothing",)


@pytest.mark.parametrize(
    ("where", "sweep"),
    [
        ({}, SWEEP),
        ({"category": "poetry"}, SWEEP),
        ({"draft_length": 7}, "sweep: {drafter.args.ngram_min: [1, 3]}\n"),
    ],
)
def test_claim_that_may_be_of_several_figures_is_of_none(where: Where, sweep: str) -> None:
    told = found(where, sweep)
    assert told.metric is None
    assert told.missing == ("where: the claim does not say which figure it is of",)
