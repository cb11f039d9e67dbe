"""Prompts whose answers copy some and phrase some: questions on the papers of a town."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from specseal.data.draws import Draws
from specseal.data.prompt import Maker, Prompt
from specseal.data.texts import dealt, fillings, lines, names

_SENTENCES = 3
"""In one entry."""
_HIDDEN = 2
"""Things asked for, of which each prompt holds just one mention."""

_HEADS: dict[str, Callable[[Draws, int], str]] = {
    "minutes": lambda draws, entry: f"Item {entry}.",
    "harbour": lambda draws, entry: f"{draws.between(1, 28)} {draws.one(names()['month'])}.",
    "museum": lambda draws, entry: f"Shelf {entry}.",
    "gazette": lambda draws, entry: f"Column {entry}.",
}
"""By text, how an entry of it begins."""
_OPENINGS = {
    "minutes": "Minute book {number} of the council of {town}, {year}, with other papers",
    "harbour": "Harbour log {number}, kept at {town} in {year}, with other papers",
    "museum": "Museum list {number}, drawn up for {town} in {year}, with other papers",
    "gazette": "Gazette {number} of {town}, {year}, with other papers",
}
"""By the text that comes first and gives the prompt its kind."""
_CLOSING = """Answer from these papers only.
1. {first}
2. {second}
3. Which three people named above would you most like to hear more from, and why? Quote a sentence \
for each."""


def _maker(kind: str) -> Maker:
    def prompt(draws: Draws, number: int) -> Prompt:
        hidden, questions = _needles(draws)
        return Prompt(
            opening=_OPENINGS[kind].format_map({**fillings(draws), "number": number + 1}),
            units=_entries(draws, kind),
            closing=_CLOSING.format(first=questions[0], second=questions[1]),
            hidden=hidden,
        )

    return prompt


def _needles(draws: Draws) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is hidden among the entries, and the questions that ask for it."""
    pairs = []
    for line in draws.shuffled(lines("needles"))[:_HIDDEN]:
        pairs.append(line.format_map(fillings(draws)).split("|"))
    return tuple(f"Note. {fact}" for fact, _ in pairs), tuple(question for _, question in pairs)


def _entries(draws: Draws, kind: str) -> Iterator[str]:
    """Yield entries of all four texts in turn, beginning with the kind's own."""
    kinds = [kind, *draws.shuffled([name for name in _HEADS if name != kind])]
    sentences = {name: dealt(draws, name) for name in kinds}
    entry = 0
    while True:
        entry += 1
        for name in kinds:
            said = " ".join(islice(sentences[name], _SENTENCES))
            yield f"{_HEADS[name](draws, entry)} {said}"


KINDS: dict[str, Maker] = {kind: _maker(kind) for kind in _HEADS}
"""By sub-category, what makes a prompt of it."""
