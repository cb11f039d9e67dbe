"""Which jobs a run measures, where its time goes, and what a disk that fails turns into."""

from __future__ import annotations

import errno
import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from fakeruntime import FakeRuntime
from locks import make_lock as make_any_lock
from locks import write_prompts
from specseal.analysis import analyse
from specseal.bench import (
    Clock,
    _disk_errors,
    _hardware_of,
    _Look,
    _preflight,
    _Run,
    run_spec,
)
from specseal.bundle import create_trusted_key, load_signer, revoke, user_store
from specseal.digests import Digest
from specseal.errors import InputError, JobFailed, MachineLacks, RunFailed, VerificationFailed
from specseal.measured import read_job
from specseal.plan import Job
from specseal.prepare import Prepared, PreparedVariant
from specseal.programs import Programs
from specseal.runtimes import Preflight, Progress
from specseal.runtimes.nvidia import nvidia_devices
from specseal.settings import Settings, load_settings
from specseal.spec import Spec, parse_spec
from specseal.spec.locked import Lock
from unit.runtimes.fake_nvml import FakeNvml


def test_a_clock_adds_up_what_is_spent_in_a_stage_even_where_it_fails() -> None:
    clock = Clock()
    clock.add("measured phases", 1_500_000_000)
    clock.add("measured phases", 500_000_000)
    with pytest.raises(KeyError), clock.stage("sealing"):
        raise KeyError
    assert clock.spent_s["measured phases"] == 2.0
    assert clock.spent_s["sealing"] >= 0


def test_a_clock_of_this_process_began_when_the_process_was_created() -> None:
    before = time.time() - psutil.Process().create_time()
    counted = Clock.of_this_process().spent_s["starting"]
    assert before <= counted <= time.time() - psutil.Process().create_time()


@pytest.mark.parametrize(
    ("error", "message", "mend"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/runs/x"),
            "/runs/x: No space left on device",
            "free some space",
        ),
        (OSError(errno.EIO, "Input/output error"), "the disk: Input/output error", "mend that"),
        (OSError("cut off"), "the disk: cut off", "mend that"),
    ],
)
def test_a_disk_that_fails_is_a_failed_run_that_can_be_gone_on_with(
    error: OSError, message: str, mend: str
) -> None:
    with pytest.raises(RunFailed) as caught, _disk_errors():
        raise error
    assert caught.value.message == message
    assert caught.value.mend.startswith(mend)
    assert caught.value.mend.endswith("finished jobs are kept")


def make_lock(**changes: Any) -> Lock:
    """Return a lock whose drafts of 2 tokens llama.cpp would make."""
    return make_any_lock(**{"drafter": {"args": {"ngram_min": 1}}, **changes})


