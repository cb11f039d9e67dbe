"""What must not leave the machine: prompts, and of a restricted data set the generated ids, too.

Prompts are never put into a bundle; but an engine may quote them, in its log or in the message of
an error. A line that does is replaced as a whole; of a restricted data set one that quotes what was
generated, too. Of ids that may not be passed on the hash of each
output stays, so that whether two outputs are equal can still be computed; what only the ids
themselves tell is marked `attested`: the signer's word, which nobody can check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from specseal.analysis import Metric, Result, RunData
from specseal.analysis.outputs import ids_sha256
from specseal.analysis.validity import ATTESTED, IDS_WITHHELD
from specseal.record_columns import Lists, Texts
from specseal.record_table import OUTPUT_SHA256, RecordTable, table_of
from specseal.spec.locked import Lock

STAND_IN = "<withheld: this line quotes a prompt>"
_LETTERS = 24
_SHORTEST_TEXT = 10
"""Letters and digits of a prompt that is looked for; a shorter one might stand there by chance."""
_IDS = 8
_MOST_WINDOWS = 1_000_000
_BLOCK_LINES = 10_000
_OVERLAP_LINES = 100
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtbf\"'\\/])")
_NUMBER = re.compile(r"[0-9]+")


def is_restricted(lock: Lock) -> bool:
    """Say whether a data set of the lock may not be passed on, nor what was generated from it."""
    return any(variant.lock.dataset["restricted"] for variant in lock.variants_in_full())


def withhold_ids(run: RunData) -> RunData:
    """Return a run with the hash of each request's output ids in their place."""
    jobs = (
        replace(
            job,
            phases=tuple(
                replace(phase, records=_hashed(table_of(phase.records))) for phase in job.phases
            ),
        )
        for job in run.jobs
    )
    return replace(run, jobs=tuple(jobs))


def attest(withheld: Result, whole: Result) -> Result:
    """Return the result of a run without ids, with what only the ids tell taken from the whole.

    Args:
        withheld: of the run as it is sealed.
        whole: of the same run with its ids.
    """
    known = {_identity(metric): metric for metric in whole.metrics}
    metrics = (
        replace(known[_identity(one)], reasons=(*known[_identity(one)].reasons, ATTESTED))
        if IDS_WITHHELD in one.reasons
        else one
        for one in withheld.metrics
    )
    return replace(withheld, metrics=tuple(metrics))


def _identity(metric: Metric) -> tuple[str, str]:
    return metric.name, json.dumps(metric.where, sort_keys=True)


def _hashed(table: RecordTable) -> RecordTable:
    ids = table.lists["output_ids"]
    hashes = [None if (of := ids[row]) is None else ids_sha256(of) for row in range(len(table))]
    codes = {digest: code for code, digest in enumerate(dict.fromkeys(hashes))}
    return RecordTable(
        texts={
            **table.texts,
            OUTPUT_SHA256: Texts(
                codes=np.array([codes[digest] for digest in hashes], dtype=np.int64),
                texts=tuple(codes),
            ),
        },
        numbers=table.numbers,
        lists={**table.lists, "output_ids": _no_lists(len(table))},
    )


def _no_lists(rows: int) -> Lists:
    nothing = np.zeros(rows, np.int64)
    return Lists(
        values=nothing[:0], starts=nothing, lengths=nothing, known=np.zeros(rows, np.bool_)
    )


class Outputs:
    """The ids that were generated in a run, each output once."""

    def __init__(self, run: RunData) -> None:
        self._columns = [
            table_of(phase.records).lists["output_ids"] for job in run.jobs for phase in job.phases
        ]

    def __len__(self) -> int:
        """Return how many ids there are in all, those of equal outputs counted again."""
        return sum(int(column.lengths.sum()) for column in self._columns)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        seen = set()
        for column in self._columns:
            for row in range(len(column.lengths)):
                ids = tuple(column[row] or ())
                if (identity := hash(ids)) not in seen:
                    seen.add(identity)
                    yield ids


