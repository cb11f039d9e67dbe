"""Claims written into a spec's text: what stays of it, and that it reads back the same."""

import pytest

from specseal.errors import InputError
from specseal.spec import Claim, ClaimSource, Tolerance, parse_spec
from specseal.spec.claim_text import with_claims

SHA = "1" * 64
CLAIMS = (
    Claim(
        metric="acceptance_length",
        where={"speculation": "ngram", "draft_length": 4, "category": "yes"},
        value=0.0000001,
        decimals=7,
        tolerance=Tolerance(absolute=0.5),
        source=ClaimSource(
            title='A "spec": of # ours',
            url="https://example.org/",
            table="table 1",
            definition="D ÷ S",
            bundle=SHA,
            inputs={"model": SHA, "client": "12e" + "4" * 61},
        ),
    ),
    Claim(
        metric="outputs",
        where={"speculation": "ngram", "concurrency": 1},
        sha256=SHA,
        source=ClaimSource(title="x", definition="y"),
    ),
)


@pytest.mark.parametrize(
    "before",
    ["claims: []\n", "", "claims:\n  # of old\n  - {metric: drafts}\n\n# the end\n", "claims:\n"],
)
def test_claims_read_back_the_same_and_all_else_stays(good, before):
    text = good.replace("claims: []\n", before).replace("baseline", "# What it beats.\nbaseline")
    written = with_claims(text, CLAIMS)
    assert parse_spec(written.encode(), path="x").claims == CLAIMS
    head = written.partition("\nclaims:\n")[0]
    kept = good.replace("claims: []\n", "# the end\n" if "# the end" in before else "")
    assert head.split() == kept.replace("baseline", "# What it beats.\nbaseline").split()


def test_what_follows_the_old_claims_stays_with_its_comments(good):
    middle = "claims:\n- {metric: drafts}\n\n# About the load.\nassumptions: {baseline: x}\n"
    written = with_claims(good.replace("claims: []\n", middle), CLAIMS)
    spec = parse_spec(written.encode(), path="x")
    assert (spec.claims, spec.assumptions) == (CLAIMS, {"baseline": "x"})
    assert "# About the load.\nassumptions: {baseline: x}\n\nclaims:\n" in written
    assert "drafts" not in written


@pytest.mark.parametrize("text", ["{name: x, title: y}", "  name: x\n  title: y\n"])
def test_text_whose_keys_do_not_begin_lines_is_refused(text):
    with pytest.raises(InputError, match="do not each begin a line"):
        with_claims(text, CLAIMS)