@dataclass
class Said:
    """A watcher that remembers."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def begin(self, job: Job, number: int, of: int) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass


@dataclass(frozen=True)
class Place:
    """Runs of one spec, on a runtime that measures nothing."""

    folder: Path
    runtime: FakeRuntime
    said: Said
    preflight: Preflight = field(default_factory=Preflight)

    def run(self, lock: Lock, *, fresh: bool = False, home: str = "runs") -> _Run:
        prompts = self.folder / "prompts.jsonl"
        write_prompts(prompts)
        variant = PreparedVariant(
            lock=lock,
            model=self.folder,
            drafter=None,
            prompts={Digest(lock.prompts["sha256"]): prompts},
            words=self.folder / "words.jsonl",
        )
        facts = {
            role: {"inputs": number * 64, "wheels": []}
            for role, number in (("engine", "1"), ("client", "2"))
        }
        return _Run(
            self.folder / home,
            b"",
            Prepared(lock=lock, variants=(variant,)),
            (Programs(runtime=self.runtime, facts=facts),),
            Settings(
                cache_dir=self.folder,
                config_dir=self.folder,
                runs_dir=self.folder,
                signing_key=self.folder / "key",
            ),
            self.said,
            Clock(),
            _Look(self.preflight, self.said.say),
            fresh=fresh,
        )

    def ran(self, run: _Run) -> list[str]:
        """Measure, and return the names of the jobs that really ran."""
        self.runtime.ran.clear()
        run.measure()
        return list(self.runtime.ran)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path, runtime=FakeRuntime(), said=Said())


H100 = "nvidia/h100-sxm5-80gb"


def on_one(api: FakeNvml, *, any_hardware: bool = False) -> Preflight:
    return Preflight(libraries=(partial(nvidia_devices, api),), any_hardware=any_hardware)


def gpu_lock() -> Lock:
    return make_lock(hardware={"accelerator": H100, "count": 1, "driver": None})


def test_every_job_is_looked_at_anew_and_gets_its_devices(place: Place) -> None:
    api = FakeNvml(processes=(7,))
    there = replace(place, preflight=on_one(api))
    there.run(gpu_lock()).measure()
    assert [[one.uuid for one in given] for given in place.runtime.devices] == [["GPU-0"]] * 2
    busy = [line for line in place.said.lines if "other processes" in line]
    assert busy == [
        "warning: other processes: nvidia 0: 1 process (mend: wait for them to end, or end them)"
    ]


def test_device_that_is_gone_before_a_job_stops_the_run_and_not_the_job_alone(
    place: Place,
) -> None:
    there = replace(place, preflight=on_one(FakeNvml(devices=0)))
    with pytest.raises(MachineLacks, match=f"asked for 1 × {H100}, found none"):
        there.run(gpu_lock()).measure()
    assert place.runtime.ran == []


def test_other_hardware_is_in_the_environment_and_spoils_the_figures(place: Place) -> None:
    api = FakeNvml(product="NVIDIA H200", memory_bytes=141 << 30)
    run = replace(place, preflight=on_one(api, any_hardware=True)).run(gpu_lock())
    run.measure()
    environment = run._inputs().environment
    assert environment["hardware"] == "any"
    (finding,) = [
        one
        for one in environment["jobs"][0]["machine"]["inspection"]["findings"]
        if one["name"] == "accelerators"
    ]
    assert finding["found"] == f"asked for 1 × {H100}, found 1 × nvidia/h200-sxm-141gb"
    result = analyse(run._inputs().run)
    drafted = [one for one in result.metrics if one.name == "acceptance_length_drafted"]
    assert drafted
    assert not any(one.valid for one in drafted)
    assert all("accelerator_not_as_locked" in one.reasons for one in drafted)


def test_text_of_the_data_set_is_known_when_what_was_sent_were_ids(place: Place) -> None:
    run = place.run(make_lock())
    place.ran(run)
    assert run._inputs().prompts == (
        place.folder / "prompts.jsonl",
        place.folder / "words.jsonl",
    )


def test_no_folder_of_this_machine_is_in_what_is_sealed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = place.run(make_lock())
    place.ran(run)
    variants = tuple(
        replace(one, model=tmp_path / "weights", drafter=tmp_path / "head")
        for one in run._prepared.variants
    )
    run._prepared = replace(run._prepared, variants=variants)
    run._settings = replace(
        run._settings,
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path / "config",
        runs_dir=tmp_path / "all",
        wheel_dir=tmp_path / "wheels",
        ca_bundle=tmp_path / "ca.pem",
        signing_key=tmp_path / "secrets" / "key.pem",
    )
    (tmp_path / "scratch").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    redact = run._inputs().redact
    assert {path.removeprefix(f"{tmp_path}/"): name for path, name in redact.items()}.items() >= {
        ("weights", "<model>"),
        ("head", "<drafter>"),
        ("cache", "<cache>"),
        ("config", "<configuration>"),
        ("all", "<runs>"),
        ("wheels", "<wheels>"),
        ("ca.pem", "<certificates>"),
        ("secrets/key.pem", "<key>"),
        ("link", "<temporary>"),
        ("scratch", "<temporary>"),
    }
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert not {"/", "/tmp"} & run._inputs().redact.keys()


def test_a_run_on_cpus_took_what_was_locked(place: Place) -> None:
    run = place.run(make_lock())
    run.measure()
    assert run._inputs().environment["hardware"] == "as_locked"
    assert place.runtime.devices == [(), ()]


SPEC = """\
apiVersion: specseal/v1
name: tiny
title: A tiny run
engine: {name: llamacpp, version: "2026.10.11549", context_length: 4096}
hardware: {accelerator: cpu}
model: {source: path, path: model.gguf}
drafter: {method: ngram, draft_length: 2}
baseline: autoregressive
workload:
  dataset: {source: builtin, name: speed-mini, split: qualitative}
  sampling: {temperature: 0, max_tokens: 8}
  load: {concurrency: [1]}
