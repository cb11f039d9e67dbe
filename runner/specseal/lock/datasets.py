"""Data sets: from where a spec says to rows that have been checked, each with a digest.

Rows have SPEED-Bench's columns, whether they come with specseal, from a file beside the spec, from
a hub, or from what was imported on this machine. They are read strictly (`specseal.lock.rows`): a
wrong column or an unfinished download would otherwise be benchmarked without anybody noticing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from specseal.data import BUILTIN
from specseal.digests import Digest
from specseal.errors import InputError, SpecError
from specseal.lock.hub import HubApi, commit_of, hub_extra_missing, hub_failures, open_hub
from specseal.lock.imported import find_imported
from specseal.lock.models import beside_spec
from specseal.lock.rows import (
    Found,
    Row,
    Trouble,
    problems_of,
    read_json_lines,
    read_parquet,
    rows_of,
    troubles_of,
)
from specseal.lock.speed_bench import SPEED_BENCH, troubles_of_config
from specseal.settings import Settings
from specseal.spec.model import Dataset

LoadDataset = Callable[..., Iterable[dict[str, Any]]]
"""Called as `datasets.load_dataset(repo, config, split=…, revision=…, cache_dir=…)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPin:
    """A data set's rows, in its own order, and where they were found."""

    source: dict[str, Any]
    """What the spec says, unset fields left out."""
    revision: str | None
    """The commit, for a hub repository."""
    file_sha256: Digest | None
    """Of the file, where there is one; of what was imported, in its canonical form."""
    restricted: bool
    """Whether prompts must stay out of bundles: true for all that does not come with specseal."""
    rows: tuple[Row, ...]


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
        MachineLacks: the hub can't be reached, the `hf` extra is not installed, or SPEED-Bench was
            not imported.
    """
    if dataset.kind == "builtin":
        found = _find_builtin(dataset)
    elif dataset.kind == "path":
        found = _read_file(dataset.path or "", spec_folder)
    elif dataset.kind == SPEED_BENCH:
        found = find_imported(dataset.config or "", dataset.sha256, settings=settings)
    else:
        found = _download(dataset, settings, hub or open_hub(), load_dataset or _load_dataset())
    return DatasetPin(
        source={key: value for key, value in asdict(dataset).items() if value is not None},
        revision=found.revision,
        file_sha256=found.file_sha256,
        restricted=dataset.kind != "builtin",
        rows=_checked(found, dataset),
    )


def as_locked(dataset: Dataset, locked: dict[str, Any]) -> Dataset:
    """Return a data set pinned as a lock pins it, whatever else there is by now.

    Args:
        dataset: what the spec names.
        locked: the lock's section `dataset`.
    """
    if dataset.kind == SPEED_BENCH:
        return replace(dataset, sha256=locked["file_sha256"])
    return replace(dataset, revision=locked["revision"])


def _find_builtin(dataset: Dataset) -> Found:
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
    return read_json_lines(f"{dataset.name}/{dataset.split}", give())


def _read_file(path: str, spec_folder: Path) -> Found:
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


_READERS: dict[str, Callable[[str, bytes], Found]] = {
    ".jsonl": read_json_lines,
    ".parquet": read_parquet,
}


def _download(
    dataset: Dataset, settings: Settings, hub: HubApi, load_dataset: LoadDataset
) -> Found:
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
    return Found(name=f"{repo}@{commit}", rows=numbered, revision=commit)


def _load_dataset() -> LoadDataset:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise hub_extra_missing("datasets") from error
    loader: LoadDataset = load_dataset
    return loader


def _checked(found: Found, dataset: Dataset) -> tuple[Row, ...]:
    """Return the rows, if each is as it should be. Raises: SpecError, all problems at once."""
    troubles: list[Trouble] = troubles_of(found)
    if dataset.kind == SPEED_BENCH:
        troubles += troubles_of_config(found, dataset.config or "")
    if troubles:
        raise SpecError(problems_of(found.name, troubles))
    return rows_of(found)
