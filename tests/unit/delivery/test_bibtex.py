"""A bundle as an entry of a bibliography."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.delivery import Cited, read_doi
from specseal.errors import InputError


def cited(**changes: object) -> Cited:
    fields: dict[str, object] = {
        "bundle": "a" * 64,
        "name": "quickstart",
        "title": "SmolLM2 on llama.cpp",
        "signer": "b" * 64,
        "signed": date(2026, 3, 1),
        "recipe": "c" * 64,
    }
    return Cited(**{**fields, **changes})


def test_entry_is_whole() -> None:
    assert cited(doi="10.5281/zenodo.7").to_bibtex().splitlines() == [
        "@misc{specseal-quickstart-aaaaaaaaaaaa,",
        "  title        = {{SmolLM2 on llama.cpp}},",
        f"  author       = {{{{holder of the key sha256:{'b' * 64}}}}},",
        "  year         = {2026},",
        "  month        = mar,",
        "  version      = {aaaaaaaaaaaa},",
        "  howpublished = {Sealed result of a specseal benchmark},",
        f"  note         = {{SHA-256 of MANIFEST.sha256: {'a' * 64}}},",
        "  doi          = {10.5281/zenodo.7},",
        "}",
    ]


def test_key_is_that_of_the_bundle_whatever_it_is_called() -> None:
    assert cited(title="another").key == cited().key
    assert cited(bundle="f" * 64).key != cited().key


@given(st.text())
def test_whatever_the_title_braces_come_in_pairs_and_nothing_ends_the_entry(title: str) -> None:
    entry = cited(title=title).to_bibtex()
    depth = 0
    for position, character in enumerate(entry):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth > 0 or position in range(entry.index("{")) or position == len(entry) - 1
    assert depth == 0
    assert len(entry.splitlines()) == 9


@pytest.mark.parametrize(
    ("title", "escaped"),
    [
        ("50% & more_", r"50\% \& more\_"),
        ("{x}", r"{\textbraceleft}x{\textbraceright}"),
        ("C:\\ $1 #2 ~ ^", r"C:\textbackslash{} \$1 \#2 \textasciitilde{} \^{}"),
        ("two\nlines", r"two\textbackslash{}nlines"),
    ],
)
def test_what_latex_would_obey_is_escaped(title: str, escaped: str) -> None:
    assert f"  title        = {{{{{escaped}}}}}," in cited(title=title).to_bibtex().splitlines()


@pytest.mark.parametrize(
    "text",
    ["10.5281/zenodo.7", "https://doi.org/10.5281/zenodo.7", "doi:10.5281/zenodo.7",
     "http://dx.doi.org/10.5281/zenodo.7"],
)  # fmt: skip
def test_doi_is_read_with_and_without_its_address(text: str) -> None:
    assert read_doi(text) == "10.5281/zenodo.7"


@pytest.mark.parametrize(
    "text", ["zenodo.7", "10.5281", "10.5281/a b", "10.5281/a}", "10.5281/a%b", "10.1/x", ""]
)
def test_what_is_no_doi_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no DOI"):
        read_doi(text)
