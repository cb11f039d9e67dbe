"""Which runtime is taken, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from specseal import programs
from specseal.errors import InputError, MachineLacks
from specseal.settings import Settings
from specseal.spec import Spec, load_spec

QUICKSTART = load_spec(Path(__file__).parents[2] / "specs" / "quickstart.yaml")
SERVER = replace(QUICKSTART, engine=replace(QUICKSTART.engine, url="http://127.0.0.1:8000"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path, config_dir=tmp_path, runs_dir=tmp_path, signing_key=tmp_path / "key",
        debian_mirror="http://debian.test/debian",
    )  # fmt: skip


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container engine answers."""
    client = SimpleNamespace(version=lambda: {"Version": "28.2"}, close=lambda: None)
    monkeypatch.setattr(programs, "connect", lambda settings: client)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No container engine answers."""

    def connect(settings: Settings) -> Any:
        raise MachineLacks("no container engine answers at unix:///nowhere")

    monkeypatch.setattr(programs, "connect", connect)


def choose(choice: str, settings: Settings, spec: Spec = QUICKSTART) -> tuple[str, str]:
    """Return the choice, and the one line that was said."""
    said: list[str] = []
    name = programs.choose(choice, spec, settings, said.append)
    (line,) = said
    return name, line


def test_native_is_taken_as_asked_and_asks_no_container_engine(settings: Settings) -> None:
    nowhere = replace(settings, docker_host="unix:///nowhere")
    assert choose("native", nowhere) == ("native", "runtime: native, as asked (isolation: none)")


@pytest.mark.usefixtures("answering")
def test_docker_is_taken_as_asked(settings: Settings) -> None:
    assert choose("docker", settings) == ("docker", "runtime: docker 28.2, as asked")


@pytest.mark.usefixtures("answering")
def test_auto_takes_the_container_engine_that_answers(settings: Settings) -> None:
    name, line = choose("auto", settings)
    assert (name, line) == ("docker", "runtime: docker 28.2, because a container engine answers")


@pytest.mark.usefixtures("silent")
def test_auto_runs_natively_where_none_answers_and_says_why(settings: Settings) -> None:
    name, line = choose("auto", settings)
    assert name == "native"
    assert line == (
        "runtime: native (isolation: none), because no container engine answers at unix:///nowhere"
    )


@pytest.mark.usefixtures("silent")
def test_docker_that_is_asked_for_and_missing_is_refused(settings: Settings) -> None:
    with pytest.raises(MachineLacks, match="no container engine answers"):
        choose("docker", settings)


@pytest.mark.usefixtures("answering")
def test_a_running_server_is_measured_natively_whatever_could_run_containers(
    settings: Settings,
) -> None:
    name, line = choose("auto", settings, SERVER)
    assert (name, "running server" in line) == ("native", True)


def test_a_running_server_in_a_container_is_refused(settings: Settings) -> None:
    with pytest.raises(InputError, match="outside of every container"):
        choose("docker", settings, SERVER)
