"""A bundle as an entry of a bibliography."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from specseal.digests import Digest
from specseal.drawing import latex_text
from specseal.errors import InputError
from specseal.words import printable

_BRACES = {"{": r"{\textbraceleft}", "}": r"{\textbraceright}"}
"""BibTeX counts braces, those after a backslash too: each must come in a pair."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DOI = re.compile(r"10\.[0-9]{4,9}/[^\s{}%\\#~]+")
"""Source: DOI Handbook, section 2.2. What BibTeX or LaTeX would misread is refused."""
_WIDTH = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """What is known of a bundle that someone cites."""

    bundle: Digest
    """Its identity: SHA-256 of MANIFEST.sha256."""
    name: str
    """Of the spec."""
    title: str
    """Of the spec."""
    signer: Digest
    """Of the key that signed the result."""
    signed: date
    recipe: Digest
    doi: str | None = None
    """What an archive gave it: no bundle knows its own."""

    @property
    def key(self) -> str:
        """The entry's key: the same of one bundle, and of no other."""
        return f"specseal-{self.name}-{self.bundle[:12]}"

    def to_bibtex(self) -> str:
        """Return an entry that BibTeX and Biber read."""
        fields = {
            # Braces within keep a style from changing the case.
            "title": f"{{{_escaped(self.title)}}}",
            "author": f"{{holder of the key sha256:{self.signer}}}",
            "year": str(self.signed.year),
            "version": self.bundle[:12],
            "howpublished": "Sealed result of a specseal benchmark",
            "note": f"SHA-256 of MANIFEST.sha256: {self.bundle}",
        }
        if self.doi:
            fields["doi"] = self.doi
        lines = [f"  {name:<{_WIDTH}}= {{{value}}}," for name, value in fields.items()]
        lines.insert(3, f"  {'month':<{_WIDTH}}= {_MONTHS[self.signed.month - 1]},")
        return "\n".join([f"@misc{{{self.key},", *lines, "}"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            **asdict(self),
            "signed": self.signed.isoformat(),
            "key": self.key,
            "bibtex": self.to_bibtex(),
        }


def read_doi(text: str) -> str:
    """Read a DOI, with or without the address that resolves it.

    Raises:
        InputError: it is none.
    """
    doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", text, flags=re.IGNORECASE)
    if not _DOI.fullmatch(doi):
        raise InputError(f"{printable(text)}: is no DOI", mend="give it as 10.5281/zenodo.1234567")
    return doi


def _escaped(text: str) -> str:
    return "".join(_BRACES.get(character) or latex_text(character) for character in printable(text))
