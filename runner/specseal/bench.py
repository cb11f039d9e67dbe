"""The whole way: from a spec to a sealed and verified bundle.

Puts the rooms in order; the only module that knows the whole way.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic_ns, time
from typing import Any, Protocol

import psutil

import specseal
from specseal.analysis import JobData, Objectives, RunData
from specseal.bundle import (
    Contents,
    SealInputs,
    create_trusted_key,
    load_signer,
    open_bundle,
    seal,
    trusted_keys,
    verify,
)
from specseal.digests import Digest
from specseal.engines import CAPABILITIES
from specseal.errors import JobFailed, RunFailed
from specseal.hardware import CPU
from specseal.jobs import JobFolder, adopt, job_folder, run_job
from specseal.measured import hardware_taken, has_measured, job_environment, prove, read_job
from specseal.plan import Job, make_plan
from specseal.prepare import Preparation, Prepared
from specseal.programs import Programs, Say, choose, facts_of, make_all_ready
from specseal.runfolder import BUNDLE, alone, begin, earlier, unfinished, utc_now
from specseal.runtimes import (
    Address,
    Inspection,
    Preflight,
    Progress,
    describe_container_engine,
    describe_machine,
)
from specseal.settings import Settings
from specseal.spec import Spec, parse_spec
from specseal.spec.model import Hardware


class Watcher(Protocol):
    """Whoever shows a person how a run goes."""

    def say(self, line: str) -> None:
        """Show one line."""

    def begin(self, job: Job, number: int, of: int) -> None:
        """Say that a job begins."""

    def progress(self, progress: Progress) -> None:
        """Show how far the present job is."""


@dataclass(slots=True)
class Clock:
    """Where the time of a run went, in seconds by stage."""

    spent_s: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of_this_process(cls) -> Clock:
        """Return a clock that has counted the time since this process was created."""
        clock = cls()
        clock.add("starting", int((time() - psutil.Process().create_time()) * 1e9))
        return clock

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time until leaving towards a stage."""
        start = monotonic_ns()
        try:
            yield
        finally:
            self.add(name, monotonic_ns() - start)

    def add(self, name: str, duration_ns: int) -> None:
        """Count a duration towards a stage."""
        self.spent_s[name] = self.spent_s.get(name, 0.0) + duration_ns / 1e9

    def to_text(self) -> str:
        """Return one line for people."""
        spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.spent_s.items())
        return f"where the time went: {spent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run came to."""

    bundle: Path
    contents: Contents


def run_spec(
    spec_path: Path,
    *,
    runtime: str,
    settings: Settings,
    watcher: Watcher,
    clock: Clock,
    fresh: bool = False,
    any_hardware: bool = False,
    supersedes: Path | None = None,
    beside: Path | None = None,
) -> Done:
    """Lock if needed, build, run, seal and verify.

    Args:
        spec_path: the spec; its lock lies beside it.
        runtime: `auto`, `docker` or `native`.
        settings: site settings.
        watcher: is told how it goes.
        clock: counts where the time goes.
        fresh: measure everything anew, whatever has been measured before.
        any_hardware: take other accelerators than the spec names, and say so in the result.
        supersedes: the folder of the bundle that the new one corrects.
        beside: the folder that the spec's paths start from; None: its own.

    Raises:
        SpecError, LockError, MachineLacks, RunFailed: what was measured is kept.
        InputError: the signing key can't be used, or is revoked here.
        VerificationFailed: the bundle that was just sealed does not verify, or the one that it
            corrects is not intact.
    """
    corrected = _look_at_what_seals(settings, supersedes)
    with clock.stage("reading the spec"):
        text = spec_path.read_bytes()  # once: the file may be edited while the run goes on
        spec = parse_spec(text, path=str(spec_path), capabilities=CAPABILITIES)
        name = choose(runtime, spec, settings, watcher.say)
    with clock.stage("looking at the machine"):
        look = _Look(_preflight(spec, name, settings, any_hardware=any_hardware), watcher.say)
        for asked in _hardware_of(spec):
            look.at(asked)
    preparation = Preparation(
        spec, spec_path, runtime=name, settings=settings, say=watcher.say, beside=beside
    )
    with clock.stage("locking"):
        prepared = preparation.ready()
    with clock.stage("building"):
        locks = [variant.lock for variant in prepared.variants]
        programs = make_all_ready(name, locks, settings, watcher.say)
    home = settings.runs_dir / prepared.lock.spec["name"]
    with _disk_errors(), alone(settings.cache_dir):
        run = _Run(home, text, prepared, programs, settings, watcher, clock, look, fresh=fresh)
        run.measure()
        bundle = run.seal(corrected)
    with clock.stage("verifying"):
        report = verify(bundle, trusted=trusted_keys(settings), now=datetime.now(UTC))
    contents = report.demand(trust=True)
    return Done(bundle=bundle, contents=contents)


