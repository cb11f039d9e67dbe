"""Strict YAML with positions: bytes in, a `Document` of plain values out.

A spec must mean the same to every reader, so only that part of YAML is read on which versions 1.1
and 1.2 agree: one document, no anchors, aliases, merge keys, tags or directives, no duplicate keys,
and no plain scalar that one version reads as a number or a boolean and the other as something else.

What can't be parsed at all is raised at once. Everything else is kept as a `Finding`, so that the
rules of the schema can be checked on the rest and a person sees all problems of a file together.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from specseal.errors import Problem, SpecError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_EVENTS = 20_000
"""Of the parser: about as many keys and values. The largest published spec has some 500."""

Place = tuple[str | int, ...]
"""Where a value lies: keys and indices from the root, which is ()."""


class Position(NamedTuple):
    """A place in the text, 1-based."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong in a document."""

    place: Place
    position: Position
    message: str
    meant: Place | None = None
    """Of a misspelt key: where the right one would lie, which is then not also missing."""

    def problem(self, path: str) -> Problem:
        """Return it as an error shows it."""
        return Problem(path, *self.position, dotted(self.place), self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says: plain values, where each lies, and what was wrong with the YAML itself."""

    value: Any
    keys: dict[Place, Position]
    """Where each key of a mapping stands."""
    values: dict[Place, Position]
    """Where each value starts."""
    findings: tuple[Finding, ...]

    def at(self, *place: str) -> Any:
        """Return the value at a place, or None where there is none."""
        value = self.value
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def at_value(self, place: Place, message: str) -> Finding:
        """Return a finding that points at the value."""
        return Finding(place=place, position=self.values[place], message=message)

    def at_key(self, place: Place, message: str) -> Finding:
        """Return a finding that points at the key or list item, or at the nearest parent there is.

        A key that is missing is thus shown at the mapping in which it is missed.
        """
        near = place
        while near not in self.keys and near not in self.values:
            near = near[:-1]
        position = self.keys.get(near) or self.values[near]
        return Finding(place=place, position=position, message=message)


def dotted(place: Place) -> str:
    """Return a place as people write it: `workload.load.concurrency[1]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")


def read_document(data: bytes, *, path: str) -> Document:
    """Read a YAML file's bytes.

    Args:
        data: at most `MAX_BYTES`.
        path: the file's name in messages.

    Raises:
        SpecError: too large, not UTF-8, not YAML, empty, several documents, or nested too deeply.
    """
    text = _decode(data, path)
    try:
        return _Builder(text, path).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"{error.context}: {error.problem}" if error.context else error.problem
        _refuse(path, _position(mark), f"not YAML: {reason}")
    except ReaderError as error:
        position = _position_of(text, error.position)
        _refuse(path, position, f"character {ord(text[error.position]):#x} is not allowed")
    except (ValueError, OverflowError):
        # ruamel.yaml 0.19 hands the code of a \\U escape to chr() as it is.
        escape = _BEYOND_UNICODE.search(text)
        position = _position_of(text, escape.start() if escape else 0)
        _refuse(path, position, "this escape names no character of Unicode")


def _refuse(path: str, position: Position, message: str) -> NoReturn:
    raise SpecError([Problem(path, *position, "", message)])


def _decode(data: bytes, path: str) -> str:
    if len(data) > MAX_BYTES:
        _refuse(path, Position(1, 1), f"larger than {MAX_BYTES} bytes")
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _refuse(path, Position(1, 1), "starts with a byte order mark: save it as plain UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        _refuse(path, _position_of(before, len(before)), "not UTF-8: save it as UTF-8")


def _position_of(text: str, index: int) -> Position:
    start = text.rfind("\n", 0, index) + 1
    return Position(text.count("\n", 0, index) + 1, index - start + 1)


def _position(mark: StringMark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


class _Builder:
    """Builds one document from the parser's events; holds what it has found on the way."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._events = self._so_many(YAML(typ="safe", pure=True).parse(text))
        self._keys: dict[Place, Position] = {}
        self._values: dict[Place, Position] = {}
        self._findings: list[Finding] = []

    def document(self) -> Document:
        """Return the one document there is. Raises: SpecError, YAMLError."""
        starts: list[DocumentStartEvent] = []
        value: Any = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                starts.append(event)
                if len(starts) > 1:
                    message = "a second document starts here: a file holds one spec"
                    _refuse(self._path, _position(event.start_mark), message)
                value = self._node(next(self._events), ())
        if not starts:
            _refuse(self._path, Position(1, 1), "the file is empty")
        if starts[0].version or starts[0].tags:
            self._note((), Position(1, 1), "directives (%) are not allowed: leave them out")
        return Document(
            value=value,
            keys=self._keys,
            values=self._values,
            findings=tuple(self._findings),
        )

    def _so_many(self, events: Iterator[Event]) -> Iterator[Event]:
        for number, event in enumerate(events):
            if number >= MAX_EVENTS:
                message = f"the file has more than {MAX_EVENTS:,} keys and values"
                _refuse(self._path, _position(event.start_mark), message)
            yield event

    def _note(self, place: Place, position: Position, message: str) -> None:
        self._findings.append(Finding(place=place, position=position, message=message))

    def _node(self, event: Event, place: Place) -> Any:
        position = _position(event.start_mark)
        if isinstance(event, ScalarEvent) and not event.value and event.implicit[0]:
            # The parser puts a value that isn't there at the next token, lines below.
            position = self._keys.get(place, position)
        self._values[place] = position
        if len(place) > MAX_DEPTH:
            _refuse(self._path, position, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            self._note(place, position, f"aliases (*{event.anchor}) are not allowed: write it out")
            return None
        self._check_properties(event, place)
        if isinstance(event, MappingStartEvent):
            return self._mapping(place)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(place)
        return self._scalar(event, place)

    def _check_properties(self, event: Event, place: Place) -> None:
        assert isinstance(event, CollectionStartEvent | ScalarEvent)  # noqa: S101  (what is left)
        position = _position(event.start_mark)
        if event.anchor:
            self._note(place, position, f"anchors (&{event.anchor}) are not allowed: leave it out")
        if event.tag:
            self._note(place, position, f"tags ({event.tag}) are not allowed: leave it out")

    def _sequence(self, place: Place) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, (*place, len(items))))
        return items

    def _mapping(self, place: Place) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            position = _position(event.start_mark)
            key = self._key(event, place, position)
            inner = (*place, key)
            if key in items:
                first = self._keys[inner].line
                self._note(inner, position, f"this key is there twice, first on line {first}")
                self._skip()
                continue
            self._keys[inner] = position
            items[key] = self._node(next(self._events), inner)
        return items

    def _key(self, event: Event, place: Place, position: Position) -> str:
        # Keys are always text, as in JSON: `on:` and `1:` are the keys "on" and "1".
        if not isinstance(event, ScalarEvent):
            _refuse(self._path, position, "a key must be text")
        self._check_properties(event, place)
        if event.value == "<<" and event.implicit[0]:
            self._note(place, position, "merge keys (<<) are not allowed: write the keys out")
        return self._text_of(event, place)

    def _skip(self) -> None:
        # The value of a duplicate key: read to its end, nothing of it kept.
        depth = 0
        while True:
            event = next(self._events)
            if isinstance(event, MappingStartEvent | SequenceStartEvent):
                depth += 1
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                depth -= 1
            if not depth:
                return

    def _scalar(self, event: Event, place: Place) -> Any:
        assert isinstance(event, ScalarEvent)  # noqa: S101  (all other nodes are handled above)
        if not event.implicit[0]:
            return self._text_of(event, place)
        try:
            return _resolve(event.value)
        except ValueError as error:
            self._note(place, _position(event.start_mark), str(error))
            return None

    def _text_of(self, event: ScalarEvent, place: Place) -> str:
        # Escapes in double quotes can make what the file itself may not hold, and a terminal obeys.
        text: str = event.value
        if odd := _UNPRINTABLE.search(text):
            message = f"character {ord(odd.group()):#x} is not allowed in text"
            self._note(place, _position(event.start_mark), message)
        return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


_BEYOND_UNICODE = re.compile(r"\\U(?!000|0010)[0-9a-fA-F]{8}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DISPUTED = re.compile(
    r"""
      yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF         # 1.1: booleans; 1.2: text
    | 0o[0-7]+ | [-+]?0b[01_]+ | [-+]?0x[0-9a-fA-F_]+   # other bases: each in one of the two
    | [-+]?[0-9][0-9_]*(\.[0-9_]*)?                     # 012 is 10 or 12; 1_000 is 1000 or text
    | [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?      # 12:30 is 750 or text
    | [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+  # 1e3 is text or 1000
    """,
    re.VERBOSE,
)
_LARGEST = 2**53
"""From here on, integers have no canonical JSON. Source: RFC 8785, section 3.2.2.3."""


def _resolve(text: str) -> Any:
    """Return the value of a plain scalar.

    Raises:
        ValueError: it is no finite number of canonical JSON, or YAML 1.1 and 1.2 disagree on it.
    Source: YAML 1.2.2, section 10.3.2 (core schema); YAML 1.1, types bool, int and float.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number) or abs(number) >= _LARGEST:
            raise ValueError("this number is too large: it must be smaller than 2 to the 53rd")
        return int(text) if _INTEGER.fullmatch(text) else number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    if _DISPUTED.fullmatch(text):
        raise ValueError(
            f"{text} is read differently by YAML 1.1 and 1.2: put it in quotes if it is text,"
            " else write a plain decimal number, true or false"
        )
    return text
