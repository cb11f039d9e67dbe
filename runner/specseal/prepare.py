"""Preparation: from a Spec to a complete Lock, and from a Lock to the files that a run needs.

Prompts are rendered and encoded by the model's own tokenizer. For a GGUF model that is the engine,
so a preparation job starts it and asks. What came out is kept by content; where it is missing (a
new machine), it is made again and must come out the same.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from specseal.atomic import write_atomically
from specseal.digests import Digest
from specseal.engines import Launch, LaunchRequest, engine, tokenizer_launch
from specseal.errors import LockError
from specseal.lock import (
    AS_TEXT,
    Draft,
    Encoded,
    Inputs,
    Store,
    as_locked,
    changed_pins,
    encoding_key,
    file_to_load,
    keep_words,
    pin_inputs,
    prompts_as_text,
    random_prompts,
    read_vocabulary,
    source_files,
    with_prompts,
    without_prompts,
    words_of,
)
from specseal.programs import Programs, Say, make_ready
from specseal.records import append_jsonl, write_json_atomically
from specseal.runtimes import JobRun
from specseal.settings import Settings
from specseal.spec.locked import (
    Lock,
    Variant,
    joined,
    lock_path,
    official_image,
    read_lock,
    reference_of,
)
from specseal.spec.model import Spec
from specseal.stepped import Models

Setting = dict[str, Any]

SILENCE_TIMEOUT_S = 300
ENCODER_CONTEXT_TOKENS = 512
"""Nothing is computed while encoding; the engine just has to be told one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedVariant:
    """What one variant of a lock needs, on this machine."""

    lock: Lock
    """Of this variant alone."""
    model: Path | None
    """Folder of the model's files, each verified; None for a running server."""
    drafter: Path | None
    """Folder of the drafter's files, each verified; None where it has none."""
    prompts: dict[Digest, Path]
    """The files of prompts that its phases name, verified."""
    words: Path
    """The data set's rows as text, which no bundle may quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a run needs of a lock, on this machine."""

    lock: Lock
    variants: tuple[PreparedVariant, ...]
    """In the order of the lock's; without a sweep there is one."""


