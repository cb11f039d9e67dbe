"""Text that others wrote, shown so that nothing in it commands a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return text with everything escaped that a terminal would obey rather than show."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def printable_lines(text: str) -> str:
    """Return text of several lines, each `printable`."""
    return "\n".join(map(printable, text.split("\n")))
