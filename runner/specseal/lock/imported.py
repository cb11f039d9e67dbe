"""SPEED-Bench on this machine: prepared copies, checked when they came in, kept by content.

A copy's rows lie in the content store in one canonical form, so that both official forms of the
same rows are one copy. Beside it, `cache_dir/imported/<digest>.json` says what it is and how it was
checked; there are no paths of this machine in it. The content is stored first and the note
last, so whatever process dies, a copy that is named is whole.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from specseal.atomic import write_atomically
from specseal.digests import Digest, canonical, sha256_bytes
from specseal.errors import InputError, LockError, MachineLacks, Problem, SpecError
from specseal.lock.official import OfficialFile
from specseal.lock.rows import Found, Trouble, problems_of, read_json_lines, rows_of, troubles_of
from specseal.lock.speed_bench import (
    CONFIGS,
    read_official,
    to_canonical,
    troubles_of_config,
    troubles_of_lengths,
)
from specseal.lock.store import Store
from specseal.lock.tokens import NotCounted, TokenCounter
from specseal.settings import Settings

SCHEMA = "specseal/imported/1"
IMPORT_MEND = (
    "`specseal data import PATH` takes in what was prepared already, `specseal data prepare "
    "speed-bench` prepares it"
)
KNOWN: dict[Digest, str] = {}
"""Official revisions by the digest of their canonical rows; no source has published one yet."""
_LEAST_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """What is known of how long a copy's rows are."""

    checked_by: str | None
    """What counted tokens; None: nothing did, and lengths were NOT checked."""
    reason: str = ""
    """Why not."""
    by_category: dict[str, tuple[int, int]]
    """Fewest and most tokens of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCopy:
    """One prepared copy of one configuration."""

    config: str
    sha256: Digest
    """Of its rows in canonical form: what a spec and a lock pin."""
    rows: int
    conversations: dict[str, dict[str, int]]
    """Rows by category and number of turns."""
    form: str
    file_sha256: Digest
    """Of the file that was imported, as it was."""
    imported_at: str
    lengths: Lengths
    prepared_by: dict[str, Any] | None = None
    """What `specseal data prepare` notes: commits of the code and of every source."""

    @property
    def revision(self) -> str | None:
        """The name of the official revision that this is, where its digest is known."""
        return KNOWN.get(self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"schema": SCHEMA, **asdict(self), "revision": self.revision}


def import_files(
    files: Sequence[OfficialFile],
    *,
    settings: Settings,
    counter: TokenCounter | NotCounted,
    now: datetime,
    prepared_by: dict[str, Any] | None = None,
) -> list[ImportedCopy]:
    """Check prepared files, all of them before any is kept, and keep them.

    Args:
        files: one a configuration.
        settings: says where.
        counter: counts tokens, or says why nothing does.
        now: the time, with its zone.
        prepared_by: what made them, where specseal had it made.

    Raises:
        SpecError: rows are not as they should be, by file and row; nothing was kept.
        MachineLacks: they can't be kept.
    """
    problems: list[Problem] = []
    good: list[tuple[ImportedCopy, bytes]] = []
    for file in files:
        found, troubles, lengths = _checked(file, counter)
        problems += problems_of(file.name, troubles)
        if problems:
            continue
        rows = to_canonical(found)
        copy = ImportedCopy(
            config=file.config,
            sha256=sha256_bytes(rows),
            rows=len(found.rows),
            conversations=_conversations(found),
            form=file.form,
            file_sha256=sha256_bytes(file.data),
            imported_at=now.isoformat(timespec="seconds"),
            lengths=lengths,
            prepared_by=prepared_by,
        )
        good.append((copy, rows))
    if problems:
        raise SpecError(problems)
    return [_keep(copy, rows, settings) for copy, rows in good]


def imported_copies(settings: Settings) -> list[ImportedCopy]:
    """Return every copy, by configuration and then by the time of its import.

    Raises:
        LockError: a note can't be read.
    """
    copies = [_read(path) for path in sorted(_notes(settings).glob("*.json"))]
    order = list(CONFIGS)
    return sorted(copies, key=lambda copy: (order.index(copy.config), copy.imported_at))


def choose_copy(named: str, settings: Settings) -> ImportedCopy:
    """Return the copy that a configuration, a digest or the beginning of a digest names.

    Raises:
        MachineLacks: there is none.
        InputError: there are several.
    """
    if named in CONFIGS:
        return _only([one for one in imported_copies(settings) if one.config == named], named)
    beginning = named.removeprefix("sha256:")
    if not re.fullmatch(f"[0-9a-f]{{{_LEAST_DIGITS},64}}", beginning):
        raise InputError(
            f"{named!r} is no configuration of SPEED-Bench, and no digest",
            mend=f"name one of {', '.join(CONFIGS)}, or {_LEAST_DIGITS} digits of a digest or more",
        )
    return _only(
        [one for one in imported_copies(settings) if one.sha256.startswith(beginning)], named
    )


def remove_copy(copy: ImportedCopy, settings: Settings) -> None:
    """Forget a copy: its note first, then its rows. Raises: OSError."""
    _note(copy.sha256, settings).unlink(missing_ok=True)
    Store(settings.cache_dir).remove(copy.sha256)


def find_imported(config: str, sha256: Digest | None, *, settings: Settings) -> Found:
    """Return the rows of an imported copy, decoded; the store holds them against their digest.

    Args:
        config: the configuration.
        sha256: which copy; None: the only one.
        settings: says where.

    Raises:
        MachineLacks: there is no such copy, or it is damaged.
        InputError: there are several, and none is named.
    """
    copies = [one for one in imported_copies(settings) if one.config == config]
    if sha256 is None:
        digest = _only(copies, config).sha256
    else:
        _only([one for one in copies if one.sha256 == sha256], f"{config} {sha256}", copies)
        digest = sha256
    try:
        data = Store(settings.cache_dir).get(digest).read_bytes()
    except LockError as error:
        raise MachineLacks(f"speed-bench {config}: {error.message}", mend=IMPORT_MEND) from error
    return read_json_lines(f"speed-bench/{config}@{digest[:12]}", data)


def _only(
    fitting: Sequence[ImportedCopy], named: str, others: Sequence[ImportedCopy] = ()
) -> ImportedCopy:
    if not fitting:
        there = f"; there is {', '.join(one.sha256 for one in others)}" if others else ""
        raise MachineLacks(
            f"SPEED-Bench's {named} is not on this machine{there}",
            mend=IMPORT_MEND,
        )
    if len(fitting) > 1:
        listed = ", ".join(one.sha256 for one in fitting)
        raise InputError(
            f"{named} stands for {len(fitting)} imported copies: {listed}",
            mend="name one by its digest: in a spec as `sha256` beside `config`",
        )
    return fitting[0]


def _checked(
    file: OfficialFile, counter: TokenCounter | NotCounted
) -> tuple[Found, list[Trouble], Lengths]:
    """Return the rows of a file, what is wrong with them, and how long they are."""
    found = read_official(file.name, file.data, file.form)
    troubles = troubles_of(found) + troubles_of_config(found, file.config)
    if troubles or isinstance(counter, NotCounted):
        reason = counter.reason if isinstance(counter, NotCounted) else "rows are wrong"
        return found, troubles, Lengths(checked_by=None, reason=reason, by_category={})
    counts = counter.count([columns["turns"] for _, columns in found.rows])
    by_category: dict[str, list[int]] = {}
    for (_, columns), count in zip(found.rows, counts, strict=True):
        by_category.setdefault(columns["category"], []).append(count)
    ranges = {name: (min(some), max(some)) for name, some in by_category.items()}
    lengths = Lengths(checked_by=counter.name, by_category=ranges)
    return found, troubles_of_lengths(found, file.config, counts), lengths


def _conversations(found: Found) -> dict[str, dict[str, int]]:
    """Count rows by category and number of turns."""
    counted: dict[str, Counter[str]] = {}
    for row in rows_of(found):
        counted.setdefault(row.category, Counter())[str(len(row.turns))] += 1
    return {name: dict(sorted(turns.items())) for name, turns in counted.items()}


def _keep(copy: ImportedCopy, rows: bytes, settings: Settings) -> ImportedCopy:
    path = _note(copy.sha256, settings)
    if path.is_file():
        # The same rows: what was known of them stays known.
        known = _read(path)
        lengths = known.lengths if copy.lengths.checked_by is None else copy.lengths
        copy = replace(copy, lengths=lengths, prepared_by=copy.prepared_by or known.prepared_by)
    Store(settings.cache_dir).put(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, canonical(copy.to_dict()) + b"\n")
    return copy


def _notes(settings: Settings) -> Path:
    return settings.cache_dir / "imported"


def _note(digest: Digest, settings: Settings) -> Path:
    return _notes(settings) / f"{digest}.json"


def _read(path: Path) -> ImportedCopy:
    try:
        value = json.loads(path.read_bytes())
        if value.pop("schema") != SCHEMA:
            raise ValueError("of another version of specseal")  # noqa: TRY301
        del value["revision"]
        lengths = value.pop("lengths")
        ranges = {name: (some[0], some[1]) for name, some in lengths.pop("by_category").items()}
        copy = ImportedCopy(**value, lengths=Lengths(**lengths, by_category=ranges))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise LockError(
            f"{path}: what was noted of imported data can't be read: {error}",
            mend="remove that file, and import the data again",
        ) from error
    if f"{copy.sha256}.json" != path.name or copy.config not in CONFIGS:
        raise LockError(
            f"{path}: is a note of something else", mend="remove that file, and import again"
        )
    return copy
