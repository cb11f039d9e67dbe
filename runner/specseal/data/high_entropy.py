"""Prompts with no one answer: long notes for a piece of writing, and the wish to have it begun."""

from __future__ import annotations

from collections.abc import Iterator

from specseal.data.draws import Draws
from specseal.data.prompt import Maker, Prompt
from specseal.data.texts import cast, fillings, lines

_CUTTINGS = ("minutes", "harbour", "museum", "gazette")
"""Texts that notes are taken from besides the writer's own."""
_CLOSING = """The working title stands above. This is to be {premise}.
Write the opening, about {words} words of it. Use what you like of the notes and leave out the \
rest, keep nothing of their wording, and surprise us."""


def _notes(draws: Draws, number: int) -> Prompt:
    people = cast(draws)
    titles, premises = lines("titles"), lines("premises")
    values = {**fillings(draws), **people}
    return Prompt(
        opening=f"{titles[number % len(titles)]}: notes so far",
        units=_bullets(draws, people),
        closing=_CLOSING.format(
            premise=premises[number % len(premises)].format_map(values),
            words=draws.between(6, 15) * 100,
        ),
    )


def _bullets(draws: Draws, people: dict[str, str]) -> Iterator[str]:
    """Yield notes and cuttings until there are no more; none of them comes twice."""
    templates = [("- ", line) for line in lines("notes")]
    templates += [("- From a cutting: ", line) for name in _CUTTINGS for line in lines(name)]
    for mark, line in draws.shuffled(templates):
        yield mark + line.format_map({**fillings(draws), **people})


KINDS: dict[str, Maker] = {"notes": _notes}
"""By sub-category, what makes a prompt of it."""
