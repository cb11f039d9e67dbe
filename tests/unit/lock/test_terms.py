"""The terms of SPEED-Bench and its sources are accepted once, and again when they are others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from specseal.lock import accept_terms, are_terms_accepted, shown_terms, terms
from specseal.lock.terms import TERMS, Terms
from specseal.settings import Settings

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache", config_dir=tmp_path / "config", runs_dir=tmp_path,
        signing_key=tmp_path / "key",
    )  # fmt: skip


def test_nothing_is_accepted_at_first_and_acceptance_is_remembered(site: Settings) -> None:
    assert not are_terms_accepted(site)
    accept_terms(site, now=NOW)
    assert are_terms_accepted(site)


def test_other_terms_than_those_accepted_are_to_be_asked_for(
    site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept_terms(site, now=NOW)
    more = (*TERMS, Terms(data="one more source", terms="its own"))
    monkeypatch.setattr(terms, "TERMS", more)
    assert not are_terms_accepted(site)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"terms_sha256": null}'])
def test_note_that_says_nothing_is_no_acceptance(text: str, site: Settings) -> None:
    accept_terms(site, now=NOW)
    (note,) = site.config_dir.iterdir()
    note.write_text(text)
    assert not are_terms_accepted(site)


def test_every_source_is_listed_with_its_terms() -> None:
    shown = shown_terms()
    assert "NVIDIA Evaluation Dataset License Agreement" in shown
    assert all(one.data in shown and one.terms in shown for one in TERMS)
