"""The program that runs SPEED-Bench's prepare step: whose code it runs, and on which data."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

PROGRAM = Path(__file__).parents[3] / "images" / "speed-bench" / "prepare.py"
REVISION = "d" * 40
FLAGS = """\
import argparse, pathlib
flags = argparse.ArgumentParser()
for name in ("--dataset", "--config", "--output_dir"):
    flags.add_argument(name)
given = flags.parse_args()
out = pathlib.Path(given.output_dir) / given.dataset / given.config
out.mkdir(parents=True)
"""
STEP = f"""\
{FLAGS}
from datasets import load_dataset
rows = load_dataset("nvidia/SPEED-Bench", given.config, split="test")
others = load_dataset("someone/else")
(out / "test.parquet").write_text(f"{{rows}} {{others}} {{VERSION}}")
"""
FAKES = {
    # What the step's own dependencies are asked.
    "datasets.py": "def load_dataset(path, *args, **named):\n"
    "    return f'{path}@{named.get(\"revision\")}'\n",
    "huggingface_hub.py": "from types import SimpleNamespace as N\n"
    "def scan_cache_dir(cache):\n"
    "    return N(repos=[N(repo_id='b/b', revisions=[N(commit_hash='2'), N(commit_hash='1')]),\n"
    "                    N(repo_id='a/a', revisions=[N(commit_hash='3')])])\n",
}


@dataclass(frozen=True)
class Repository:
    """A git repository with the step in it, in a folder that is to be made."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.git("init", "--quiet")

    def commit(self, step: str) -> str:
        """Commit a text of the step; return the commit."""
        folder = self.folder / "examples" / "specdec_bench"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prepare_data.py").write_text(step)
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to("/etc/passwd")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "the step")
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        who = {f"GIT_{role}_{what}": "t@t" for role in ("AUTHOR", "COMMITTER")
               for what in ("NAME", "EMAIL")}  # fmt: skip
        done = subprocess.run(
            ["git", "-C", str(self.folder), *words],
            env={**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def version(number: int) -> str:
    return f"VERSION = {number}\n{STEP}"


def run(repository: Repository, commit: str, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as its container would, with the step's dependencies stood in for."""
    fakes = out.with_name("fakes")
    fakes.mkdir()
    for name, text in FAKES.items():
        (fakes / name).write_text(text)
    out.mkdir()
    words = ["--repository", str(repository.folder), "--commit", commit, "--revision", REVISION]
    words += ["--config", "qualitative", "--config", "throughput_1k", "--out", str(out)]
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(fakes), "HOME": str(fakes)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_step_is_that_of_the_commit_and_the_data_that_of_the_revision(
    repository: Repository, tmp_path: Path
) -> None:
    commit = repository.commit(version(1))
    repository.commit(version(2))
    done = run(repository, commit, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for config in ("qualitative", "throughput_1k"):
        made = (tmp_path / "out" / "speed" / config / "test.parquet").read_text()
        assert made == f"nvidia/SPEED-Bench@{REVISION} someone/else@None 1"
    note = json.loads((tmp_path / "out" / "prepared.json").read_text())
    assert (note["code"], note["data_set"]) == (commit, REVISION)


def test_commit_that_the_repository_has_not_got_is_an_error(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit(version(1))
    done = run(repository, "0" * 40, tmp_path / "out")
    assert done.returncode != 0
    assert not (tmp_path / "out" / "prepared.json").exists()


def test_step_that_fails_ends_the_program(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit("raise ConnectionError('a source does not answer')\n")
    done = run(repository, commit, tmp_path / "out")
    assert done.returncode != 0
    assert "a source does not answer" in done.stderr


def test_object_with_other_content_than_its_id_says_is_refused() -> None:
    sent = SimpleNamespace(type_name=b"blob", as_raw_string=lambda: b"print('something else')\n")
    with pytest.raises(SystemExit, match="has other content"):
        load_program().checked({b"1" * 40: sent}, b"1" * 40)


def test_name_that_leads_out_of_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = load_program()
    tree = SimpleNamespace(iteritems=lambda: [(b"../out.py", 0o100644, b"1" * 40)])
    monkeypatch.setattr(program, "checked", lambda store, identity: tree)
    with pytest.raises(SystemExit, match="is no file name"):
        program.write_tree({}, b"2" * 40, tmp_path / "step")


def test_sources_are_noted_by_name_with_their_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = ModuleType("huggingface_hub")
    exec(FAKES["huggingface_hub.py"], hub.__dict__)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    program = load_program()
    assert program.fetched_sources(tmp_path) == {"a/a": ["3"], "b/b": ["1", "2"]}
    assert program.fetched_sources(tmp_path / "none") == {}