def _look_at_what_seals(settings: Settings, supersedes: Path | None) -> Digest | None:
    """See that the run can be sealed, hours before it is; return what the bundle supersedes."""
    if settings.signing_key.exists():
        signer = load_signer(settings.signing_key)
        trusted_keys(settings).demand_unrevoked(signer.public.digest)
    return None if supersedes is None else open_bundle(supersedes).manifest


def _preflight(spec: Spec, runtime: str, settings: Settings, *, any_hardware: bool) -> Preflight:
    """Return what looks at this machine; a container engine is asked only where that matters."""
    needs_devices = any(asked.accelerator != CPU for asked in _hardware_of(spec))
    told = describe_container_engine(settings) if runtime == "docker" and needs_devices else None
    return Preflight(container_engine=told, any_hardware=any_hardware)


def _hardware_of(spec: Spec) -> list[Hardware]:
    """Return what a spec asks of this machine: of a running server's, nothing."""
    specs = [variant.spec for variant in spec.variants] or [spec]
    return list(dict.fromkeys(one.hardware for one in specs if one.engine.url is None))


class _Look:
    """Looks at this machine before anything expensive, and again before each job."""

    def __init__(self, preflight: Preflight, say: Say) -> None:
        self._preflight, self._say = preflight, say
        self._said: set[str] = set()
        self._held: tuple[Address, ...] = ()

    def at(self, asked: Hardware) -> Inspection:
        """Return what is found; each warning is said once. Raises: MachineLacks."""
        inspection = self._preflight.inspect(asked, before=self._held)
        inspection.demand()
        self._held = tuple(dict.fromkeys([*self._held, *inspection.addresses]))
        for warning in inspection.warnings():
            if warning not in self._said:
                self._said.add(warning)
                self._say(f"warning: {warning}")
        return inspection


