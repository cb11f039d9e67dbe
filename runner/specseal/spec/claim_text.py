"""Write claims into the text of a spec, which stays as it is otherwise, with its comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from specseal.errors import InputError
from specseal.spec.document import Document, read_document
from specseal.spec.model import Claim

_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def with_claims(text: str, claims: Iterable[Claim]) -> str:
    """Return a spec's text with these claims at its end, in the place of those it has.

    Raises:
        InputError: its keys do not stand in lines of their own.
        SpecError: it is no YAML.
    """
    document = read_document(text.encode(), path="spec.yaml")
    lines = text.splitlines(keepends=True)
    starts = sorted(place[0] for place in _tops(document).values())
    if len(set(starts)) != len(starts) or any(
        column != 1 for _, column in _tops(document).values()
    ):
        raise InputError(
            "the keys of the bundle's spec do not each begin a line, so that none can be replaced",
            mend="write the claims by hand",
        )
    first = _tops(document).get("claims")
    if first is not None:
        after = next((line for line in starts if line > first.line), len(lines) + 1)
        end = after - 1
        while end > first.line and (not lines[end - 1].strip() or lines[end - 1][0] == "#"):
            end -= 1  # what stands before the next key is about that key
        del lines[first.line - 1 : end]
    head = "".join(lines).rstrip("\n")
    return "\n".join((head, "", "claims:", *(line for one in claims for line in _claim(one)), ""))


def _tops(document: Document) -> dict[str, Any]:
    return {str(place[0]): at for place, at in document.keys.items() if len(place) == 1}


def _claim(claim: Claim) -> Iterator[str]:
    told = _told(asdict(claim))
    source = told.pop("source")
    inputs = source.pop("inputs", None)
    for number, (key, value) in enumerate(told.items()):
        yield f"  {'  ' if number else '- '}{key}: {_flow(value)}"
    yield "    source:"
    for key, value in source.items():
        yield f"      {key}: {_flow(value)}"
    if inputs is not None:
        yield "      inputs:"
        for key, value in inputs.items():
            yield f"        {key}: {_flow(value)}"


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Return values without what is not there, at any depth."""
    inner = {key: _told(one) if isinstance(one, dict) else one for key, one in values.items()}
    return {key: one for key, one in inner.items() if one is not None and one != {}}


def _flow(value: Any) -> str:
    """Return a value in YAML's flow style; strings as JSON has them, which YAML reads the same."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float):
        # Never with an exponent, which versions of YAML read differently.
        return format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
