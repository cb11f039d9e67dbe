"""What a claim's spec asks for, against what another spec does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.compare.asked import another_question_asked, set_up_otherwise_asked
from specseal.spec import Spec, load_spec

PUBLISHED = sorted((Path(__file__).parents[3] / "specs" / "published").glob("*.yaml"))


def everywhere(spec: Spec, **changes: Any) -> Spec:
    """The spec with changes in each variant of its sweep, too."""
    variants = tuple(
        replace(variant, spec=replace(variant.spec, **changes)) for variant in spec.variants
    )
    return replace(spec, variants=variants, **changes)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_papers_claim_is_about_its_model_and_data_whatever_it_leaves_open(path: Path):
    of = load_spec(path)
    assert another_question_asked(of, of, known=()) == ()

    other = everywhere(of, model=replace(of.model, repo="somebody/another-model"))
    (said,) = another_question_asked(of, other, known=())
    assert said == f"model.repo: claimed {of.model.repo}, measured somebody/another-model"

    dataset = replace(of.workload.dataset, kind="hf", repo="somebody/another-set")
    other = everywhere(of, workload=replace(of.workload, dataset=dataset))
    said = another_question_asked(of, other, known=())
    assert {one.partition(":")[0] for one in said} >= {"workload.dataset.kind"}


def test_revision_that_a_paper_leaves_open_is_told_and_no_other_question():
    of = load_spec(PUBLISHED[0])
    assert "model.revision" in of.assumptions
    other = everywhere(of, model=replace(of.model, revision="b" * 40))
    assert another_question_asked(of, other, known=()) == ()
    (said,) = set_up_otherwise_asked(of, other, known=())
    assert said.startswith("model.revision: claimed ")
