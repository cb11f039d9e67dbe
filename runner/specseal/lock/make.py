"""Make a Lock: resolve every input of a Spec to a digest.

Two steps, because prompts of a GGUF model can only be encoded by the engine itself: `pin_inputs`
gives a lock without prompts, from which images can be built; `with_prompts` completes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from specseal.digests import sha256_bytes, sha256_value
from specseal.engines.base import accelerator_family
from specseal.errors import LockError
from specseal.image_inputs import describe_client_source, describe_image
from specseal.lock.datasets import Row, load_rows
from specseal.lock.http import open_session
from specseal.lock.models import ModelPin, lock_model
from specseal.lock.registry import parse_reference, resolve_image
from specseal.lock.store import Store
from specseal.lock.wheels import read_requirements
from specseal.plan import WARMUP_CONVERSATIONS, choose_conversations
from specseal.settings import Settings, images_folder
from specseal.spec.locked import Lock
from specseal.spec.model import Spec

DEFAULT_CONTEXT_TOKENS = 4096
_FROM_ENCODING = ("tokenizer", "chat_template_sha256", "stop_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A lock without prompts, and the texts they are to be made from."""

    lock: Lock
    model: ModelPin
    rows: tuple[Row, ...]


def pin_inputs(spec: Spec, *, spec_folder: Path, settings: Settings, store: Store) -> Draft:
    """Resolve everything but the prompts.

    Raises:
        LockError, MachineLacks: an input can't be had or is not what it should be.
        InputError: a data set's rows are not of the right form.
    """
    model = lock_model(spec.model, spec_folder=spec_folder, settings=settings, store=store)
    dataset = load_rows(spec.workload.dataset, spec_folder=spec_folder, settings=settings)
    family = accelerator_family(spec.hardware.accelerator)
    load = spec.workload.load
    lock = Lock(
        spec={
            "name": spec.name,
            "sha256": spec.digest,
            "model": model.source,
            "dataset": dataset.source,
            "image": spec.engine.image_ref,
        },
        engine={
            "name": spec.engine.name,
            "version": spec.engine.version,
            "family": family,
            "context_length": spec.engine.context_length or DEFAULT_CONTEXT_TOKENS,
            "prefix_cache": spec.engine.prefix_cache,
            "image": _engine_image(spec, family, settings),
        },
        client={
            "image": _built_image("client", "requirements.txt"),
            "source": dict(describe_client_source(Path(__file__).parents[1])),
        },
        model={
            "revision": model.revision,
            "archive": model.archive,
            "files": [asdict(file) for file in model.files],
            "load": _file_to_load(spec, model),
            "template_args": spec.model.template_args,
        },
        drafter={"method": spec.drafter.method, "args": spec.drafter.args},
        dataset={
            "revision": dataset.revision,
            "file_sha256": dataset.file_sha256,
            "restricted": dataset.restricted,
            "rows": [{"id": row.id, "sha256": row.sha256} for row in dataset.rows],
        },
        prompts={},
        sampling={**asdict(spec.workload.sampling), "stop": list(spec.workload.sampling.stop)},
        hardware=asdict(spec.hardware),
        points={
            "mode": load.mode,
            "concurrency": list(load.concurrency),
            "requests": load.requests,
            "warmup": [],
            "conversations": [],
            "repeats": spec.workload.repeats,
            "draft_length": spec.drafter.draft_length,
            "baseline": spec.baseline,
            "seed": spec.workload.seed,
        },
    )
    return Draft(lock=lock, model=model, rows=dataset.rows)


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


def encoding_key(draft: Draft) -> str:
    """Return the key under which encoded prompts are kept: all that they are made from."""
    lock = draft.lock
    return sha256_value(
        {
            "engine": lock.engine["image"],
            "client": lock.client,
            "model": lock.model["files"],
            "template_args": lock.model["template_args"],
            "rows": lock.dataset["rows"],
        }
    )


def with_prompts(draft: Draft, prompts: bytes, tokenizer: dict[str, Any]) -> Lock:
    """Complete a lock.

    Args:
        draft: from `pin_inputs`.
        prompts: `prompts.jsonl` as the preparation job wrote it.
        tokenizer: its `tokenizer.json`.

    Raises:
        LockError: a conversation does not fit the context length.
    """
    conversations = describe_prompts(prompts)
    lock = replace(
        draft.lock,
        model={
            **draft.lock.model,
            "tokenizer": "the model's own, asked of the engine",
            "chat_template_sha256": tokenizer["chat_template_sha256"],
            "stop_ids": tokenizer["stop_ids"],
        },
        prompts={
            "sha256": sha256_bytes(prompts),
            "history_not_rewritten": tokenizer["history_not_rewritten"],
            "conversations": conversations,
        },
        points=_with_conversations(draft.lock.points, conversations),
    )
    _check_context(lock)
    _check_load(lock)
    return lock


def _with_conversations(
    points: dict[str, Any], conversations: list[dict[str, Any]]
) -> dict[str, Any]:
    """Name the conversations of every phase, so that no later version chooses others."""
    seed = points["seed"]
    chosen = choose_conversations(conversations, count=points["requests"], seed=seed)
    warmup = choose_conversations(conversations, count=WARMUP_CONVERSATIONS, seed=seed + 1)
    return {**points, "warmup": list(warmup), "conversations": list(chosen)}


def describe_prompts(prompts: bytes) -> list[dict[str, Any]]:
    """Return a row a conversation: id, category, turns, tokens without answers, digest."""
    rows = []
    for line in prompts.splitlines():
        row = json.loads(line)
        between = row["between"]
        rows.append(
            {
                "id": row["id"],
                "category": row["category"],
                "turns": len(between) + 1,
                "input_tokens": len(row["first"]) + sum(map(len, between)),
                "sha256": sha256_bytes(line),
            }
        )
    return rows


def _check_context(lock: Lock) -> None:
    room = lock.engine["context_length"]
    answer = lock.sampling["max_tokens"]
    needs = {
        row["id"]: row["input_tokens"] + row["turns"] * answer
        for row in lock.prompts["conversations"]
    }
    too_long = [name for name, tokens in needs.items() if tokens > room]
    if too_long:
        raise LockError(
            f"{len(too_long)} conversations need up to {max(needs.values())} tokens with their "
            f"answers, and engine.context_length is {room}: {', '.join(too_long[:5])}",
            mend="raise engine.context_length, lower workload.sampling.max_tokens, or leave them "
            "out of the data set",
        )


def _check_load(lock: Lock) -> None:
    most, asked = max(lock.points["concurrency"]), len(lock.points["conversations"])
    if most > asked:
        raise LockError(
            f"workload.load.concurrency: {most} at once are never reached with the {asked} "
            "conversations of a phase",
            mend="raise workload.load.requests, lower the concurrency, or take a larger data set",
        )


def without_prompts(lock: Lock) -> Lock:
    """Return a lock as it was before its prompts were encoded: what `pin_inputs` gives."""
    model = {key: value for key, value in lock.model.items() if key not in _FROM_ENCODING}
    points = {**lock.points, "warmup": [], "conversations": []}
    return replace(lock, model=model, points=points, prompts={})


def changed_pins(old: Lock, new: Lock) -> tuple[str, ...]:
    """Return the dotted paths of all pins in which two locks differ, for `lock --check`."""
    return tuple(sorted(_differences(old.to_dict(), new.to_dict(), "")))


def _differences(old: Any, new: Any, path: str) -> Iterable[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            where = f"{path}.{key}" if path else str(key)
            yield from _differences(old.get(key), new.get(key), where)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{path}[{index}]")
    elif old != new:
        yield path
