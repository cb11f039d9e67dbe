"""Data sets: from where a spec says to rows that have been checked, each with a digest.

Rows have SPEED-Bench's columns, whether they come with specseal, from a file beside the spec, or
from a hub. They are read strictly: a wrong column or an unfinished download would otherwise be
benchmarked without anybody noticing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from specseal.data import BUILTIN
from specseal.digests import Digest, sha256_bytes, sha256_value
from specseal.errors import InputError, Problem, SpecError
from specseal.lock.hub import HubApi, commit_of, hub_extra_missing, hub_failures, open_hub
from specseal.lock.models import beside_spec
from specseal.settings import Settings
from specseal.spec.model import Dataset

PLACEHOLDER = "FULL BENCHMARK DATA SHOULD BE FETCHED FROM THE SOURCE USING SPECDEC_BENCH"
"""What SPEED-Bench's hub copy has in place of prompts that may not be passed on."""

_MOST_PROBLEMS = 20

LoadDataset = Callable[..., Iterable[dict[str, Any]]]
"""Called as `datasets.load_dataset(repo, config, split=…, revision=…, cache_dir=…)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One conversation of a data set."""

    id: str
    category: str
    turns: tuple[str, ...]
    """What the user says, one text a turn."""
    sha256: Digest
    """Of all columns, those not kept here included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPin:
    """A data set's rows, in its own order, and where they were found."""

    source: dict[str, Any]
    """What the spec says, unset fields left out."""
    revision: str | None
    """The commit, for a hub repository."""
    file_sha256: Digest | None
    """Of the file, where there is one."""
    restricted: bool
    """Whether prompts must stay out of bundles: true for all that does not come with specseal."""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """One thing wrong with one row."""

    row: int
    """1-based number of the line, or of the row where there are no lines."""
    column: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Rows as they were found, decoded but not checked."""

    name: str
    rows: list[tuple[int, dict[str, Any]]]
    """(1-based number, columns)."""
    troubles: tuple[_Trouble, ...] = ()
    """Rows that could not be decoded."""
    revision: str | None = None
    file_sha256: Digest | None = None


def load_rows(
    dataset: Dataset,
    *,
    spec_folder: Path,
    settings: Settings,
    hub: HubApi | None = None,
    load_dataset: LoadDataset | None = None,
) -> DatasetPin:
    """Find a data set and check every row of it.

    Args:
        dataset: where the spec says that it is.
        spec_folder: what a relative path starts from, and may not leave.
        settings: site settings; downloads are kept below `cache_dir`.
        hub: the hub's client; by default a fresh `open_hub()`.
        load_dataset: what downloads rows; by default that of the library `datasets`.

    Raises:
        InputError: there is no such data set, or its file is of no known kind.
        SpecError: rows are not as they should be: the first 20 problems, with file and row.
        MachineLacks: the hub can't be reached, or the `hf` extra is not installed.
    """
    if dataset.kind == "builtin":
        found = _find_builtin(dataset)
    elif dataset.kind == "path":
        found = _read_file(dataset.path or "", spec_folder)
    else:
        found = _download(dataset, settings, hub or open_hub(), load_dataset or _load_dataset())
    return DatasetPin(
        source={key: value for key, value in asdict(dataset).items() if value is not None},
        revision=found.revision,
        file_sha256=found.file_sha256,
        restricted=dataset.kind != "builtin",
        rows=_checked(found),
    )


def _find_builtin(dataset: Dataset) -> _Found:
    # Names are looked up in a table, so that none can be a path to somewhere else.
    splits = BUILTIN.get(dataset.name or "")
    if splits is None:
        raise InputError(
            f"there is no built-in data set {dataset.name!r}",
            mend=f"there is {', '.join(sorted(BUILTIN))}",
        )
    give = splits.get(dataset.split or "")
    if give is None:
        raise InputError(
            f"the built-in data set {dataset.name} has no split {dataset.split!r}",
            mend=f"it has {', '.join(splits)}",
        )
    return _read_json_lines(f"{dataset.name}/{dataset.split}", give())


def _read_file(path: str, spec_folder: Path) -> _Found:
    file = beside_spec(path, spec_folder)
    reader = _READERS.get(file.suffix)
    if reader is None or not file.is_file():
        raise InputError(
            f"{path}: not a data set that can be read",
            mend=f"name a file that ends in {' or '.join(_READERS)}",
        )
    try:
        return reader(path, file.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error


def _read_json_lines(name: str, data: bytes) -> _Found:
    rows: list[tuple[int, dict[str, Any]]] = []
    troubles: list[_Trouble] = []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        try:
            rows.append((number, _decode(line)))
        except (ValueError, RecursionError) as error:
            troubles.append(_Trouble(row=number, column="", message=str(error)))
    return _Found(name=name, rows=rows, troubles=tuple(troubles), file_sha256=sha256_bytes(data))


def _decode(line: bytes) -> dict[str, Any]:
    """Decode one line strictly. Raises: ValueError saying what is wrong with it."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        columns = dict(pairs)
        if len(columns) != len(pairs):
            raise ValueError("a key appears twice")
        return columns

    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    row = json.loads(line.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    if not isinstance(row, dict):
        raise ValueError("expected an object")  # noqa: TRY004  (a value of the file, not a type)
    return row


def _read_parquet(name: str, data: bytes) -> _Found:
    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name}: not a Parquet file that can be read: {error}") from error
    rows = list(enumerate(table.to_pylist(), 1))
    return _Found(name=name, rows=rows, file_sha256=sha256_bytes(data))


