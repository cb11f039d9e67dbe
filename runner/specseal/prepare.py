"""Preparation: from a Spec to a complete Lock, and from a Lock to the files that a run needs.

Prompts are rendered and encoded by the model's own tokenizer. For a GGUF model that is the engine,
so a preparation job starts it and asks. What came out is kept by content; where it is missing (a
new machine), it is made again and must come out the same.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.engines import LaunchRequest, engine
from specseal.errors import LockError
from specseal.lock import (
    Draft,
    FilePin,
    ModelPin,
    Store,
    changed_pins,
    encoding_key,
    materialise,
    pin_inputs,
    with_prompts,
    without_prompts,
)
from specseal.programs import Programs, Say, make_ready
from specseal.records import append_jsonl, write_json_atomically
from specseal.runtimes import JobRun
from specseal.settings import Settings
from specseal.spec.locked import Lock, lock_path, read_lock
from specseal.spec.model import Spec

HEALTH_DEADLINE_S = 600
SILENCE_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a run needs of a lock, on this machine."""

    lock: Lock
    model: Path
    """Folder of the model's files, each verified."""
    prompts: Path
    """`prompts.jsonl`, verified."""


class Preparation:
    """Prepares one spec on one machine."""

    def __init__(
        self, spec: Spec, spec_path: Path, *, runtime: str, settings: Settings, say: Say
    ) -> None:
        """Take a spec and the name of the runtime that preparation jobs run on."""
        self._spec, self._folder, self._lock_path = spec, spec_path.parent, lock_path(spec_path)
        self._runtime, self._settings, self._say = runtime, settings, say
        self._store = Store(settings.cache_dir)

    def make_lock(self) -> Lock:
        """Resolve every input now. Raises: LockError, MachineLacks, RunFailed, InputError."""
        return self._complete(self._draft())

    def _complete(self, draft: Draft) -> Lock:
        prompts, tokenizer = self._encode(draft)
        return with_prompts(draft, prompts.read_bytes(), tokenizer)

    def write_lock(self) -> Lock:
        """Make the lock and put it beside the spec."""
        lock = self.make_lock()
        partial = self._lock_path.with_name(f".{self._lock_path.name}.partial")
        partial.write_bytes(lock.to_bytes())
        partial.replace(self._lock_path)
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
        lock, draft = read_lock(self._lock_path), self._draft()
        # Inputs first: with others, encoding the prompts again would tell nothing more.
        return changed_pins(without_prompts(lock), draft.lock) or changed_pins(
            lock, self._complete(draft)
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
        model = self._model_folder(lock)
        return Prepared(lock=lock, model=model, prompts=self._locked_prompts(lock))

    def _refuse_stale(self, lock: Lock) -> None:
        if lock.spec["sha256"] != self._spec.digest:
            raise LockError(
                f"{self._lock_path} was not made from this spec: the spec has changed since",
                mend="make the lock again with `specseal lock SPEC`, or take the change back",
            )

    def _draft(self) -> Draft:
        return pin_inputs(
            self._spec, spec_folder=self._folder, settings=self._settings, store=self._store
        )

    def _locked_draft(self, lock: Lock) -> Draft:
        """Return the draft that a lock was made from: its commits and digests, never its tags."""
        spec, image = self._spec, lock.engine["image"]
        pinned = replace(
            spec,
            model=replace(spec.model, revision=lock.model["revision"]),
            engine=replace(
                spec.engine,
                image_ref=f"{image['repository']}@sha256:{image['manifest_sha256']}"
                if spec.engine.image_ref
                else None,
            ),
            workload=replace(
                spec.workload,
                dataset=replace(spec.workload.dataset, revision=lock.dataset["revision"]),
            ),
        )
        draft = pin_inputs(
            pinned, spec_folder=self._folder, settings=self._settings, store=self._store
        )
        return replace(draft, lock=without_prompts(lock))

    def _model_folder(self, lock: Lock) -> Path:
        pin = ModelPin(
            source=lock.spec["model"],
            files=tuple(FilePin(**file) for file in lock.model["files"]),
            archive=lock.model["archive"],
            revision=lock.model["revision"],
        )
        return materialise(
            pin,
            spec_folder=self._folder,
            settings=self._settings,
            store=self._store,
            into=self._settings.cache_dir / "models" / sha256_value(lock.model["files"])[:24],
        )

    def _locked_prompts(self, lock: Lock) -> Path:
        digest = Digest(lock.prompts["sha256"])
        if self._store.has(digest):
            return self._store.get(digest)
        self._encode(self._locked_draft(lock))
        if not self._store.has(digest):
            raise LockError(
                f"prompts: encoding them here does not give what {self._lock_path.name} pins",
                mend="`specseal lock --check SPEC` names the input that has changed",
            )
        return self._store.get(digest)

    def _encode(self, draft: Draft) -> tuple[Path, dict[str, Any]]:
        """Return `prompts.jsonl` and what was found of the tokenizer, from the cache or a job."""
        kept = self._settings.cache_dir / "prompts" / f"{encoding_key(draft)}.json"
        if kept.is_file():
            known = json.loads(kept.read_bytes())
            if self._store.has(known["prompts"]):
                return self._store.get(known["prompts"]), known["tokenizer"]
        self._say(f"encoding {len(draft.rows)} conversations with the model's own tokenizer")
        programs = make_ready(self._runtime, draft.lock, self._settings, self._say)
        with tempfile.TemporaryDirectory(prefix="specseal-prepare-") as folder:
            out = self._encode_job(draft, programs, Path(folder))
            digest = self._store.put(out / "prompts.jsonl")
            tokenizer = json.loads((out / "tokenizer.json").read_bytes())
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomically(kept, {"prompts": digest, "tokenizer": tokenizer})
        return self._store.get(digest), tokenizer

    def _encode_job(self, draft: Draft, programs: Programs, folder: Path) -> Path:
        lock = draft.lock
        launch = engine(lock.engine["name"]).launch(
            LaunchRequest(
                method="none",
                draft_length=0,
                drafter_args={},
                max_concurrency=1,
                context_length=lock.engine["context_length"],
            )
        )
        folder.chmod(0o755)
        (folder / "in").mkdir()
        (folder / "out").mkdir()
        write_json_atomically(
            folder / "in" / "job.json",
            {
                "schema": "specseal/job/1",
                "task": "encode",
                "server": {"health_path": launch.health_path, "deadline_s": HEALTH_DEADLINE_S},
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
            model=self._model_folder(lock),
            model_file=lock.model["load"],
            folder=folder,
            name="encode",
        )
        programs.runtime.run(job, lambda progress: None)
        return folder / "out"