"""


def spec_with(*replacements: tuple[str, str]) -> Spec:
    text = SPEC
    for old, new in replacements:
        text = text.replace(old, new)
    return parse_spec(text.encode(), path="x")


def test_each_hardware_of_a_sweep_is_looked_at_once() -> None:
    swept = spec_with(
        ("accelerator: cpu", f"accelerator: {H100}"),
        ("workload:", "sweep: {hardware.count: [1, 2], drafter.draft_length: [2, 3]}\nworkload:"),
    )
    assert [one.count for one in _hardware_of(swept)] == [1, 2]


def test_nothing_is_asked_of_this_machine_for_a_running_server() -> None:
    running = spec_with(
        (
            '{name: llamacpp, version: "2026.10.11549", context_length: 4096}',
            '{name: endpoint, url: "http://127.0.0.1:8000", model: tiny, api: chat}',
        ),
        ("accelerator: cpu", f"accelerator: {H100}, count: 8"),
        ("{source: path, path: model.gguf}", "{source: none}"),
        ("baseline: autoregressive", "baseline: none"),
    )
    assert _hardware_of(running) == []


@pytest.mark.parametrize(
    ("accelerator", "runtime", "asks"),
    [("cpu", "docker", False), (H100, "docker", True), (H100, "native", False)],
)
def test_container_engine_is_asked_only_where_devices_go_into_containers(
    accelerator: str, runtime: str, asks: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"Runtimes": {"nvidia": {}}}
    monkeypatch.setattr("specseal.bench.describe_container_engine", lambda settings: told)
    spec = spec_with(("accelerator: cpu", f"accelerator: {accelerator}"))
    settings = Settings(
        cache_dir=place.folder, config_dir=place.folder, runs_dir=place.folder,
        signing_key=place.folder / "key",
    )  # fmt: skip
    found = _preflight(spec, runtime, settings, any_hardware=True)
    assert found.container_engine == (told if asks else None)
    assert found.any_hardware


@pytest.fixture
def signing(tmp_path: Path) -> Settings:
    """A site that has a key to sign with."""
    site = load_settings({"SPECSEAL_CONFIG_DIR": str(tmp_path / "config")}, tmp_path)
    create_trusted_key(site)
    return site


def run_nothing(site: Settings, **asked: Any) -> None:
    """Run a spec that is not there: what is refused before is refused before anything else."""
    watcher, nothing = Said(), site.runs_dir / "none.yaml"
    run_spec(nothing, runtime="auto", settings=site, watcher=watcher, clock=Clock(), **asked)


def test_revoked_key_is_refused_before_anything_is_measured(signing: Settings) -> None:
    key = load_signer(signing.signing_key).public.digest
    revoke(key, user_store(signing), reason="lost", now=datetime.now(UTC))
    with pytest.raises(InputError, match=r"the signing key .* was revoked on .*: lost") as caught:
        run_nothing(signing)
    assert "keys create" in caught.value.mend


def test_key_open_to_others_is_refused_before_anything_is_measured(signing: Settings) -> None:
    signing.signing_key.chmod(0o644)
    with pytest.raises(InputError, match="others than its owner"):
        run_nothing(signing)


def test_what_a_run_is_to_supersede_must_be_a_bundle(signing: Settings, tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match="no bundle: it has no MANIFEST"):
        run_nothing(signing, supersedes=tmp_path)


def seal(run: _Run) -> None:
    (run._folder / "bundle").mkdir()


def test_a_run_that_was_broken_off_goes_on_from_its_finished_jobs(place: Place) -> None:
    lock = make_lock()
    assert place.ran(place.run(lock)) == ["r1-none", "r1-ngram"]
    assert place.ran(place.run(lock)) == []
    assert any("2 finished jobs are kept" in line for line in place.said.lines)


def test_a_job_that_fails_keeps_its_reason_and_the_others_go_on(place: Place) -> None:
    place.runtime.breaks = frozenset({"r1-none"})
    run = place.run(make_lock())
    assert place.ran(run) == ["r1-none", "r1-ngram"]
    assert "exit code 9" in run._jobs[0].meta()["reason"]
    assert run._jobs[1].status() is not None


def test_where_every_job_fails_there_is_nothing_to_seal(place: Place) -> None:
    place.runtime.fails = True
    with pytest.raises(RunFailed, match="every job failed; the first: r1-none: the engine died"):
        place.run(make_lock()).measure()


def test_a_job_whose_client_was_killed_fails_alone(place: Place) -> None:
    place.runtime.kills = frozenset({"r1-none"})
    run = place.run(make_lock())
    assert place.ran(run) == ["r1-none", "r1-ngram"]
    assert "exit code -9" in run._jobs[0].meta()["reason"]
    assert run._jobs[1].status() is not None


def test_what_is_no_jobs_own_stops_the_run(place: Place) -> None:
    place.runtime.stops = frozenset({"r1-none"})
    run = place.run(make_lock())
    with pytest.raises(RunFailed, match="can't be written") as caught:
        run.measure()
    assert not isinstance(caught.value, JobFailed)
    assert place.runtime.ran == ["r1-none"]


def test_where_every_job_broke_late_there_is_something_to_seal(place: Place) -> None:
    place.runtime.breaks_late = frozenset({"r1-none", "r1-ngram"})
    run = place.run(make_lock())
    run.measure()
    assert [len(read_job(job).phases) for job in run._jobs] == [1, 1]


@pytest.mark.usefixtures("next_second")
def test_a_job_is_known_by_its_key_under_whatever_name_it_was_run(place: Place) -> None:
    place.run(make_lock()).measure()
    renamed = make_lock(spec={"name": "another"})
    assert place.ran(place.run(renamed, home="others")) == []
    assert any("2 finished jobs of earlier runs" in line for line in place.said.lines)


@pytest.mark.usefixtures("next_second")
def test_run_again_only_failed_jobs_run(place: Place) -> None:
    place.runtime.breaks = frozenset({"r1-ngram"})
    first = place.run(make_lock())
    first.measure()
    seal(first)
    place.runtime.breaks = frozenset()
    assert place.ran(place.run(make_lock())) == ["r1-ngram"]
    assert any("1 finished jobs of earlier runs" in line for line in place.said.lines)


@pytest.mark.usefixtures("next_second")
def test_a_changed_flag_runs_only_what_it_changes(place: Place) -> None:
    first = place.run(make_lock())
    first.measure()
    seal(first)
    assert place.ran(place.run(make_lock(points={"draft_length": 3}))) == ["r1-ngram"]


@pytest.mark.usefixtures("next_second")
def test_a_lock_that_was_measured_whole_is_measured_again(place: Place) -> None:
    first = place.run(make_lock())
    first.measure()
    seal(first)
    assert place.ran(place.run(make_lock())) == ["r1-none", "r1-ngram"]


@pytest.mark.usefixtures("next_second")
def test_a_job_of_an_earlier_run_that_does_not_prove_itself_is_measured_anew(place: Place) -> None:
    first = place.run(make_lock())
    first.measure()
    status = next((first._folder / "jobs").glob("*-r1-ngram-*")) / "out" / "status.json"
    told = json.loads(status.read_bytes())
    told["engine"]["slots"] = told["engine"]["slots"][:1]  # fewer than a stricter proof wants
    status.write_text(json.dumps(told))
    other = make_lock(points={"repeats": 2})
    assert place.ran(place.run(other)) == ["r1-ngram", "r2-ngram", "r2-none"]


@pytest.mark.usefixtures("next_second")
def test_fresh_measures_what_is_there_already(place: Place) -> None:
    place.run(make_lock()).measure()
    assert place.ran(place.run(make_lock(), fresh=True)) == ["r1-none", "r1-ngram"]


@pytest.fixture
def next_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs begin a second apart: their folders are named by the second."""
    seconds = iter(range(60))
    monkeypatch.setattr(
        "specseal.runfolder.utc_now", lambda: f"2026-01-01T00:00:{next(seconds):02}.000Z"
    )