_READERS: dict[str, Callable[[str, bytes], _Found]] = {
    ".jsonl": _read_json_lines,
    ".parquet": _read_parquet,
}


def _download(
    dataset: Dataset, settings: Settings, hub: HubApi, load_dataset: LoadDataset
) -> _Found:
    repo = dataset.repo or ""
    what = f"data set {repo}@{dataset.revision or 'its default branch'}"
    with hub_failures(what):
        commit = commit_of(hub.dataset_info(repo, revision=dataset.revision), what)
        rows = load_dataset(
            repo,
            dataset.config,
            split=dataset.split,
            revision=commit,
            cache_dir=str(settings.cache_dir / "datasets"),
        )
        numbered = [(number, dict(row)) for number, row in enumerate(rows, 1)]
    return _Found(name=f"{repo}@{commit}", rows=numbered, revision=commit)


def _load_dataset() -> LoadDataset:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise hub_extra_missing("datasets") from error
    loader: LoadDataset = load_dataset
    return loader


def _checked(found: _Found) -> tuple[Row, ...]:
    """Return the rows, if each is as it should be. Raises: SpecError, all problems at once."""
    troubles = list(found.troubles)
    first_seen: dict[str, int] = {}
    for number, columns in found.rows:
        troubles += [
            _Trouble(row=number, column=column, message=message)
            for column, message in _wrong_columns(columns)
        ]
        identity = columns.get("question_id")
        if isinstance(identity, str):
            first = first_seen.setdefault(identity, number)
            if first != number:
                message = f"{identity!r} is the id of row {first} too"
                troubles.append(_Trouble(row=number, column="question_id", message=message))
    if not found.rows and not troubles:
        troubles.append(_Trouble(row=1, column="", message="there are no rows"))
    if troubles:
        raise _error(found.name, troubles)
    return tuple(
        Row(
            id=columns["question_id"],
            category=columns["category"],
            turns=tuple(columns["turns"]),
            sha256=sha256_value({column: columns[column] for column in _COLUMNS}),
        )
        for _, columns in found.rows
    )


def _wrong_columns(columns: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (column, what is wrong with it) of one row."""
    for column in columns.keys() - _COLUMNS.keys():
        yield column, "not a column of SPEED-Bench"
    for column, (expected, is_good) in _COLUMNS.items():
        if column not in columns:
            yield column, "missing"
        elif not is_good(columns[column]):
            yield column, f"expected {expected}"
        elif column == "turns" and any(PLACEHOLDER in turn for turn in columns[column]):
            yield (
                column,
                "holds SPEED-Bench's placeholder, not a prompt; prepare the full data with the "
                "benchmark's own script and name its file as `source: path`",
            )


def _error(name: str, troubles: list[_Trouble]) -> SpecError:
    troubles.sort(key=lambda trouble: trouble.row)
    problems = [
        Problem(
            path=name, line=trouble.row, column=1, where=trouble.column, message=trouble.message
        )
        for trouble in troubles[:_MOST_PROBLEMS]
    ]
    if more := troubles[_MOST_PROBLEMS:]:
        message = f"and {len(more)} more problems from here on"
        problems.append(Problem(path=name, line=more[0].row, column=1, where="", message=message))
    return SpecError(problems)


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        # JSON can spell half a surrogate pair, which is no character and has no UTF-8.
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_text_or_null(value: Any) -> bool:
    return value in (None, "") or _is_text(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


_COLUMNS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "question_id": ("a text that is not empty", _is_text),
    "category": ("a text that is not empty", _is_text),
    "sub_category": ("a text or null", _is_text_or_null),
    "source": ("a text or null", _is_text_or_null),
    "src_id": ("a text or null", _is_text_or_null),
    "difficulty": ("a text or null", _is_text_or_null),
    "turns": ("a list of texts, none of them empty", _are_texts),
    "multiturn": ("true or false", _is_boolean),
}
"""What a row must have: what was expected, and whether a value is that."""
