"""Contents signed by the trusted key, and made to break their reader, or to keep it busy for ever.

No test here waits: what would take for ever is refused by a bound, and the bound is what is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import GoodBundle, codes
from attacks.test_contents import edit

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


def never_started(environment: dict[str, Any]) -> None:
    del environment["started"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("result.json", metrics_of_no_method),
        ("result.json", failure_of_a_repeat(None)),
        ("result.json", failure_of_a_repeat("first")),
        ("environment.json", never_started),
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
