"""What stands in for lscpu in vLLM's image for CPUs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[3] / "images" / "vllm" / "cpu" / "shell.py"


@pytest.fixture
def shell() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shell", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_cores_are_counted_over_all_sockets_and_nodes_are_theirs(
    shell: ModuleType, tmp_path: Path
) -> None:
    # Two sockets of one core each, with two threads; CPU 2 is offline, and CPU 3 on no node.
    for cpu, package, core, node in ((0, 0, 0, 0), (1, 1, 0, 1), (3, 0, 0, None), (4, 1, 0, 1)):
        folder = tmp_path / f"cpu{cpu}"
        (folder / "topology").mkdir(parents=True)
        (folder / "topology" / "physical_package_id").write_text(f"{package}\n")
        (folder / "topology" / "core_id").write_text(f"{core}\n")
        if node is not None:
            (folder / f"node{node}").mkdir()
    (tmp_path / "online").write_text("0-1,3-4\n")
    assert shell.topology(tmp_path) == [
        {"cpu": 0, "core": 0, "node": 0},
        {"cpu": 1, "core": 1, "node": 1},
        {"cpu": 3, "core": 0, "node": 0},
        {"cpu": 4, "core": 1, "node": 1},
    ]


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words], capture_output=True, text=True, check=False
    )


def test_every_cpu_of_this_machine_is_named(shell: ModuleType) -> None:
    done = ask(*shell.COMMAND)
    cpus = json.loads(done.stdout)["cpus"]
    assert len(cpus) == len(shell.online((shell.CPUS / "online").read_text()))


def test_every_other_command_is_refused() -> None:
    done = ask("-c", "pip list")
    assert (done.returncode, done.stdout) == (127, "")
    assert "no shell" in done.stderr
