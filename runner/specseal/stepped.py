"""A model's files on this machine: fetched, taken through their preparation steps, laid out.

What a step makes is kept by content, under the digest of what it starts from and what does it. So a
step runs once a machine; where its outcome is gone it runs again, and must come out the same.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.errors import LockError
from specseal.lock import (
    FIRST_LAYERS,
    FilePin,
    Inputs,
    ModelPin,
    file_to_load,
    keep_first_layers,
    lay_out,
    materialise,
    pin_folder,
    source_files,
)
from specseal.programs import Say, make_program_ready
from specseal.records import write_json_atomically
from specseal.runtimes import ProgramRun
from specseal.spec.locked import Lock

GGUF_ENGINE = "llamacpp"
"""Whatever loads the outcome: only a GGUF file can be cut."""
Section = dict[str, Any]
_MEND = "make the lock again with `specseal lock SPEC`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models of one spec on one machine."""

    inputs: Inputs
    runtime: str
    say: Say

    def complete(self, lock: Lock) -> Lock:
        """Return a lock with the outcome of the steps of its model and its drafter.

        Raises:
            LockError, MachineLacks, RunFailed: a step could not be done.
        """
        return replace(
            lock,
            model=self._complete(lock.model, lock.spec["model"], lock),
            drafter=self._complete(lock.drafter, lock.spec["drafter"], lock),
        )

    def folder(self, section: Section, source: Section | None, lock: Lock) -> Path | None:
        """Return the folder of a section's files, each verified; None where it has none.

        Raises:
            LockError: a file is not what the lock pins.
            MachineLacks, RunFailed: it can't be had here.
        """
        if not section["files"]:
            return None
        if not section["steps"]:
            return self._source_folder(section, source or {})
        files = _pins(section["files"])
        store = self.inputs.store
        if not all(store.has(file.sha256) for file in files):
            made = self._complete(section, source or {}, lock)
            if made["files"] != section["files"]:
                raise LockError("a preparation step came out otherwise than locked", mend=_MEND)
        return lay_out(files, store=store, into=self._place(section["files"]))

    def source_folder(self, section: Section, source: Section | None) -> Path | None:
        """Return the folder of the files that a section starts from, before any step."""
        return self._source_folder(section, source or {}) if source_files(section) else None

    def _complete(self, section: Section, source: Section | None, lock: Lock) -> Section:
        if not section["steps"]:
            return section
        folder = self._source_folder(section, source or {})
        steps = []
        for step in section["steps"]:
            start = [asdict(file) for file in pin_folder(folder, self.inputs.store)]
            steps.append({**step, "from": start})
            folder = self._done(steps[-1], folder, lock)
        files = pin_folder(folder, self.inputs.store)
        load = file_to_load(lock.engine["name"], [file.path for file in files])
        return {**section, "files": [asdict(one) for one in files], "load": load, "steps": steps}

    def _source_folder(self, section: Section, source: Section) -> Path:
        files = source_files(section)
        pin = ModelPin(
            source=source,
            files=_pins(files),
            archive=section["archive"],
            revision=section["revision"],
        )
        return materialise(
            pin,
            spec_folder=self.inputs.spec_folder,
            settings=self.inputs.settings,
            store=self.inputs.store,
            into=self._place(files),
        )

    def _done(self, step: Section, folder: Path, lock: Lock) -> Path:
        """Do one step, unless it was done before; return the folder of its outcome."""
        store, cache = self.inputs.store, self.inputs.settings.cache_dir
        kept = cache / "steps" / f"{sha256_value(step)}.json"
        if kept.is_file():
            files = json.loads(kept.read_bytes())
            if all(store.has(Digest(file["sha256"])) for file in files):
                return lay_out(_pins(files), store=store, into=self._place(files))
        self.say(f"preparing the model: {step['step']}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="step-") as scratch:
            out = Path(scratch) / "out"
            out.mkdir()
            if step["step"] == FIRST_LAYERS:
                model = folder / file_to_load(GGUF_ENGINE, [file["path"] for file in step["from"]])
                keep_first_layers(model, step["layers"], out / model.name)
            else:
                self._convert(step, folder, out, lock)
            files = [asdict(file) for file in pin_folder(out, store)]
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomically(kept, files)
        return lay_out(_pins(files), store=store, into=self._place(files))

    def _convert(self, step: Section, folder: Path, out: Path, lock: Lock) -> None:
        run = ProgramRun(
            args=("--model", "{model}", "--out", "{out}"),
            model=folder,
            out=out,
            name=step["step"],
        )
        program = make_program_ready(
            self.runtime, step["program"], lock, self.inputs.settings, self.say
        )
        program.run_alone(run)

    def _place(self, files: list[Section]) -> Path:
        return self.inputs.settings.cache_dir / "models" / sha256_value(files)[:24]


def _pins(files: list[Section]) -> tuple[FilePin, ...]:
    return tuple(FilePin(**file) for file in files)
