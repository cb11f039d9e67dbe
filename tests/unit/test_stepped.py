"""Preparation steps of a model: done once a machine, done again where lost, and then the same."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from specseal import stepped
from specseal.digests import Digest, sha256_file
from specseal.errors import LockError
from specseal.lock import Inputs, Store
from specseal.lock.models import lock_model
from specseal.lock.steps import steps_for
from specseal.runtimes import ProgramRun
from specseal.settings import Settings
from specseal.spec.locked import Lock
from specseal.spec.model import Source
from specseal.stepped import Models

LAYERS = 3
SOURCE = Source(kind="path", path="model", first_layers=2, convert="safetensors")


def gguf(layers: int) -> bytes:
    """Return a GGUF file of version 3: two keys, and a tensor of 32 bytes a layer."""

    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    head = struct.pack("<4sIQQ", b"GGUF", 3, layers, 2)
    head += text(b"general.architecture") + struct.pack("<I", 8) + text(b"tiny")
    head += text(b"tiny.block_count") + struct.pack("<II", 4, layers)
    for layer in range(layers):
        head += text(b"blk.%d.weight" % layer) + struct.pack("<IQIQ", 1, 8, 0, 32 * layer)
    head += bytes(-len(head) % 32)
    return head + b"".join(bytes([layer]) * 32 for layer in range(layers))


@dataclass
class FakeConverter:
    """Stands for the program of `images/convert`."""

    weights: bytes = b"weights of "
    seen: list[Digest] = field(default_factory=list)

    def run_alone(self, run: ProgramRun) -> None:
        (model,) = run.model.glob("*.gguf")
        self.seen.append(sha256_file(model))
        (run.out / "model.safetensors").write_bytes(self.weights + self.seen[-1].encode())
        (run.out / "config.json").write_text("{}")


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> FakeConverter:
    fake = FakeConverter()
    monkeypatch.setattr(stepped, "make_program_ready", lambda *_: fake)
    return fake


@pytest.fixture
def models(tmp_path: Path) -> Models:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.gguf").write_bytes(gguf(LAYERS))
    settings = Settings(
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path,
        runs_dir=tmp_path,
        signing_key=tmp_path / "key",
    )
    inputs = Inputs(spec_folder=tmp_path, settings=settings, store=Store(settings.cache_dir))
    return Models(inputs=inputs, runtime="native", say=lambda line: None)


@pytest.fixture
def lock(models: Models) -> Lock:
    """A lock whose model has two steps before it, neither of them done."""
    pin = lock_model(
        SOURCE,
        spec_folder=models.inputs.spec_folder,
        settings=models.inputs.settings,
        store=models.inputs.store,
    )
    none: dict[str, Any] = {"files": [], "steps": [], "load": "", "revision": None, "archive": None}
    section = none | {"steps": steps_for(SOURCE, pin)}
    return Lock(
        spec={"model": pin.source, "drafter": None},
        engine={"name": "vllm"},
        client={}, model=section, drafter=none, dataset={}, encoder=None, prompts={}, sampling={},
        hardware={}, points={},
    )  # fmt: skip


def test_each_step_starts_from_what_the_one_before_made(
    models: Models, lock: Lock, converter: FakeConverter
) -> None:
    done = models.complete(lock).model
    cut, converted = done["steps"]
    assert [file["path"] for file in cut["from"]] == ["tiny.gguf"]
    assert [file["sha256"] for file in converted["from"]] == converter.seen
    assert converter.seen != [cut["from"][0]["sha256"]]
    assert [file["path"] for file in done["files"]] == ["config.json", "model.safetensors"]
    assert done["load"] == "."


def test_steps_are_done_once_a_machine(
    models: Models, lock: Lock, converter: FakeConverter
) -> None:
    first = models.complete(lock)
    assert models.complete(lock) == first
    assert len(converter.seen) == 1


def test_an_outcome_that_is_lost_is_made_again(
    models: Models, lock: Lock, converter: FakeConverter
) -> None:
    done = models.complete(lock)
    lose(models, done.model)
    folder = models.folder(done.model, done.spec["model"], done)
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert len(converter.seen) == 2


def test_an_outcome_that_comes_out_otherwise_is_refused(
    models: Models, lock: Lock, converter: FakeConverter
) -> None:
    done = models.complete(lock)
    lose(models, done.model)
    converter.weights = b"other weights of "
    with pytest.raises(LockError, match="otherwise than locked"):
        models.folder(done.model, done.spec["model"], done)


def test_a_model_without_steps_is_left_as_it_is(
    models: Models, lock: Lock, converter: FakeConverter
) -> None:
    plain = replace(lock, model={**lock.model, "steps": []})
    assert models.complete(plain) == plain
    assert converter.seen == []


def lose(models: Models, section: dict[str, Any]) -> None:
    """Take the outcome's files out of the store."""
    for file in section["files"]:
        models.inputs.store.get(Digest(file["sha256"])).unlink()