class _Run:
    """One run in its folder."""

    def __init__(
        self,
        home: Path,
        spec_bytes: bytes,
        prepared: Prepared,
        programs: tuple[Programs, ...],
        settings: Settings,
        watcher: Watcher,
        clock: Clock,
        look: _Look,
        *,
        fresh: bool,
    ) -> None:
        self._spec_bytes, self._prepared, self._programs = spec_bytes, prepared, programs
        self._settings, self._watcher, self._clock = settings, watcher, clock
        self._look = look
        self._session = uuid.uuid4().hex
        self._prompts = {
            digest: path
            for variant in prepared.variants
            for digest, path in variant.prompts.items()
        }
        lock, name = prepared.lock, programs[0].runtime.name
        # Found before the new run's folder is there, which would be the newest of them.
        # What a running server was when it was measured before, nobody knows.
        anew = fresh or lock.spec["url"] is not None
        self._earlier = () if anew else earlier(settings.runs_dir, lock, name)
        going_on = None if fresh else unfinished(home, lock, name)
        self._run = going_on or begin(home, lock, name)
        self._folder = self._run.path
        self._jobs = [
            job_folder(
                job,
                number,
                prepared.variants[job.variant].lock,
                programs[job.variant],
                self._folder / "jobs",
            )
            for number, job in enumerate(make_plan(lock).jobs, 1)
        ]

    def measure(self) -> None:
        """Run every job that has not finished before; one that fails does not stop the others.

        Raises:
            RunFailed: every job failed before it had measured anything, or something broke that
                is not one job's own.
        """
        left = self._programs[0].runtime.clean()
        if left:
            self._watcher.say(f"removed {left} leftovers of a run that died")
        self._say_what_is_kept()
        for number, job in enumerate(self._jobs, 1):
            try:
                if job.status() is None:
                    self._watcher.begin(job.job, number, len(self._jobs))
                    self._run_job(job)
                # Also those that were kept: specseal may have died just before it looked.
                prove(job)
            except JobFailed as failure:
                job.fail(failure.message, session=self._session)
                self._watcher.say(f"{failure.message}\n  the other jobs go on")
        if not any(map(has_measured, self._jobs)):
            reason = self._jobs[0].meta()["reason"]
            raise RunFailed(
                f"every job failed; the first: {reason}",
                mend="mend that and run again: failed jobs are tried again",
            )

    def _say_what_is_kept(self) -> None:
        kept = sum(job.status() is not None for job in self._jobs)
        if kept:
            self._watcher.say(f"going on in {self._folder}: {kept} finished jobs are kept")
        adopted = sum(self._adopt(job) for job in self._jobs if job.status() is None)
        if adopted:
            self._watcher.say(
                f"{adopted} finished jobs of earlier runs are kept (`--fresh` measures them anew)"
            )

    def _adopt(self, job: JobFolder) -> bool:
        """Take a finished job over, unless it does not prove itself: then it is measured anew."""
        if not adopt(job, self._earlier):
            return False
        try:
            prove(job)
        except JobFailed:
            shutil.rmtree(job.path)
            return False
        return True

    def _run_job(self, job: JobFolder) -> None:
        start = monotonic_ns()
        is_ours = job.launch.url is None
        inspection = self._look.at(Hardware(**job.lock.hardware)) if is_ours else Inspection()
        status = run_job(
            job,
            self._prepared.variants[job.job.variant],
            self._prompts,
            self._programs[job.job.variant],
            inspection=inspection,
            session=self._session,
            watch=self._watcher.progress,
        )
        first = next(phase.start_ns for phase in status.phases if phase.measured)
        last = status.phases[-1].end_ns
        self._clock.add("engine start-up and warm-up", first - start)
        self._clock.add("measured phases", last - first)
        self._clock.add("stopping engines", monotonic_ns() - last)

    def seal(self, supersedes: Digest | None) -> Path:
        """Seal what was measured, with this site's key, made now if there is none."""
        if not self._settings.signing_key.exists():
            key = create_trusted_key(self._settings)
            self._watcher.say(
                f"made a signing key at {self._settings.signing_key} (trusted here): "
                f"{key.digest[:16]}"
            )
        with self._clock.stage("sealing"):
            inputs = self._inputs()
            signer = load_signer(self._settings.signing_key)
            return seal(
                inputs,
                self._folder / BUNDLE,
                signer=signer,
                now=datetime.now(UTC),
                supersedes=supersedes,
            )

    def _inputs(self) -> SealInputs:
        lock, jobs = self._prepared.lock, tuple(map(read_job, self._jobs))
        logs = {
            f"{job.job.name}.{part}.log": job.path / "out" / f"{part}.log"
            for job in self._jobs
            for part in ("engine", "client")
        }
        return SealInputs(
            spec_bytes=self._spec_bytes,
            lock=lock,
            environment=self._environment(jobs),
            run=RunData(
                jobs=jobs,
                objectives=Objectives(**lock.points["objectives"]),
                draftable=lock.drafter["draftable"],
                seed=lock.points["seed"],
            ),
            logs={name: path for name, path in logs.items() if path.is_file()},
            started=self._run.started,
            finished=utc_now(),
            redact=self._redact(),
            prompts=tuple(
                dict.fromkeys(
                    [*self._prompts.values(), *(one.words for one in self._prepared.variants)]
                )
            ),
        )

    def _environment(self, jobs: Sequence[JobData]) -> dict[str, Any]:
        lock, runtime = self._prepared.lock, self._programs[0].runtime
        facts = facts_of(self._programs)
        found = list(map(job_environment, self._jobs, jobs))
        return {
            "schema": "specseal/environment/1",
            "specseal_version": specseal.__version__,
            "lock_sha256": lock.digest,
            "recipe": lock.recipe,
            "session": self._session,
            "runtime": runtime.name,
            "isolation": runtime.isolation,
            "pinned": "yes" if lock.engine["image"] else "no",
            "hardware": hardware_taken(found),
            "machine": describe_machine(),
            "images": facts,
            "packages": {role: one["wheels"] for role, one in self._programs[0].facts.items()},
            "jobs": found,
        }

    def _redact(self) -> dict[str, str]:
        settings, variants = self._settings, self._prepared.variants
        # One within another is told by the longer's name; of one twice, by the last's.
        stand_ins = {
            Path(tempfile.gettempdir()): "<temporary>",
            **{one.drafter: "<drafter>" for one in variants if one.drafter},
            **{one.model: "<model>" for one in variants if one.model},
            **{path: "<certificates>" for path in [settings.ca_bundle] if path},
            **{path: "<wheels>" for path in [settings.wheel_dir] if path},
            settings.signing_key: "<key>",
            settings.config_dir: "<configuration>",
            settings.runs_dir: "<runs>",
            settings.cache_dir: "<cache>",
            Path.home(): "<home>",
            Path(specseal.__file__).parents[2]: "<specseal>",
            self._folder.absolute(): "<run>",
        }
        # As written and with links followed: programs print the one or the other.
        spellings = {
            str(path): stand_in
            for folder, stand_in in stand_ins.items()
            for path in (folder, folder.resolve())
        }
        return {path: name for path, name in spellings.items() if path not in _EVERYWHERE}


_EVERYWHERE = ("/", "/tmp", "/var/tmp")  # noqa: S108  (nothing is put there)
"""Folders that every machine has, and that tell nothing of one."""


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn a full disk, wherever it shows, into one message."""
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{error.filename or 'the disk'}: {error.strerror or error}",
            mend="free some space and run the same command again: finished jobs are kept"
            if error.errno == errno.ENOSPC
            else "mend that and run the same command again: finished jobs are kept",
        ) from error
