"""Contents signed by the trusted key, and made to break their reader, or to keep it busy for ever.

No test here waits: what would take for ever is refused by a bound, and the bound is what is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import SPEC, GoodBundle, codes
from attacks.test_contents import edit
from specseal.bundle import strict
from specseal.errors import SpecError
from specseal.json_schema import MAX_ERRORS, MAX_EXPLAINED
from specseal.spec import parse_spec
from specseal.spec.document import MAX_EVENTS
from specseal.spec.schema import MAX_FINDINGS

Change = Callable[[dict[str, Any]], None]


# What the schemas let through, and nothing can be made of


def metrics_of_no_method(result: dict[str, Any]) -> None:
    for metric in result["metrics"]:
        metric["where"].pop("speculation", None)


def failure_of_a_repeat(repeat: Any) -> Change:
    def change(result: dict[str, Any]) -> None:
        where = {"speculation": "ngram", "draft_length": 2, "job": "key"}
        if repeat is not None:
            where["repeat"] = repeat
        result["failures"] = [{"where": where, "missing": [], "reason": "it failed"}]

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("result.json", metrics_of_no_method),
        ("result.json", failure_of_a_repeat(None)),
        ("result.json", failure_of_a_repeat("first")),
    ],
)
def test_contents_of_which_no_text_can_be_made_are_refused(
    good: GoodBundle, bundle: Path, name: str, change: Change
) -> None:
    edit(bundle / name, change)
    good.sign_as_is(bundle)
    report = good.verify(bundle)
    assert "texts.impossible" in codes(report), report.to_text()
    assert not report.intact


@pytest.mark.parametrize(
    ("module", "name", "code"),
    [
        ("verify", "read_contents", "schemas.impossible"),
        ("recompute", "sboms_against_environment", "schemas.sbom"),
        ("verify", "check_texts", "texts.impossible"),
        ("recompute", "run_against_plan", "recompute.impossible"),
    ],
)
def test_whatever_contents_make_their_readers_raise_is_a_no(
    good: GoodBundle, monkeypatch: pytest.MonkeyPatch, module: str, name: str, code: str
) -> None:
    """What nobody has thought of: the reader of each file raises what it does not say it does."""

    def fail(*args: object, **kwargs: object) -> None:
        raise KeyError("what nobody has thought of")

    monkeypatch.setattr(import_module(f"specseal.bundle.{module}"), name, fail)
    report = good.verify(good.path)
    assert codes(report) == {code}
    assert not report.intact


def test_environment_that_has_rendered_texts_and_no_times_is_refused(
    good: GoodBundle, bundle: Path
) -> None:
    edit(bundle / "environment.json", lambda environment: environment.pop("started"))
    good.sign_as_is(bundle)
    assert codes(good.verify(bundle)) == {"schemas.environment"}


# What is wrong in more places than anybody could be told


@pytest.mark.parametrize("places", [MAX_ERRORS + 10, MAX_EXPLAINED + 10])
def test_result_that_is_wrong_everywhere_is_refused_for_the_first_few_of_it(
    good: GoodBundle, bundle: Path, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(strict, "relevance", lambda error: made.append(error) or len(made))
    edit(bundle / "result.json", lambda result: result.update(metrics=[0] * places))
    good.sign_as_is(bundle)
    assert codes(good.verify(bundle)) == {"schemas.result"}
    assert 0 < len(made) <= MAX_ERRORS


def test_spec_that_is_wrong_everywhere_is_refused_for_the_first_of_it() -> None:
    unknown = "".join(f"x{number}: 1\n" for number in range(2 * MAX_FINDINGS))
    with pytest.raises(SpecError) as caught:
        parse_spec(SPEC + unknown.encode(), path="spec.yaml")
    assert len(caught.value.problems) <= MAX_FINDINGS


def test_spec_of_more_values_than_any_has_is_not_read_to_its_end() -> None:
    levels = ",".join(["x"] * MAX_EVENTS)
    spec = SPEC.replace(b"[1, 2]", f"[{levels}]".encode())
    with pytest.raises(SpecError, match="has more than 20,000 keys and values"):
        parse_spec(spec, path="spec.yaml")
