"""From a Spec to a lock without prompts: every other input resolved to a digest.

The first of two steps, because prompts of a GGUF model can only be encoded by the engine itself:
from what is pinned here images can be built, and `specseal.lock.prompts` then completes the lock.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.engines.base import accelerator_family
from specseal.errors import LockError
from specseal.image_inputs import describe_client_source, describe_image
from specseal.lock.datasets import DatasetPin, Row, load_rows
from specseal.lock.draftable import read_draftable
from specseal.lock.http import open_session
from specseal.lock.models import ModelPin, lock_model, materialise
from specseal.lock.registry import parse_reference, resolve_image
from specseal.lock.store import Store
from specseal.lock.wheels import read_requirements
from specseal.settings import Settings, images_folder
from specseal.spec.locked import Lock
from specseal.spec.model import Dataset, Source, Spec

DEFAULT_CONTEXT_TOKENS = 4096
MAY_REDUCE_VOCABULARY = ("eagle3",)
"""Methods whose drafter may know a part of the target's vocabulary only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A lock without prompts, and the texts they are to be made from."""

    lock: Lock
    model: ModelPin | None
    """None for a running server."""
    rows: tuple[Row, ...]


@dataclass(slots=True, kw_only=True)
class Inputs:
    """Finds models and data sets, each once however many variants of a sweep name it."""

    spec_folder: Path
    settings: Settings
    store: Store
    _models: dict[Digest, ModelPin] = field(default_factory=dict)
    _datasets: dict[Digest, DatasetPin] = field(default_factory=dict)

    def model(self, source: Source) -> ModelPin:
        """Return a model's pin. Raises: LockError, MachineLacks, InputError."""
        key = sha256_value(asdict(source))
        if key not in self._models:
            self._models[key] = lock_model(
                source, spec_folder=self.spec_folder, settings=self.settings, store=self.store
            )
        return self._models[key]

    def dataset(self, dataset: Dataset) -> DatasetPin:
        """Return a data set's rows. Raises: LockError, MachineLacks, InputError."""
        key = sha256_value(asdict(dataset))
        if key not in self._datasets:
            self._datasets[key] = load_rows(
                dataset, spec_folder=self.spec_folder, settings=self.settings
            )
        return self._datasets[key]


def pin_inputs(spec: Spec, inputs: Inputs, *, spec_sha256: Digest) -> Draft:
    """Resolve everything but the prompts.

    Args:
        spec: one variant of a spec.
        inputs: where models and data sets are found.
        spec_sha256: digest of the whole spec.

    Raises:
        LockError, MachineLacks: an input can't be had or is not what it should be.
        InputError: a data set's rows are not of the right form.
    """
    dataset = inputs.dataset(spec.workload.dataset)
    model = None if spec.model.kind == "none" else inputs.model(spec.model)
    lock = Lock(
        spec={
            "name": spec.name,
            "sha256": spec_sha256,
            "model": model.source if model else {"kind": "none"},
            "dataset": dataset.source,
            "image": spec.engine.image_ref,
            "url": spec.engine.url,
        },
        engine=_engine(spec, inputs.settings),
        client={
            "image": _built_image("client", "requirements.txt"),
            "source": dict(describe_client_source(Path(__file__).parents[1])),
        },
        model=_model(spec, model),
        drafter=_drafter(spec, inputs),
        dataset={
            "revision": dataset.revision,
            "file_sha256": dataset.file_sha256,
            "restricted": dataset.restricted,
            "rows": [{"id": row.id, "sha256": row.sha256} for row in dataset.rows],
        },
        prompts={},
        sampling={**asdict(spec.workload.sampling), "stop": list(spec.workload.sampling.stop)},
        hardware=asdict(spec.hardware),
        points=_points(spec),
    )
    return Draft(lock=lock, model=model, rows=dataset.rows)


