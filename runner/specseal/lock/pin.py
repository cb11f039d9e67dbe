"""From a Spec to a lock without prompts: every other input resolved to a digest.

The first of two steps, because prompts of a GGUF model can only be encoded by the engine itself:
from what is pinned here images can be built, and `specseal.lock.prompts` then completes the lock.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.engines import CAPABILITIES, FOLDER, GGUF, asked_of_engine, engine
from specseal.errors import LockError
from specseal.http import open_session
from specseal.image_inputs import describe_client_source
from specseal.lock.built import pin_built_image, pin_image_on
from specseal.lock.datasets import DatasetPin, load_rows
from specseal.lock.draftable import read_draftable
from specseal.lock.models import FilePin, ModelPin, lock_model, materialise
from specseal.lock.registry import resolve_image
from specseal.lock.rows import Row
from specseal.lock.steps import steps_for
from specseal.lock.store import Store
from specseal.registry import parse_reference
from specseal.settings import Settings
from specseal.spec.locked import Lock
from specseal.spec.model import ENDPOINT, Dataset, Source, Spec

TOKENIZER_VERSION = "5.24.0"
"""Of transformers, whose wheels are pinned in `images/tokenizer`."""
MAY_REDUCE_VOCABULARY = ("eagle3", "dflash")
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
    drafter = inputs.model(spec.drafter.model) if spec.drafter.model else None
    lock = Lock(
        spec={
            "name": spec.name,
            "sha256": spec_sha256,
            "model": model.source if model else {"kind": "none"},
            "drafter": drafter.source if drafter else None,
            "dataset": dataset.source,
            "image": CAPABILITIES.image_reference(spec),
            "url": spec.engine.url,
        },
        engine=_engine(spec, inputs.settings),
        client={
            "image": pin_built_image("client", "requirements.txt"),
            "source": dict(describe_client_source(Path(__file__).parents[1])),
        },
        model=_model(spec, model),
        drafter=_drafter(spec, drafter, inputs),
        dataset={
            "revision": dataset.revision,
            "file_sha256": dataset.file_sha256,
            "restricted": dataset.restricted,
            "rows": [{"id": row.id, "sha256": row.sha256} for row in dataset.rows],
        },
        encoder=_encoder(model) if model else None,
        prompts={},
        sampling={**asdict(spec.workload.sampling), "stop": list(spec.workload.sampling.stop)},
        hardware=asdict(spec.hardware),
        points=points_of(spec),
    )
    return Draft(lock=lock, model=model, rows=dataset.rows)


def _engine(spec: Spec, settings: Settings) -> dict[str, Any]:
    image = None if spec.engine.url is not None else _engine_image(spec, settings)
    return {**asked_of_engine(spec), "image": image}


def _encoder(model: ModelPin) -> dict[str, Any]:
    """Return the program that encodes a model's prompts: by what its files are, not by the engine.

    So the same files give the same ids whichever engine they are sent to. A GGUF file has its
    tokenizer inside, which only llama.cpp reads as it is meant; a folder has the library's.
    """
    if format_of(model.files) == GGUF:
        version = CAPABILITIES.versions("llamacpp", "cpu")[0]
        image = pin_built_image("llamacpp/cpu", f"requirements-{version}.txt")
        return {"name": "llamacpp", "version": version, "image": image}
    image = pin_built_image("tokenizer/cpu", f"requirements-{TOKENIZER_VERSION}.txt")
    return {"name": "tokenizer", "version": TOKENIZER_VERSION, "image": image}


def format_of(files: Iterable[FilePin]) -> str:
    """Return what a model's files are: `GGUF` or `FOLDER`."""
    return GGUF if any(file.path.endswith(".gguf") for file in files) else FOLDER


def _files(engine_name: str, source: Source, model: ModelPin | None) -> dict[str, Any]:
    """Return the part of a section that pins a model's files."""
    if model is None:
        return {"revision": None, "archive": None, "files": [], "load": "", "steps": []}
    steps = steps_for(source, model)
    files = [] if steps else [asdict(file) for file in model.files]
    return {
        "revision": model.revision,
        "archive": model.archive,
        "files": files,
        "load": "" if steps else file_to_load(engine_name, [file.path for file in model.files]),
        "steps": steps,
    }


def _model(spec: Spec, model: ModelPin | None) -> dict[str, Any]:
    return {
        **_files(spec.engine.name, spec.model, model),
        "template_args": spec.model.template_args,
        "vocabulary": None,
    }


def _drafter(spec: Spec, pin: ModelPin | None, inputs: Inputs) -> dict[str, Any]:
    drafter = spec.drafter
    source = drafter.model or Source(kind="none")
    section: dict[str, Any] = {
        "method": drafter.method,
        "args": drafter.args,
        "draftable": None,
        **_files(spec.engine.name, source, pin),
    }
    if pin is None or drafter.method not in MAY_REDUCE_VOCABULARY:
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


def points_of(spec: Spec) -> dict[str, Any]:
    """Return a lock's section `points`, no conversation chosen yet."""
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


def _engine_image(spec: Spec, settings: Settings) -> dict[str, Any]:
    named = CAPABILITIES.image_reference(spec)
    folder = f"{spec.engine.name}/{asked_of_engine(spec)['family']}"
    if named is None:
        return pin_built_image(folder, f"requirements-{spec.engine.version}.txt")
    session = open_session(settings.ca_bundle)
    pin = resolve_image(named, mirrors=settings.mirrors, session=session)
    reference = parse_reference(named)
    official = {
        "repository": f"{reference.registry}/{reference.repository}",
        "index_sha256": pin.index_sha256,
        "manifest_sha256": pin.manifest_sha256,
    }
    return pin_image_on(folder, official) if spec.engine.is_built else official


def file_to_load(engine_name: str, names: Sequence[str]) -> str:
    """Return what an engine is told to load: the one GGUF file, or the folder (`.`).

    Raises:
        LockError: these files are nothing that it loads.
    """
    wanted = engine(engine_name).loads
    found = [name for name in names if name.endswith(".gguf")]
    if wanted == FOLDER:
        if found and engine_name != ENDPOINT:
            raise LockError(
                f"{engine_name} loads safetensors, and the model is a GGUF file ({found[0]})",
                mend="name a model in safetensors, or write convert: safetensors beside it",
            )
        return "."
    if len(found) != 1:
        raise LockError(
            f"{engine_name} loads one GGUF file, and the model has {len(found)} "
            f"({', '.join(found[:5]) or 'none'})",
            mend="name a source that holds exactly one",
        )
    return found[0]
