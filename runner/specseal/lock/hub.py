"""The model hub's client, as locking uses it.

It is made here and handed in, so that what uses it can be tried against an object that answers like
the hub.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from specseal.errors import LockError, MachineLacks


class HubApi(Protocol):
    """What we call of the model hub's client. Source: `huggingface_hub.HfApi` 0.34 to 2.4."""

    def model_info(self, repo_id: str, *, revision: str | None, files_metadata: bool) -> Any:
        """Return an object with `sha` (the commit) and `siblings` (`rfilename`, `lfs.sha256`)."""

    def dataset_info(self, repo_id: str, *, revision: str | None) -> Any:
        """Return an object with `sha` (the commit)."""

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, local_dir: Path
    ) -> str:
        """Download one file below `local_dir` and return its path."""


def open_hub() -> HubApi:
    """Return the hub's client; a token, where one is needed, it reads from the environment.

    Raises:
        MachineLacks: the optional dependency is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise hub_extra_missing("huggingface_hub") from error
    api: HubApi = HfApi()
    return api


def hub_extra_missing(module: str) -> MachineLacks:
    """Return the error for a part of the `hf` extra that is not installed."""
    return MachineLacks(
        f"`source: hf` needs the Python module {module}, which is not installed",
        mend="pip install 'specseal[hf]'",
    )


@contextmanager
def hub_failures(what: str) -> Iterator[None]:
    """Turn what the hub's libraries raise into one error about `what`.

    Raises:
        MachineLacks: the hub can't be reached, or has not got it for us.
    """
    try:
        yield
    except _hub_error_types() as error:
        # The first line names the trouble; what follows repeats URLs and advice for other tools.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MachineLacks(
            f"{what} can't be had from the hub: {reason}",
            mend="check the name, the revision and the network; a gated repository needs its terms "
            "accepted and a token in HF_TOKEN",
        ) from error


def commit_of(info: Any, what: str) -> str:
    """Return the commit that a revision of a hub repository stands for.

    Raises:
        LockError: the hub's answer holds no 40-hex-digit commit.
    """
    commit = info.sha
    if not isinstance(commit, str) or len(commit) != 40 or set(commit) - set("0123456789abcdef"):
        raise LockError(f"{what}: the hub names no commit for this revision, but {commit!r}")
    return commit


def _hub_error_types() -> tuple[type[Exception], ...]:
    # Before 1.0 all errors of the hub's client were OSErrors; those of its present HTTP library
    # are not, nor are some of the data set library's. Either may be absent where a test hands in
    # a client of its own.
    types: list[type[Exception]] = [OSError, ValueError]
    with suppress(ImportError):
        from huggingface_hub.errors import HTTPError

        types.append(HTTPError)
    with suppress(ImportError):
        from datasets.exceptions import DatasetsError

        types.append(DatasetsError)
    return tuple(types)
