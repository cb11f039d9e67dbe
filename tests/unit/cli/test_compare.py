"""`specseal compare` and `specseal cite`, as a user calls them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import locks
from attacks.builder import NOW, SPEC, GoodBundle, inputs_of, make_run
from specseal.bundle import seal
from specseal.cli.main import group
from specseal.errors import AnswerIsNo, InputError, VerificationFailed
from specseal.spec import parse_spec


@pytest.fixture(scope="module")
def longer(good: GoodBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle like the good one, but for longer answers: not comparable with it."""
    folder = tmp_path_factory.mktemp("longer")
    spec = SPEC.replace(b"max_tokens: 8", b"max_tokens: 9")
    parsed = parse_spec(spec, path="spec.yaml")
    lock = locks.make_lock(
        spec={"name": parsed.name, "sha256": parsed.digest}, sampling={"max_tokens": 9}
    )
    inputs = inputs_of(spec, lock, make_run(lock), folder)
    return seal(inputs, folder / "bundle", signer=good.signer, now=NOW)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(one) for one in arguments])


def test_bundle_beside_itself_is_the_same_and_the_exit_code_is_0(good: GoodBundle) -> None:
    done = call("compare", good.path, good.path)
    assert done.exit_code == 0
    first, second = done.output.splitlines()[:2]
    assert first.endswith(": same recipe")
    assert second.startswith("prompts (token ids): equal (")


def test_bundles_are_called_by_their_place_where_nothing_else_tells_them_apart(
    good: GoodBundle,
) -> None:
    document = json.loads(call("compare", good.path, good.path, "--json").output)
    digits = good.contents.manifest[:12]
    assert [one["name"] for one in document["bundles"]] == [f"1: {digits}", f"2: {digits}"]


def test_what_is_not_comparable_says_which_field_and_ends_with_1(
    good: GoodBundle, longer: Path
) -> None:
    done = call("compare", good.path, longer)
    assert isinstance(done.exception, AnswerIsNo)
    assert done.exception.exit_code == 1
    assert "not comparable: sampling.max_tokens" in done.output
    assert "speedup" not in done.output


def test_figures_of_what_is_not_comparable_are_shown_with_anyway(
    good: GoodBundle, longer: Path
) -> None:
    done = call("compare", good.path, longer, "--anyway")
    assert isinstance(done.exception, AnswerIsNo)
    assert "speedup user" in done.output


@pytest.mark.parametrize("form", ["simple", "github", "latex", "csv"])
def test_every_format_has_the_figures(good: GoodBundle, form: str) -> None:
    done = call("compare", good.path, good.path, "--format", form, "--by", "category", "--wide")
    assert done.exit_code == 0
    assert "coding" in done.output


def test_hardware_is_compared_with_prices(good: GoodBundle) -> None:
    done = call(
        "compare", good.path, good.path, "--hardware", "--price", "cpu=0.5", "--format", "csv"
    )
    assert done.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(done.output)))
    dollars = [row for row in rows if row["metric"] == "output_tokens_per_dollar"]
    tokens = [row for row in rows if row["metric"] == "output_tps"]
    assert [float(row["value"]) for row in dollars] == pytest.approx(
        [float(row["value"]) * 3600 / 0.5 / 1e6 for row in tokens]
    )
    document = json.loads(call("compare", good.path, good.path, "--hardware", "--json").output)
    assert len(document["points"]) == 8


@pytest.mark.parametrize("price", ["cpu", "cpu=", "cpu=free", "cpu=-1", "cpu=nan", "=2", "cpu=0"])
def test_price_that_is_none_is_refused(good: GoodBundle, price: str) -> None:
    done = call("compare", good.path, good.path, "--hardware", "--price", price)
    assert done.exit_code == 2
    assert "write NAME=DOLLARS, each name once, dollars an hour above 0" in " ".join(
        done.output.split()
    )


def test_second_price_of_one_name_is_refused(good: GoodBundle) -> None:
    done = call("compare", good.path, good.path, "--hardware", "--price=cpu=1", "--price=cpu=2")
    assert done.exit_code == 2
    assert "each name once" in done.output


@pytest.mark.parametrize(
    "options",
    [
        ("--price", "cpu=1"),
        ("--precision", "fp8"),
        ("--hardware", "--metric", "ttft_p50"),
        ("--hardware", "--by", "category"),
        ("--hardware", "--wide"),
        ("--metric", "ttft_p50", "--wide"),
    ],
)
def test_option_that_would_do_nothing_is_refused(
    good: GoodBundle, options: tuple[str, ...]
) -> None:
    done = call("compare", good.path, good.path, *options)
    assert done.exit_code == 2
    assert all(one in done.output for one in options if one.startswith("--"))


def test_one_bundle_alone_is_for_show(good: GoodBundle) -> None:
    done = call("compare", good.path)
    assert done.exit_code == 2
    assert "specseal show" in done.output


def test_metric_that_is_none_is_refused(good: GoodBundle) -> None:
    done = call("compare", good.path, good.path, "--metric", "ttft")
    assert isinstance(done.exception, InputError)


def test_altered_bundle_is_not_compared(good: GoodBundle, bundle: Path) -> None:
    (bundle / "lock.json").write_bytes(b"{}")
    done = call("compare", good.path, bundle)
    assert isinstance(done.exception, VerificationFailed)
    assert done.output == ""


def test_citation_has_the_digest_and_names_the_key(good: GoodBundle) -> None:
    lines = call("cite", good.path).output.splitlines()
    manifest = good.contents.manifest
    assert lines[0] == f"sha256:{manifest}"
    assert lines[2] == f"@misc{{specseal-tiny-{manifest[:12]},"
    assert (
        f"  author       = {{{{holder of the key sha256:{good.signer.public.digest}}}}}," in lines
    )
    assert "  year         = {2026}," in lines
    document = json.loads(call("cite", good.path, "--json").output)
    assert (document["bundle"], document["doi"]) == (manifest, None)
    assert document["bibtex"] == "\n".join(lines[2:])


def test_citation_has_the_doi_that_an_archive_gave(good: GoodBundle) -> None:
    done = call("cite", good.path, "--doi", "https://doi.org/10.5281/zenodo.7")
    assert "  doi          = {10.5281/zenodo.7}," in done.output
    refused = call("cite", good.path, "--doi", "10.5281/}zenodo")
    assert isinstance(refused.exception, InputError)


def test_altered_bundle_is_not_cited(bundle: Path) -> None:
    (bundle / "spec.yaml").write_bytes(b"")
    assert isinstance(call("cite", bundle).exception, VerificationFailed)
