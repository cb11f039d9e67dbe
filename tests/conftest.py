"""Fixtures that several kinds of test share: real services, and a real llama.cpp server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import hypothesis
import pytest

import registries
from attacks.builder import GoodBundle
from specseal.engines import LaunchRequest, engine, filled
from specseal.errors import MachineLacks
from specseal.images import build_environments
from specseal.lock import Draft, Inputs, ModelPin, Store, materialise, pin_inputs
from specseal.runtimes import connect
from specseal.settings import Settings, load_settings
from specseal.spec import load_spec

REPOSITORY = Path(__file__).parents[1]
QUICKSTART = REPOSITORY / "specs" / "quickstart.yaml"


# How fast the machine is must not decide a test.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """Undo what a background shell or nohup did to signals, which every child would inherit."""
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> GoodBundle:
    """A small good bundle, and its key; not to be changed."""
    return GoodBundle(tmp_path_factory.mktemp("good"))


@pytest.fixture
def bundle(good: GoodBundle, tmp_path: Path) -> Path:
    """A copy of the good bundle, to be spoilt."""
    return good.copy(tmp_path / "bundle")


def lacking(what: str) -> None:
    """Skip a test for want of a service, or fail it where every service is required."""
    if os.environ.get("SPECSEAL_REQUIRE_SERVICES"):
        pytest.fail(f"required here, and missing: {what}")
    pytest.skip(what)


@contextmanager
def needed() -> Iterator[None]:
    """Skip a test for what specseal says this machine lacks, or fail it; see `lacking`."""
    try:
        yield
    except MachineLacks as error:
        lacking(error.message)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with this machine's cache, and keys, runs and trust of the tests' own."""
    folder = tmp_path_factory.mktemp("site")
    found = load_settings(os.environ, folder)
    return replace(
        found,
        config_dir=folder / "config",
        runs_dir=folder / "runs",
        signing_key=folder / "config" / "signing-key.pem",
    )


@pytest.fixture(scope="session")
def docker_client(site: Settings) -> docker.DockerClient:
    with needed():
        return connect(site)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            lacking(f"the program {program} is not installed")
    with registries.running(tmp_path_factory.mktemp("registry")) as started:
        yield started


@pytest.fixture(scope="session")
def quickstart_draft(site: Settings) -> Draft:
    """The quickstart's inputs, resolved; its prompts are not encoded yet."""
    spec = load_spec(QUICKSTART)
    inputs = Inputs(spec_folder=QUICKSTART.parent, settings=site, store=Store(site.cache_dir))
    with needed():
        return pin_inputs(spec, inputs, spec_sha256=spec.digest)


@pytest.fixture(scope="session")
def model_folder(site: Settings, quickstart_draft: Draft) -> Path:
    assert isinstance(quickstart_draft.model, ModelPin)
    with needed():
        return materialise(
            quickstart_draft.model,
            spec_folder=QUICKSTART.parent,
            settings=site,
            store=Store(site.cache_dir),
            into=site.cache_dir / "models" / "tests",
        )


@pytest.fixture(scope="session")
def llamacpp_server(
    site: Settings, quickstart_draft: Draft, model_folder: Path
) -> Callable[..., AbstractContextManager[int]]:
    """Start a real llama.cpp server with a draft length (0: autoregressive); yields its port.

    It drafts from n-grams, or by a model where `drafter` names its file; other fields of the
    request may be named too.
    """
    lock = quickstart_draft.lock
    with needed():
        programs = build_environments(lock, settings=site, say=print)

    @contextmanager
    def started(draft_length: int, drafter: Path | None = None, **asked: Any) -> Iterator[int]:
        drafts = "draft_model" if drafter else "ngram"
        request = LaunchRequest(
            method=drafts if draft_length else "none",
            draft_length=draft_length,
            drafter_args={},
            has_drafter_model=drafter is not None,
            max_sequences=4,
            engine=lock.engine,
        )
        launch = engine("llamacpp").launch(replace(request, **asked))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        model = str(model_folder / lock.model["load"])
        values = {"model": model, "drafter": str(drafter), "port": str(port), "threads": "2"}
        command = [*programs.engine, *filled(launch.args, values)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait_healthy(f"http://127.0.0.1:{port}/health", process)
                yield port
            finally:
                process.terminate()

    return started


def _wait_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server died while starting"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the server did not get healthy")