class Preparation:
    """Prepares one spec on one machine."""

    def __init__(
        self,
        spec: Spec,
        spec_path: Path,
        *,
        runtime: str,
        settings: Settings,
        say: Say,
        beside: Path | None = None,
    ) -> None:
        """Take a spec and the name of the runtime that preparation jobs run on.

        The spec's paths start from `beside`, or from its own folder.
        """
        self._spec, self._lock_path = spec, lock_path(spec_path)
        self._runtime, self._settings, self._say = runtime, settings, say
        self._store = Store(settings.cache_dir)
        self._inputs = Inputs(
            spec_folder=beside or spec_path.parent, settings=settings, store=self._store
        )
        self._models = Models(inputs=self._inputs, runtime=runtime, say=say)

    def make_lock(self) -> Lock:
        """Resolve every input now. Raises: LockError, MachineLacks, RunFailed, InputError."""
        return _joined(self._drafts(), self._complete)

    def write_lock(self) -> Lock:
        """Make the lock and put it beside the spec."""
        lock = self.make_lock()
        write_atomically(self._lock_path, lock.to_bytes())
        self._say(f"locked: {self._lock_path} (recipe {lock.recipe[:12]})")
        return lock

    def check_lock(self) -> tuple[str, ...]:
        """Return the pins in which the lock beside the spec is stale; empty when it is not.

        Raises:
            LockError: there is no lock, or it can't be read.
        """
        if not self._lock_path.is_file():
            raise LockError(
                f"{self._lock_path}: there is no lock", mend="make it with `specseal lock SPEC`"
            )
        lock, drafts = read_lock(self._lock_path), self._drafts()
        bare = joined(
            [
                Variant(setting=variant.setting, lock=without_prompts(variant.lock))
                for variant in lock.variants_in_full()
            ]
        )
        # Inputs first: with others, encoding the prompts again would tell nothing more.
        return changed_pins(bare, _joined(drafts, lambda draft: draft.lock)) or changed_pins(
            lock, _joined(drafts, self._complete)
        )

    def ready(self) -> Prepared:
        """Return what a run needs, making the lock where there is none.

        Raises:
            LockError: the lock does not match its spec, or a file is not what the lock pins.
        """
        if self._lock_path.is_file():
            lock = read_lock(self._lock_path)
            self._refuse_stale(lock)
        else:
            lock = self.write_lock()
        specs = [spec for _, spec in _each(self._spec)]
        locks = [variant.lock for variant in lock.variants_in_full()]
        if len(specs) != len(locks):
            raise LockError(
                f"{self._lock_path} has {len(locks)} variants, the spec's sweep {len(specs)}",
                mend="make the lock again with `specseal lock SPEC`",
            )
        return Prepared(
            lock=lock,
            variants=tuple(map(self._ready_variant, locks, specs)),
        )

    def _ready_variant(self, lock: Lock, spec: Spec) -> PreparedVariant:
        prompts = self._locked_prompts(lock, spec)
        files = {Digest(lock.prompts["sha256"]): prompts}
        if lock.prompts["random"] is not None:
            digest = Digest(lock.prompts["random"]["sha256"])
            if self._store.put(random_prompts(lock, prompts.read_bytes())) != digest:
                raise LockError(
                    f"prompts: random tokens made here are not what {self._lock_path.name} pins",
                    mend="make the lock again with `specseal lock SPEC`",
                )
            files[digest] = self._store.get(digest)
        running = lock.spec["url"] is not None
        return PreparedVariant(
            lock=lock,
            model=None if running else self._models.folder(lock.model, lock.spec["model"], lock),
            drafter=self._models.folder(lock.drafter, lock.spec["drafter"], lock),
            prompts=files,
            words=words_of(lock, spec.workload.dataset, self._inputs),
        )

    def _refuse_stale(self, lock: Lock) -> None:
        if lock.spec["sha256"] != self._spec.digest:
            raise LockError(
                f"{self._lock_path} was not made from this spec: the spec has changed since",
                mend="make the lock again with `specseal lock SPEC`, or take the change back",
            )

    def _drafts(self) -> list[tuple[Setting, Draft]]:
        return [(setting, self._draft(spec)) for setting, spec in _each(self._spec)]

    def _draft(self, spec: Spec) -> Draft:
        return pin_inputs(spec, self._inputs, spec_sha256=self._spec.digest)

    def _complete(self, draft: Draft) -> Lock:
        draft = replace(draft, lock=self._models.complete(draft.lock))
        prompts, tokenizer = self._encode(draft)
        vocabulary = None
        if "random" in draft.lock.points["inputs"] and draft.model is not None:
            folder = self._models.source_folder(draft.lock.model, draft.lock.spec["model"])
            vocabulary = read_vocabulary(folder / _encoded_file(draft.lock)) if folder else None
        return with_prompts(
            draft,
            Encoded(prompts=prompts.read_bytes(), tokenizer=tokenizer, vocabulary=vocabulary),
        )

    def _locked_draft(self, lock: Lock, spec: Spec) -> Draft:
        """Return the draft that a lock was made from: its commits and digests, never its tags."""
        official = official_image(lock.engine["image"])
        pinned = replace(
            spec,
            model=replace(spec.model, revision=lock.model["revision"]),
            drafter=replace(
                spec.drafter,
                model=spec.drafter.model
                and replace(spec.drafter.model, revision=lock.drafter["revision"]),
            ),
            engine=replace(
                spec.engine,
                image={**spec.engine.image, "ref": reference_of(official)}
                if official
                else spec.engine.image,
            ),
            workload=replace(
                spec.workload,
                dataset=as_locked(spec.workload.dataset, lock.dataset),
            ),
        )
        return replace(self._draft(pinned), lock=without_prompts(lock))

    def _locked_prompts(self, lock: Lock, spec: Spec) -> Path:
        digest = Digest(lock.prompts["sha256"])
        if self._store.has(digest):
            return self._store.get(digest)
        self._encode(self._locked_draft(lock, spec))
        if not self._store.has(digest):
            raise LockError(
                f"prompts: encoding them here does not give what {self._lock_path.name} pins",
                mend="`specseal lock --check SPEC` names the input that has changed",
            )
        return self._store.get(digest)

    def _encode(self, draft: Draft) -> tuple[Path, dict[str, Any]]:
        """Return `prompts.jsonl` and what was found of the tokenizer, from the cache or a job."""
        keep_words(draft.lock, draft.rows, self._inputs)
        if draft.model is None:
            return self._store.get(self._store.put(prompts_as_text(draft))), AS_TEXT
        kept = self._settings.cache_dir / "prompts" / f"{encoding_key(draft)}.json"
        if kept.is_file():
            known = json.loads(kept.read_bytes())
            if self._store.has(known["prompts"]):
                return self._store.get(known["prompts"]), known["tokenizer"]
        self._say(f"encoding {len(draft.rows)} conversations with the model's own tokenizer")
        encoder = replace(draft.lock, engine=draft.lock.encoder or {})
        programs = make_ready(self._runtime, encoder, self._settings, self._say)
        with tempfile.TemporaryDirectory(prefix="specseal-prepare-") as folder:
            out = self._encode_job(draft, programs, Path(folder))
            digest = self._store.put(out / "prompts.jsonl")
            tokenizer = json.loads((out / "tokenizer.json").read_bytes())
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomically(kept, {"prompts": digest, "tokenizer": tokenizer})
        return self._store.get(digest), tokenizer

    def _encode_job(self, draft: Draft, programs: Programs, folder: Path) -> Path:
        lock = draft.lock
        launch = _encoder_launch(lock)
        folder.chmod(0o755)
        (folder / "in").mkdir()
        (folder / "out").mkdir()
        write_json_atomically(
            folder / "in" / "job.json",
            {
                "schema": "specseal/job/1",
                "task": "encode",
                "server": {"health_path": launch.health_path, "deadline_s": launch.deadline_s},
                "dialect": launch.dialect,
                "counts": {"source": "none"},
                "readback": launch.readback,
                "silence_timeout_s": SILENCE_TIMEOUT_S,
                "template_args": lock.model["template_args"],
            },
        )
        rows = [
            {"id": row.id, "category": row.category, "turns": list(row.turns)} for row in draft.rows
        ]
        append_jsonl(folder / "in" / "conversations.jsonl", rows)
        job = JobRun(
            launch=launch,
            model=self._models.source_folder(lock.model, lock.spec["model"]),
            model_file=_encoded_file(lock),
            drafter=None,
            drafter_file="",
            folder=folder,
            name="encode",
        )
        programs.runtime.run(job, lambda progress: None)
        return folder / "out"


