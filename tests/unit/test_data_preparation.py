"""What the official prepare step is run with, and that none of its failures is kept in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from specseal import data_preparation, owner
from specseal.data_preparation import (
    CODE_COMMIT,
    DATA_REVISION,
    Program,
    prepare_speed_bench,
    step_run,
)
from specseal.errors import MachineLacks, RunFailed
from specseal.lock import CONFIGS, ImportedCopy, imported_copies
from specseal.lock.rows import PLACEHOLDER
from specseal.runtimes import ProgramRun, containers
from specseal.settings import Settings
from speedbench import WORDS, good_rows, write_parquet

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SOURCES = {"nvidia/SPEED-Bench": [DATA_REVISION], "cais/hle": ["a" * 40]}
TOKEN = "hf_not-for-any-log"


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache", config_dir=tmp_path, runs_dir=tmp_path,
        signing_key=tmp_path / "key",
    )  # fmt: skip


class Step:
    """Stands for the container: does what it is told in the folder that it is given."""

    def __init__(self, act: Callable[[ProgramRun], None]) -> None:
        self.act = act
        self.runs: list[ProgramRun] = []

    def run_alone(self, run: ProgramRun) -> None:
        self.runs.append(run)
        self.act(run)

    @property
    def program(self) -> Program:
        @contextmanager
        def started(*_: object) -> Iterator[Step]:
            yield self

        return started


def leave(out: Path, *configs: str, **changed: Any) -> None:
    """Leave what the step leaves; the seventh row of each configuration may be changed."""
    for config in configs:
        rows = good_rows(config)
        rows[6].update(changed)
        write_parquet(out / "speed", config, rows)
    note = {"code": CODE_COMMIT, "data_set": DATA_REVISION, "sources": SOURCES}
    (out / "prepared.json").write_text(json.dumps(note))


def prepare(site: Settings, step: Step, *configs: str, **environ: str) -> list[ImportedCopy]:
    said: list[str] = []
    return prepare_speed_bench(
        configs, settings=site, environ=environ, counter=WORDS, now=NOW, say=said.append,
        program=step.program,
    )  # fmt: skip


def test_what_the_step_leaves_is_imported_with_what_it_was_made_of(site: Settings) -> None:
    step = Step(lambda run: leave(run.out, "qualitative", "throughput_1k"))
    copies = prepare(site, step, "qualitative", "throughput_1k")
    assert [copy.config for copy in copies] == ["qualitative", "throughput_1k"]
    assert copies == imported_copies(site)
    assert copies[0].prepared_by == {
        "repository": "https://github.com/NVIDIA/Model-Optimizer.git",
        "commit": CODE_COMMIT,
        "data_revision": DATA_REVISION,
        "sources": SOURCES,
    }
    assert list(site.cache_dir.glob("speed-bench-*")) == []


def test_without_a_choice_every_configuration_is_prepared(tmp_path: Path, site: Settings) -> None:
    step = Step(lambda run: None)
    with pytest.raises(RunFailed):
        prepare(site, step)
    (run,) = step.runs
    words = iter(run.args)
    assert [next(words) for word in words if word == "--config"] == list(CONFIGS)


def test_step_runs_in_a_container_of_its_own_with_a_network(tmp_path: Path, site: Settings) -> None:
    run = step_run(["qualitative"], tmp_path, settings=site, environ={"HF_TOKEN": TOKEN})
    settings = containers._program_settings(run, "65532:65532", tmp_path / "scratch")
    assert settings["command"] == [
        "--repository", "https://github.com/NVIDIA/Model-Optimizer.git",
        "--commit", CODE_COMMIT, "--revision", DATA_REVISION,
        "--config", "qualitative", "--out", "/made",
    ]  # fmt: skip
    assert settings["network_mode"] == "bridge"
    assert [(one["Target"], one["ReadOnly"]) for one in settings["mounts"]] == [
        ("/scratch", False), ("/made", False),
    ]  # fmt: skip
    assert settings["environment"]["HF_TOKEN"] == TOKEN
    assert settings["environment"]["HF_HUB_OFFLINE"] == "0"
    assert settings["read_only"]
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges"]


def test_certificates_of_the_site_are_believed_in_the_container(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    site = Settings(
        cache_dir=tmp_path, config_dir=tmp_path, runs_dir=tmp_path, signing_key=tmp_path,
        ca_bundle=bundle,
    )  # fmt: skip
    run = step_run(["qualitative"], tmp_path, settings=site, environ={})
    settings = containers._program_settings(run, "65532:65532", tmp_path / "scratch")
    (mount,) = [one for one in settings["mounts"] if one["Source"] == str(bundle)]
    assert mount["ReadOnly"]
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        assert settings["environment"][name] == mount["Target"]
    assert "HF_TOKEN" not in settings["environment"]


@pytest.mark.parametrize("variable", [TOKEN, f"{TOKEN}\n"])
def test_step_that_fails_is_told_with_its_last_words_but_not_the_token(
    variable: str, site: Settings
) -> None:
    def fail(run: ProgramRun) -> None:
        raise run.refuse(1, f"Traceback\nGatedRepoError: 403 for {TOKEN}: ask for access")

    with pytest.raises(RunFailed) as caught:
        prepare(site, Step(fail), "qualitative", HF_TOKEN=variable)
    assert "SPEED-Bench's prepare step ended with exit code 1" in caught.value.message
    assert "403 for (token): ask for access" in caught.value.message
    assert "nothing was imported" in caught.value.message
    assert TOKEN not in str(caught.value)
    assert "HF_TOKEN" in caught.value.mend
    assert imported_copies(site) == []


def test_container_engine_that_refuses_is_no_matter_of_a_gated_source(site: Settings) -> None:
    def refuse(run: ProgramRun) -> None:
        raise RunFailed(f"the container engine refused: network bridge not found for {TOKEN}")

    with pytest.raises(RunFailed, match=r"bridge not found for \(token\)\nnothing was") as caught:
        prepare(site, Step(refuse), "qualitative", HF_TOKEN=TOKEN)
    assert "HF_TOKEN" not in caught.value.mend
    assert "see what the container engine lacks" in caught.value.mend
    assert "specseal data import PATH" in caught.value.mend


def test_configuration_that_is_named_twice_is_prepared_once(site: Settings) -> None:
    step = Step(lambda run: leave(run.out, "qualitative"))
    assert len(prepare(site, step, "qualitative", "qualitative")) == 1
    assert step.runs[0].args.count("--config") == 1


def test_file_that_the_step_leaves_half_is_told_as_the_steps_failure(site: Settings) -> None:
    def leave_half(run: ProgramRun) -> None:
        leave(run.out, "qualitative", "throughput_1k")
        path = run.out / "speed" / "throughput_1k" / "test.parquet"
        path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(RunFailed, match="ended well, and what it left is not whole") as caught:
        prepare(site, Step(leave_half), "qualitative", "throughput_1k")
    assert "throughput_1k/test.parquet:1:1: not a Parquet file" in caught.value.message
    assert imported_copies(site) == []


def test_step_that_leaves_out_a_configuration_is_told_and_nothing_is_kept(site: Settings) -> None:
    step = Step(lambda run: leave(run.out, "qualitative"))
    with pytest.raises(RunFailed, match=r"ended well[^:]*nothing was imported:\n.*no file of thro"):
        prepare(site, step, "qualitative", "throughput_1k")
    assert imported_copies(site) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"turns": [f"{PLACEHOLDER}\n\nAnswer {{question}}"]}, "test.parquet:7:1: turns: holds SP"),
        ({"turns": ["too short"]}, "test.parquet:7:1: turns: 2 tokens; expected"),
        ({"category": "mixed"}, "511 rows of low_entropy in all"),
    ],
)
def test_step_that_fails_in_silence_is_told_by_row_and_nothing_is_kept(
    changed: dict[str, Any], said: str, site: Settings
) -> None:
    def leave_one_wrong(run: ProgramRun) -> None:
        leave(run.out, "qualitative")
        leave(run.out, "throughput_1k", **changed)

    with pytest.raises(RunFailed, match="ended well, and what it left is not whole") as caught:
        prepare(site, Step(leave_one_wrong), "qualitative", "throughput_1k")
    assert said in caught.value.message
    assert imported_copies(site) == []


def test_step_without_a_note_of_its_sources_is_not_believed(site: Settings) -> None:
    def leave_no_note(run: ProgramRun) -> None:
        leave(run.out, "qualitative")
        (run.out / "prepared.json").unlink()

    with pytest.raises(RunFailed, match="left no note of what it fetched"):
        prepare(site, Step(leave_no_note), "qualitative")
    assert imported_copies(site) == []


def test_what_a_killed_specseal_left_is_removed_and_what_another_is_at_is_not(
    site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = owner.this_owner()
    dead = f"{living}0"
    for name, text in (("speed-bench-dead", dead), ("speed-bench-living", living)):
        (site.cache_dir / name / "out").mkdir(parents=True)
        (site.cache_dir / name / "owner").write_text(text)
    prepare(site, Step(lambda run: leave(run.out, "qualitative")), "qualitative")
    assert [path.name for path in site.cache_dir.glob("speed-bench-*")] == ["speed-bench-living"]

    removed: list[str] = []
    containers = [
        SimpleNamespace(
            labels={owner.LABEL: text}, remove=lambda text=text, **_: removed.append(text)
        )
        for text in (dead, living)
    ]
    client = SimpleNamespace(
        containers=SimpleNamespace(list=lambda **_: containers), close=lambda: None
    )
    monkeypatch.setattr(data_preparation, "connect", lambda _: client)
    monkeypatch.setattr(data_preparation, "build_program", lambda *_, **__: "image")
    with data_preparation._container(site, print):
        assert removed == [dead]


def test_without_a_container_engine_it_says_what_to_do_instead(
    tmp_path: Path, site: Settings
) -> None:
    nowhere = Settings(
        cache_dir=site.cache_dir, config_dir=tmp_path, runs_dir=tmp_path, signing_key=tmp_path,
        docker_host=f"unix://{tmp_path}/none.sock",
    )  # fmt: skip
    with pytest.raises(MachineLacks, match="no container engine answers") as caught:
        prepare_speed_bench(
            ["qualitative"], settings=nowhere, environ={}, counter=WORDS, now=NOW, say=print
        )
    assert "specseal data import PATH" in caught.value.mend