class Quotes:
    """Finds what quotes a prompt: its words, however they are escaped, or its token ids.

    A quotation is found if it has at least about 40 letters and digits of a prompt, or 16 of its
    ids, in a row; or all of a shorter prompt. Where outputs may not get out either, their ids are
    looked for likewise.
    """

    def __init__(self, prompts: Iterable[Path], outputs: Outputs | None = None) -> None:
        """Take files of prompts, and what was generated. Raises: OSError."""
        texts: list[str] = []
        ids: list[tuple[int, ...]] = []
        for row in chain.from_iterable(map(_rows, prompts)):
            texts += map(_letters, row.get("turns", ()))
            ids += map(tuple, [row.get("first", ()), *row.get("between", ())])
        self._texts = _Windows(
            texts, total=sum(map(len, texts)), size=_LETTERS, shortest=_SHORTEST_TEXT
        )
        self._ids = [_Windows(ids, total=sum(map(len, ids)), size=_IDS, shortest=_IDS)]
        if outputs is not None:
            # Apart, so that however many there are, no prompt is looked for less closely.
            self._ids.append(_Windows(outputs, total=len(outputs), size=_IDS, shortest=_IDS))

    def withhold(self, text: str) -> str:
        """Return a text with every line replaced that takes part in a quotation."""
        return "".join(self.withhold_lines(text.splitlines(keepends=True)))

    def withhold_lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield each line, or what stands for it; the lines may be too many for memory."""
        source, pending, quoting = iter(lines), list[str](), set[int]()
        while block := list(islice(source, _BLOCK_LINES)):
            pending += block
            quoting |= self._quoting(pending)
            # A quotation may go on in the next block: its lines are looked at twice.
            done = max(len(pending) - _OVERLAP_LINES, 0) if len(block) == _BLOCK_LINES else None
            yield from _replaced(pending[:done], quoting)
            pending = [] if done is None else pending[done:]
            quoting = set() if done is None else {one - done for one in quoting if one >= done}
        yield from _replaced(pending, quoting)

    def _quoting(self, lines: list[str]) -> set[int]:
        letters = [_letters(line) for line in lines]
        numbers = [tuple(map(_id, _NUMBER.findall(line))) for line in lines]
        quoting = set(_lines_of("".join(letters), letters, self._texts))
        whole = tuple(chain.from_iterable(numbers))
        return quoting.union(*(_lines_of(whole, numbers, ids) for ids in self._ids))


def _replaced(lines: list[str], quoting: set[int]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield STAND_IN + line[len(line.rstrip("\r\n")) :] if number in quoting else line


class _Windows:
    """Pieces of sequences: some of each, so close together that no long quotation has none."""

    def __init__(
        self, sequences: Iterable[Sequence[Hashable]], *, total: int, size: int, shortest: int
    ) -> None:
        """Take sequences, how long they are together, and how much of one is a quotation."""
        stride = max(size // 3, total // _MOST_WINDOWS)
        self.pieces: dict[int, set[Hashable]] = {size: set()}
        for one in sequences:
            if len(one) >= size:
                starts = (*range(0, len(one) - size, stride), len(one) - size)
                self.pieces[size].update(one[start : start + size] for start in starts)
            elif len(one) >= shortest:
                self.pieces.setdefault(len(one), set()).add(one)

    def found_in(self, sequence: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
        """Yield (first, last) place of each piece that is found."""
        for size, pieces in self.pieces.items():
            if pieces:
                for start in range(len(sequence) - size + 1):
                    if sequence[start : start + size] in pieces:
                        yield start, start + size - 1


def _lines_of(
    whole: Sequence[Hashable], lines: Sequence[Sequence[Hashable]], windows: _Windows
) -> Iterator[int]:
    ends = np.cumsum([len(line) for line in lines])
    for first, last in windows.found_in(whole):
        start, end = np.searchsorted(ends, [first, last], side="right").tolist()
        yield from range(start, end + 1)


def _letters(text: str) -> str:
    """Return what is left of a text however it was quoted, wrapped or escaped."""
    return "".join(filter(str.isalnum, _ESCAPE.sub(_unescaped, text))).casefold()


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else " "


def _id(digits: str) -> int:
    # A number that is no id of any vocabulary is none, however long it is.
    return int(digits) if len(digits) < 10 else -1


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)
