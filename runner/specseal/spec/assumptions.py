"""What a spec assumes where the source of its claims says nothing: sentences by path."""

from __future__ import annotations

from collections.abc import Iterator

from specseal.spec.document import Document, Finding
from specseal.spec.sweep import wrong_path


def assumptions_are_of_paths(document: Document) -> Iterator[Finding]:
    """Yield where an assumption is about nothing that a spec says."""
    assumptions = document.at("assumptions")
    for path in assumptions if isinstance(assumptions, dict) else ():
        if wrong := wrong_path(path):
            yield document.at_key(("assumptions", path), wrong)