def _engine(spec: Spec, settings: Settings) -> dict[str, Any]:
    engine = spec.engine
    family = accelerator_family(spec.hardware.accelerator)
    common = {"name": engine.name, "version": engine.version, "family": family}
    if engine.url is not None:
        # What a running server is made of can't be pinned: only how it is spoken to is.
        return {
            **common,
            "context_length": None,
            "prefix_cache": False,
            "max_sequences": None,
            "image": None,
            "api": engine.api,
            "model": engine.model,
            "metrics": engine.metrics,
        }
    return {
        **common,
        "context_length": engine.context_length or DEFAULT_CONTEXT_TOKENS,
        "prefix_cache": engine.prefix_cache,
        "max_sequences": engine.max_sequences,
        "image": _engine_image(spec, family, settings),
    }


def _model(spec: Spec, model: ModelPin | None) -> dict[str, Any]:
    if model is None:
        return {
            "revision": None,
            "archive": None,
            "files": [],
            "load": "",
            "template_args": spec.model.template_args,
            "vocabulary": None,
        }
    return {
        "revision": model.revision,
        "archive": model.archive,
        "files": [asdict(file) for file in model.files],
        "load": _file_to_load(spec, model),
        "template_args": spec.model.template_args,
        "vocabulary": None,
    }


def _drafter(spec: Spec, inputs: Inputs) -> dict[str, Any]:
    drafter = spec.drafter
    section: dict[str, Any] = {
        "method": drafter.method,
        "args": drafter.args,
        "files": [],
        "draftable": None,
    }
    if drafter.model is None:
        return section
    pin = inputs.model(drafter.model)
    section["files"] = [asdict(file) for file in pin.files]
    if drafter.method not in MAY_REDUCE_VOCABULARY:
        return section
    with tempfile.TemporaryDirectory(dir=inputs.settings.cache_dir, prefix="drafter-") as folder:
        files = materialise(
            pin,
            spec_folder=inputs.spec_folder,
            settings=inputs.settings,
            store=inputs.store,
            into=Path(folder) / "model",
        )
        return {**section, "draftable": read_draftable(files)}


def _points(spec: Spec) -> dict[str, Any]:
    workload, load = spec.workload, spec.workload.load
    return {
        "load": {
            "mode": load.mode,
            "concurrency": list(load.concurrency),
            "rate": list(load.rate),
            "arrival": load.arrival,
            "duration_s": load.duration_s,
            "requests": load.requests,
        },
        "inputs": list(workload.inputs),
        "warmup": [],
        "conversations": [],
        "repeats": workload.repeats,
        "draft_length": spec.drafter.draft_length,
        "baseline": spec.baseline,
        "seed": workload.seed,
        "objectives": {key: workload.slo.get(key) for key in ("ttft_s", "tpot_s")},
    }


def _engine_image(spec: Spec, family: str, settings: Settings) -> dict[str, Any]:
    if spec.engine.image_ref is None:
        folder = f"{spec.engine.name}/{family}"
        return _built_image(folder, f"requirements-{spec.engine.version}.txt")
    session = open_session(settings.ca_bundle)
    pin = resolve_image(spec.engine.image_ref, mirrors=settings.mirrors, session=session)
    reference = parse_reference(spec.engine.image_ref)
    return {
        "repository": f"{reference.registry}/{reference.repository}",
        "index_sha256": pin.index_sha256,
        "manifest_sha256": pin.manifest_sha256,
    }


def _built_image(folder: str, requirements: str) -> dict[str, Any]:
    root = images_folder()
    path = root / folder / requirements
    if not path.is_file():
        raise LockError(
            f"images/{folder} has no {requirements}: that version's wheels are not pinned",
            mend="name a version that is (see `specseal validate`), or pin it with `make locks`",
        )
    wheels = [{**asdict(pin), "sha256": sorted(pin.sha256)} for pin in read_requirements(path)]
    return {**describe_image(root, folder, requirements), "wheels": wheels}


def _file_to_load(spec: Spec, model: ModelPin) -> str:
    """Return what the engine is told to load: the one GGUF file for llama.cpp, else the folder."""
    if spec.engine.name != "llamacpp":
        return "."
    found = [file.path for file in model.files if file.path.endswith(".gguf")]
    if len(found) != 1:
        raise LockError(
            f"llama.cpp loads one GGUF file, and the model has {len(found)} "
            f"({', '.join(found[:5]) or 'none'})",
            mend="name a source that holds exactly one",
        )
    return found[0]
