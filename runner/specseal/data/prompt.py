"""A prompt that can be cut to length: its opening, units that can be left out, its closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from specseal.data.draws import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt, of any length; its text is the same for the same number of units."""

    opening: str
    """First line; no other prompt's begins like it."""
    units: Iterator[str]
    """Lines, entries or notes; read once."""
    closing: str
    """What is asked."""
    separator: str = "\n"
    hidden: tuple[str, ...] = ()
    """Units that are always there, spread evenly over the others: what is asked for."""

    def text(self, count: int) -> str:
        """Return the prompt with its first `count` units, all of them whole."""
        units = list(islice(self.units, count))
        for place, unit in enumerate(self.hidden, 1):
            units.insert(len(units) * place // (len(self.hidden) + 1), unit)
        return "\n\n".join((self.opening, self.separator.join(units), self.closing))


Maker = Callable[[Draws, int], Prompt]
"""Takes choices and the prompt's number, which is its own over all splits of a tier."""
