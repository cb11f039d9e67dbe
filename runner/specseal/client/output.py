"""The one place that writes under `out/`: a failure names the file and ends the job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from specseal.client.errors import InputRefused, OutputFailed
from specseal.records import append_jsonl, write_json_atomically

_OURS = ("records.jsonl", "counts.jsonl", "prompts.jsonl", "tokenizer.json", "status.json")


class Output:
    """A job's output folder. Every method raises OutputFailed where the file can't be written."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that holds no other job's output. Raises: InputRefused."""
        if not folder.is_dir():
            raise InputRefused(f"{folder}: no such folder")
        for name in _OURS:
            if (path := folder / name).exists():
                raise InputRefused(f"{path}: there already; a job needs a folder of its own")
        self._folder = folder

    def append(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Append rows to a JSON-lines file."""
        with _naming(self._folder / name) as path:
            append_jsonl(path, rows)

    def replace(self, name: str, value: Any) -> None:
        """Write or replace a JSON file in one step."""
        with _naming(self._folder / name) as path:
            write_json_atomically(path, value)


@contextmanager
def _naming(path: Path) -> Iterator[Path]:
    try:
        yield path
    except OSError as error:
        raise OutputFailed(f"{path}: can't be written: {error.strerror}") from error
