"""Files of prompts, one conversation a line: as token ids, or as text for a server that gets text.

{"id", "category", "first": [ids], "between": [[ids], …]}
{"id", "category", "turns": ["…", …]}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specseal.client.errors import InputRefused
from specseal.client.fields import Fields, strict_json

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as token ids: `between[k]` goes between turn k's output and turn k+1's."""

    id: str
    category: str
    first: TokenIds
    between: tuple[TokenIds, ...]

    @property
    def length(self) -> int:
        """How many turns it has."""
        return 1 + len(self.between)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A conversation as text: what the user says, turn by turn."""

    id: str
    category: str
    turns: tuple[str, ...]

    @property
    def length(self) -> int:
        """How many turns it has."""
        return len(self.turns)


def read_conversations(path: Path) -> dict[str, Conversation | Dialogue]:
    """Read a file of prompts, by id. Raises: InputRefused."""
    conversations: dict[str, Conversation | Dialogue] = {}
    for fields in _rows(path):
        conversation = _dialogue(fields) if fields.has("turns") else _conversation(fields)
        if conversation.id in conversations:
            raise InputRefused(f"{fields.where}: id {conversation.id!r} appears twice")
        conversations[conversation.id] = conversation
    return conversations


def read_dialogues(path: Path) -> tuple[Dialogue, ...]:
    """Read dialogues in their order. Raises: InputRefused."""
    return tuple(_dialogue(fields) for fields in _rows(path))


def _conversation(fields: Fields) -> Conversation:
    conversation = Conversation(
        id=fields.take("id", str),
        category=fields.take("category", str),
        first=fields.take_list("first", int),
        between=fields.take_lists("between", int),
    )
    fields.end()
    if not conversation.first:
        raise InputRefused(f"{fields.where}: `first` holds no token")
    return conversation


def _dialogue(fields: Fields) -> Dialogue:
    dialogue = Dialogue(
        id=fields.take("id", str),
        category=fields.take("category", str),
        turns=fields.take_list("turns", str),
    )
    fields.end()
    if not dialogue.turns:
        raise InputRefused(f"{fields.where}: `turns` is empty")
    return dialogue


def _rows(path: Path) -> Iterator[Fields]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputRefused(f"{path}: can't be read: {error.strerror}") from error
    for number, line in enumerate(data.splitlines(), 1):
        where = f"{path}:{number}"
        yield Fields(strict_json(line, where), where)