def _encoded_file(lock: Lock) -> str:
    """Return what the encoder is told to load, of the files that the model starts from."""
    names = [file["path"] for file in source_files(lock.model)]
    loads_gguf = lock.encoder is not None and lock.encoder["name"] == "llamacpp"
    return file_to_load("llamacpp", names) if loads_gguf else "."


def _encoder_launch(lock: Lock) -> Launch:
    if lock.encoder is None:
        raise LockError("prompts: nothing is locked that could encode them")
    if lock.encoder["name"] == "tokenizer":
        return tokenizer_launch()
    asked = {**lock.encoder, "family": "cpu", "context_length": ENCODER_CONTEXT_TOKENS}
    return engine(lock.encoder["name"]).launch(
        LaunchRequest(method="none", draft_length=0, drafter_args={}, max_sequences=1, engine=asked)
    )


def _each(spec: Spec) -> list[tuple[Setting, Spec]]:
    """Return each variant of a spec's sweep with its setting; without a sweep, the spec."""
    return [(variant.setting, variant.spec) for variant in spec.variants] or [({}, spec)]


def _joined(drafts: list[tuple[Setting, Draft]], complete: Callable[[Draft], Lock]) -> Lock:
    return joined([Variant(setting=setting, lock=complete(draft)) for setting, draft in drafts])
