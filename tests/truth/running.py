"""Start the engine as a process of its own, and ask it for the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthEngine:
    """A running engine."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def behave(self, **behaviours: Any) -> None:
        """Change what it does with the requests to come; see `behaviour.read_behaviours`."""
        self._ask("/truth/behaviour", json.dumps(behaviours))

    def reset(self) -> None:
        """Make it forget the requests so far."""
        self._ask("/truth/reset", "{}")

    def requests(self) -> list[dict[str, Any]]:
        """Return what really happened since the last reset, in the order of receipt."""
        entries: list[dict[str, Any]] = json.loads(self._ask("/truth"))["requests"]
        return entries

    def metrics(self) -> str:
        """Return its metrics page."""
        return self._ask("/metrics")

    def _ask(self, path: str, body: str | None = None) -> str:
        data = None if body is None else body.encode()
        with urllib.request.urlopen(self.url + path, data=data, timeout=60) as answer:
            text: str = answer.read().decode()
        return text


@contextmanager
def running(*, cores: Sequence[int] | None = None, **behaviours: Any) -> Iterator[TruthEngine]:
    """Run an engine while the block runs, on certain CPU cores where they are given."""
    command = [sys.executable, "-m", "truth", "--behaviour", json.dumps(behaviours)]
    if cores:
        command = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    environment = {**os.environ, "PYTHONPATH": str(_TESTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the truth engine did not start; see stderr")
            yield TruthEngine(port=int(line), process=process)
        finally:
            process.kill()
