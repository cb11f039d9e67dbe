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

_BRACES = str.maketrans({"{": "\N{LEFT CURLY BRACKET ORNAMENT}", "}": "\N{RIGHT CURLY BRACKET ORNAMENT}"})
_IN_BIBTEX = {
    "\N{LEFT CURLY BRACKET ORNAMENT}": r"{\textbraceleft}",
    "\N{RIGHT CURLY BRACKET ORNAMENT}": r"{\textbraceright}",
}
"""BibTeX counts braces, and those after a backslash, too: they must come in pairs."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DOI = re.compile(r"10\.[0-9]{4,9}/[^\s{}%\\#]+")
"""Source: DOI Handbook, section 2.2; what BibTeX or LaTeX would misread is refused."""
