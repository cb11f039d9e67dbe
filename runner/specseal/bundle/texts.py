"""What a bundle says of itself in words: README, citation, licence and RO-Crate, held against it.

All of it is rendered from the other contents, so verifying renders it again and compares bytes.
`environment.json` names the version of what rendered them. The RO-Crate's renderers are all kept;
the other texts change with every turn of phrase, and are compared only where this version would
write them in the same words. Those of an earlier version are not compared, and that is said; of a
version that is not known nothing can be said, so it is refused. The first bundles, of the days
before there were RO-Crates, do not say what rendered them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from specseal.bundle import sbom
from specseal.bundle.contents import Described, render_texts
from specseal.bundle.crate import CRATE, render_crate
from specseal.bundle.findings import BundleBroken, Finding
from specseal.digests import Digest

TEXTS_VERSION = 1
"""Goes up with every change of a template, or of the table or the sentences in the README."""
CRATE_VERSION = 1
RENDERED = {"crate": CRATE_VERSION, "sboms": sbom.VERSION, "texts": TEXTS_VERSION}
"""As it stands in `environment.json`."""

_CRATES: dict[int, Callable[[Described, Mapping[str, Digest]], bytes]] = {1: render_crate}
_CODES = {
    "README.md": "texts.readme",
    "CITATION.cff": "texts.citation",
    "LICENSE": "texts.licence",
    CRATE: "texts.crate",
}
TEXTS = tuple(_CODES)
_LAST_OF_THE_FIRST = date(2026, 11, 25)
_UNTOLD_BY_THE_FIRST = ("started", "finished", "hardware")
"""What every later environment says."""


def is_of_the_first(environment: Mapping[str, Any], sealed: date) -> bool:
    """Say whether a bundle is one of the first, of which less is asked: they tell less.

    Leaving something out does not make a later one of it.

    Args:
        environment: what was found.
        sealed: when the result was signed.
    """
    return "hardware" not in environment and sealed <= _LAST_OF_THE_FIRST


def check_texts(files: Mapping[str, bytes], listed: Mapping[str, Digest], about: Described) -> str:
    """Render the texts again, and return a sentence that says which were compared.

    Args:
        files: bytes by path, as they were hashed.
        listed: digest of every file that the manifest lists.
        about: the contents.

    Raises:
        BundleBroken: a text is missing, is not what the contents give, or is of a version that is
            not known.
    """
    expected, left_out = _expected(about, listed)
    findings = [
        Finding(
            _CODES[path],
            f"{path}: {'is not what the other contents give' if path in files else 'missing'}",
        )
        for path, data in expected.items()
        if files.get(path) != data
    ]
    findings += _unknown(about, listed)
    if findings:
        raise BundleBroken(findings)
    said = [f"{', '.join(expected)}: as the other contents give them"] if expected else []
    return "; ".join([*said, *left_out])


def _expected(about: Described, listed: Mapping[str, Digest]) -> tuple[dict[str, bytes], list[str]]:
    """Return what this version can render again, and a sentence for each thing that it can't."""
    rendered: Mapping[str, Any] = about.environment.get("rendered", {})
    expected: dict[str, bytes] = {}
    left_out: list[str] = []
    if rendered.get("texts") == TEXTS_VERSION:
        expected |= render_texts(about)
    else:
        left_out.append("README.md, CITATION.cff and LICENSE are not compared: another version's")
    if crate := _CRATES.get(rendered.get("crate", 0)):
        expected[CRATE] = crate(about, listed)
    else:
        left_out.append(f"there is no {CRATE}")
    return expected, left_out


def _unknown(about: Described, listed: Mapping[str, Digest]) -> list[Finding]:
    """Return a finding for each version that this reader can't have: a later one, or none."""
    environment = about.environment
    rendered: Mapping[str, Any] | None = environment.get("rendered")
    if rendered is None:
        is_first = (
            CRATE not in listed
            and is_of_the_first(environment, about.date)
            and not any(name in environment for name in _UNTOLD_BY_THE_FIRST)
        )
        text = "environment.json: rendered is missing: what the texts should say is not known"
        return [] if is_first else [Finding("texts.version", text)]
    known = {"texts": range(1, TEXTS_VERSION + 1), "crate": _CRATES}
    return [
        Finding(
            "texts.version",
            f"environment.json: rendered.{name} is {rendered[name]}; this version of specseal "
            f"reads {', '.join(map(str, versions))}",
        )
        for name, versions in known.items()
        if rendered[name] not in versions
    ]
