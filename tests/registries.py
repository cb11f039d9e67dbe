"""A real container registry on loopback, for the tests that resolve, push and pull."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from specseal.http import open_session
from specseal.lock.registry import ImagePin, resolve_image

START_DEADLINE_S = 30
CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}, cache: {{blobdescriptor: ""}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


@dataclass
class Registry:
    """A registry on loopback and the folder in which it keeps its blobs."""

    host: str
    storage: Path

    def push(self, layout: Path, tag: str) -> None:
        command = ["skopeo", "copy", "--all", "--quiet", "--dest-tls-verify=false"]
        command += [f"oci:{layout}", f"docker://{self.host}/tools/tiny:{tag}"]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def resolve(self, version: str, **options: Any) -> ImagePin:
        with open_session(attempts=2, backoff_s=0) as session:
            return resolve_image(
                f"{self.host}/tools/tiny{version}",
                mirrors={self.host: f"http://{self.host}"},
                session=session,
                **options,
            )

    def blob(self, sha256: str) -> Path:
        (path,) = self.storage.glob(f"docker/registry/v2/blobs/sha256/*/{sha256}/data")
        return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(process: subprocess.Popen[bytes], host: str) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the registry ended by itself"
        try:
            with requests.get(f"http://{host}/v2/", timeout=5):
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail(f"the registry did not answer within {START_DEADLINE_S} s")


@contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """Run a registry that keeps everything in `folder`."""
    port = free_port()
    config = folder / "config.yml"
    config.write_text(CONFIG.format(root=folder / "storage", port=port))
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log) as run,
    ):
        try:
            host = f"127.0.0.1:{port}"
            wait_until_it_answers(run, host)
            yield Registry(host=host, storage=folder / "storage")
        finally:
            run.terminate()
