"""GGUF into safetensors: the same bytes every time, whichever runtime does it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from conftest import needed
from specseal.lock import Draft, Store, pin_folder
from specseal.lock.steps import steps_for
from specseal.programs import make_program_ready
from specseal.runtimes import ProgramRun
from specseal.settings import Settings
from specseal.spec.model import Source

pytestmark = [pytest.mark.slow, pytest.mark.engine]

CONVERT = Source(kind="pypi", convert="safetensors")
Files = list[dict[str, Any]]


def converted(name: str, out: Path, draft: Draft, model: Path, site: Settings) -> Files:
    """Convert the quickstart's model on a runtime; return the outcome's files with digests."""
    assert draft.model is not None
    (step,) = steps_for(CONVERT, draft.model)
    out.mkdir()
    with needed():
        program = make_program_ready(name, step["program"], draft.lock, site, print)
    program.run_alone(
        ProgramRun(
            args=("--model", "{model}", "--out", "{out}"), model=model, out=out, name="convert"
        )
    )
    return [asdict(file) for file in pin_folder(out, Store(site.cache_dir))]


@pytest.fixture(scope="module")
def natively(
    tmp_path_factory: pytest.TempPathFactory,
    quickstart_draft: Draft,
    model_folder: Path,
    site: Settings,
) -> tuple[Path, Files]:
    out = tmp_path_factory.mktemp("natively") / "out"
    return out, converted("native", out, quickstart_draft, model_folder, site)


def test_the_outcome_is_what_engines_load(natively: tuple[Path, Files]) -> None:
    out, files = natively
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {
        file["path"] for file in files
    }
    config = json.loads((out / "config.json").read_bytes())
    assert (config["dtype"], config["num_hidden_layers"]) == ("bfloat16", 30)
    assert "quantization_config" not in config


@pytest.mark.parametrize("runtime", ["native", pytest.param("docker", marks=pytest.mark.docker)])
def test_converting_again_gives_the_same_bytes(
    runtime: str,
    natively: tuple[Path, Files],
    tmp_path: Path,
    quickstart_draft: Draft,
    model_folder: Path,
    site: Settings,
    request: pytest.FixtureRequest,
) -> None:
    if runtime == "docker":
        request.getfixturevalue("docker_client")
    tmp_path.chmod(0o755)
    again = converted(runtime, tmp_path / "out", quickstart_draft, model_folder, site)
    assert again == natively[1]
