"""`specseal claims from`: a bundle's figures as claims of a second spec."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from attacks.builder import NOW, SPEC, GoodBundle, alter_records, inputs_of
from specseal.analysis.outputs import outputs_digest
from specseal.bundle import CLAIMED, Contents, claim_results, open_bundle, seal
from specseal.cli import claims
from specseal.engines import CAPABILITIES
from specseal.errors import InputError, VerificationFailed
from specseal.spec import load_spec, parse_spec
from specseal.spec.figures import whole_where

REPOSITORY = Path(__file__).parents[3]
REFERENCES = sorted((REPOSITORY / "artifacts" / "reference").glob("*/*/MANIFEST.sha256"))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(claims.command, ["from", *map(str, arguments)])


@pytest.fixture(scope="module")
def quickstart() -> Contents:
    """The reference bundle of specs/quickstart.yaml."""
    (manifest,) = [path for path in REFERENCES if path.parent.parent.name == "quickstart"]
    return open_bundle(manifest.parent)


def test_valid_lengths_by_category_and_over_all_and_outputs_at_one_are_claimed(
    quickstart: Contents,
) -> None:
    claimed = claim_results(quickstart).claims
    told = [(one.metric, one.where) for one in claimed]
    lengths = {"speculation": "ngram", "draft_length": 4}
    categories = ("humanities", "math", "multilingual", "rag", "stem", "summarization")
    by_category = [{**lengths, "category": category} for category in categories]
    for metric in ("acceptance_length", "acceptance_length_harness"):
        of_metric = [where for name, where in told if name == metric]
        assert of_metric == [lengths, *by_category]
    assert [where for name, where in told if name == "outputs"] == [
        {"speculation": "none", "concurrency": 1},
        {**lengths, "concurrency": 1},
    ]
    assert {metric for metric, _ in told} <= set(CLAIMED)


def test_each_claim_is_the_figure_of_the_bundle_and_says_of_what_inputs(
    quickstart: Contents,
) -> None:
    contents = quickstart
    spec = parse_spec(claim_results(contents).text.encode(), path="x")
    known = {
        (one.name, json.dumps(one.where, sort_keys=True)): one for one in contents.result.metrics
    }
    for claim in spec.claims:
        (where,) = whole_where(claim, spec)
        if claim.metric == "outputs":
            assert claim.sha256 == outputs_digest(contents.run, where)
        else:
            metric = known[claim.metric, json.dumps(where, sort_keys=True)]
            assert (claim.value, metric.valid) == (metric.value, True)
        assert claim.source.title == contents.spec.title
        assert claim.source.bundle == contents.manifest
        assert claim.source.inputs == contents.lock.input_digests()
        assert claim.tolerance is None


def test_second_spec_asks_for_the_same_and_keeps_every_word(good: GoodBundle) -> None:
    text = claim_results(good.contents).text
    assert text.startswith(SPEC.decode())
    assert parse_spec(text.encode(), path="x").digest == good.contents.spec.digest


WITHOUT_OUTPUTS = {"draft-length"}
"""In it one answer, in Hindi, breaks off within a letter: its ids are not known, in no launch."""


@pytest.mark.parametrize("manifest", REFERENCES, ids=lambda path: path.parent.parent.name)
def test_claims_of_a_reference_bundle_make_a_valid_spec(manifest: Path, tmp_path: Path) -> None:
    bundle, path = manifest.parent, tmp_path / "again.yaml"
    done = call(bundle, "--output", path)
    assert (done.exit_code, done.stdout) == (0, f"{path}\n")
    spec = load_spec(path, capabilities=CAPABILITIES)
    claimed = {claim.metric for claim in spec.claims}
    assert "acceptance_length_drafted" in claimed
    assert ("outputs" in claimed) is (bundle.parent.name not in WITHOUT_OUTPUTS)
    assert ("left out: outputs, 5 figures: no one output" in done.stderr) is (
        "outputs" not in claimed
    )
    kept = (line for line in (bundle / "spec.yaml").read_text("utf-8").splitlines() if "#" in line)
    assert set(kept) <= set(path.read_text("utf-8").splitlines())


def test_what_is_not_claimed_is_told_with_the_reason(good: GoodBundle) -> None:
    done = call(good.path, "--metric", "acceptance_length_drafted", "--json")
    document = json.loads(done.stdout)
    (left_out,) = [one for one in document["left_out"] if "only for a whole phase" in one["reason"]]
    assert left_out["metric"] == "acceptance_length_drafted"
    assert [where["category"] for where in left_out["where"]] == ["coding", "math"]
    assert "left out: acceptance_length_drafted, 2 figures: The engine tells drafts" in done.stderr
    assert {claim["metric"] for claim in document["claims"]} == {"acceptance_length_drafted"}
    assert parse_spec(document["spec"].encode(), path="x").claims


def test_file_that_is_there_stays(good: GoodBundle, tmp_path: Path) -> None:
    path = tmp_path / "again.yaml"
    path.write_text("mine", encoding="utf-8")
    done = call(good.path, "--output", path)
    assert isinstance(done.exception, InputError)
    assert "there is something already" in str(done.exception)
    assert path.read_text(encoding="utf-8") == "mine"


def test_json_names_the_file_that_was_written(good: GoodBundle, tmp_path: Path) -> None:
    path = tmp_path / "again.yaml"
    document = json.loads(call(good.path, "--output", path, "--json").stdout)
    assert document["path"] == str(path)
    assert "spec" not in document
    assert document["replaced"] == 0
    assert path.read_text(encoding="utf-8") == claim_results(good.contents).text


def test_bundle_that_is_not_intact_gives_no_claims(bundle: Path) -> None:
    (bundle / "spec.yaml").write_bytes(SPEC + b"# more\n")
    done = call(bundle)
    assert isinstance(done.exception, VerificationFailed)
    assert done.stdout == ""


def sealed(good: GoodBundle, folder: Path, spec: bytes, **changes: Any) -> Path:
    run = changes.get("run", good.inputs.run)
    inputs = inputs_of(spec, good.inputs.lock, run, folder)
    return seal(inputs, folder / "sealed", signer=good.signer, now=NOW)


def test_claims_that_the_spec_had_are_replaced_and_that_is_told(
    good: GoodBundle, tmp_path: Path
) -> None:
    source = "source: {title: A paper, definition: tokens a step}"
    old = f"claims:\n  - {{metric: acceptance_length, value: 9.75, {source}}}\n"
    done = call(sealed(good, tmp_path, SPEC + old.encode()))
    assert "replaced: the claims that the bundle's spec had (1)" in done.stderr
    spec = parse_spec(done.stdout.encode(), path="x")
    assert 9.75 not in {claim.value for claim in spec.claims}


def test_outputs_whose_ids_are_not_known_are_not_claimed(good: GoodBundle, tmp_path: Path) -> None:
    run = alter_records(good.inputs.run, lambda one: replace(one, output_ids=None))
    contents = open_bundle(sealed(good, tmp_path, SPEC, run=run))
    with pytest.raises(InputError, match="there is nothing to claim: outputs: no one output"):
        claim_results(contents, ["outputs"])
