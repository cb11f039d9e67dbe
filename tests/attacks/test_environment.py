"""An environment that contradicts itself: what is said of the whole run, and of each of its jobs.

All is signed by the trusted key.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import NOW, GoodBundle, codes, inputs_of, make_failed_job, packages_of
from attacks.test_sweep import SWEEP, lock_of, run_of
from specseal.analysis import RunData
from specseal.bundle import Report, SealInputs, seal
from specseal.bundle.against_jobs import devices_of_jobs
from specseal.image_inputs import inputs_digest
from specseal.plan import make_plan

LATER = NOW + timedelta(days=3)
"""After the last day of the bundles of which less is asked."""
Environment = dict[str, Any]
Change = Callable[[Environment], object]


def containers(session: str = "") -> dict[str, dict[str, Any]]:
    """What the container engine says of a job's containers."""
    alike = {"Privileged": False, "ReadonlyRootfs": True, "CapDrop": ["ALL"]}
    return {
        "engine": {**alike, "NetworkMode": "none", "Image": f"sha256:{session}engine"},
        "client": {**alike, "NetworkMode": "container:engine", "Image": f"sha256:{session}client"},
    }


def shut_in(inputs: SealInputs) -> SealInputs:
    """The same run, in containers."""
    environment = deepcopy(inputs.environment)
    environment |= {"runtime": "docker", "isolation": "container"}
    for role in ("engine", "client"):
        environment["images"][role]["id"] = f"sha256:{role}"
    for job in environment["jobs"]:
        job |= {"runtime": "docker", "isolation": "container", "containers": containers()}
    return replace(inputs, environment=environment)


class Sealed:
    """Seals a run with its environment changed, and verifies it."""

    def __init__(self, good: GoodBundle, folder: Path) -> None:
        self._good, self._folder, self._numbers = good, folder, count()

    def report(
        self,
        change: Change = lambda environment: None,
        *,
        inputs: SealInputs | None = None,
        now: datetime = NOW,
    ) -> Report:
        """What `verify` says of it. Without `inputs`, of the good run, in containers."""
        inputs = inputs or shut_in(self._good.inputs)
        environment = deepcopy(inputs.environment)
        change(environment)
        target = self._folder / str(next(self._numbers))
        changed = replace(inputs, environment=environment)
        bundle = seal(changed, target, signer=self._good.signer, now=now)
        return self._good.verify(bundle, now=now)

    def codes(self, *args: Any, **kwargs: Any) -> set[str]:
        return codes(self.report(*args, **kwargs))


@pytest.fixture
def sealed(good: GoodBundle, tmp_path: Path) -> Sealed:
    return Sealed(good, tmp_path)


def test_run_in_containers_as_it_is_told_holds(sealed: Sealed) -> None:
    for now in (NOW, LATER):
        report = sealed.report(now=now)
        assert report.intact, report.to_text()


# Isolation


def setting(role: str, name: str, value: object) -> Change:
    """Change a setting of one container of the second job."""
    return lambda environment: environment["jobs"][1]["containers"][role].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (setting("engine", "NetworkMode", "host"), "containers.engine.NetworkMode is host, shut"),
        (setting("engine", "NetworkMode", "bridge"), "containers.engine.NetworkMode is bridge"),
        (setting("client", "NetworkMode", "host"), "containers.client.NetworkMode is host, shut"),
        (setting("engine", "Privileged", True), "containers.engine.Privileged is True, shut"),
        (setting("client", "Privileged", True), "containers.client.Privileged is True, shut"),
        (setting("engine", "ReadonlyRootfs", False), "containers.engine.ReadonlyRootfs is False"),
        (setting("engine", "CapDrop", []), "containers.engine.CapDrop is empty"),
        (setting("client", "CapDrop", None), "containers.client.CapDrop is empty"),
        (
            lambda environment: environment["jobs"][1]["containers"].pop("engine"),
            "containers.engine.NetworkMode is None, shut in it is none",
        ),
        (
            lambda environment: environment["jobs"][1]["containers"]["client"].pop("Privileged"),
            "containers.client.Privileged is None, shut in it is False",
        ),
        (lambda environment: environment["jobs"][1].pop("containers"), "tells of no containers"),
        (
            lambda environment: environment["jobs"][1].update(runtime="native"),
            "runtime is native, of the whole run it is docker",
        ),
        (
            lambda environment: environment["jobs"][1].update(isolation="none"),
            "isolation is none, of the whole run it is container",
        ),
    ],
)
def test_job_that_was_not_shut_in_as_the_run_is_said_to_be_is_refused(
    sealed: Sealed, change: Change, said: str
) -> None:
    report = sealed.report(change)
    assert codes(report) == {"schemas.isolation"}
    assert f"environment.json: job key-r1-ngram: {said}" in report.to_text()


def test_job_that_ran_in_containers_is_none_of_a_native_run(
    good: GoodBundle, sealed: Sealed
) -> None:
    def change(environment: Environment) -> None:
        environment["jobs"][0]["containers"] = containers()

    report = sealed.report(change, inputs=good.inputs)
    assert codes(report) == {"schemas.isolation"}
    assert "ran in containers, with runtime native" in report.to_text()


def test_failed_job_may_not_have_come_as_far_as_its_containers(
    good: GoodBundle, sealed: Sealed
) -> None:
    def forget(environment: Environment) -> None:
        for name in ("runtime", "isolation", "containers"):
            del environment["jobs"][1][name]

    def failed(measured: int) -> SealInputs:
        baseline, _ = good.inputs.run.jobs
        job = make_failed_job(make_plan(good.inputs.lock).jobs[1], "it died", measured=measured)
        return shut_in(replace(good.inputs, run=RunData(jobs=(baseline, job), seed=0)))

    assert sealed.codes(forget, inputs=failed(0)) == set()
    assert sealed.codes(forget, inputs=failed(1)) == {"schemas.isolation"}


@pytest.mark.parametrize("value", ["none", [], {"engine": []}, {"engine": "shut in", "client": 1}])
def test_containers_that_are_none_are_a_no_and_no_crash(sealed: Sealed, value: object) -> None:
    found = sealed.codes(lambda environment: environment["jobs"][0].update(containers=value))
    assert found == {"schemas.environment"}


# Images


def test_job_that_ran_in_another_image_than_is_told_of_is_refused(sealed: Sealed) -> None:
    for jobs in ([0], [1], [0, 1]):

        def change(environment: Environment, jobs: list[int] = jobs) -> None:
            for number in jobs:
                environment["jobs"][number]["containers"]["engine"]["Image"] = "sha256:other"

        report = sealed.report(change)
        assert codes(report) == {"recompute.jobs"}
        said = "containers.engine.Image is sha256:other, the image that is told of is sha256:engine"
        assert report.to_text().count(said) == len(jobs)


@pytest.mark.parametrize("role", ["engine", "client"])
def test_image_told_of_that_no_job_ran_in_is_refused(sealed: Sealed, role: str) -> None:
    def change(environment: Environment) -> None:
        environment["images"][role]["id"] = "sha256:other"

    assert sealed.codes(change) == {"recompute.jobs"}


def resumed(good: GoodBundle, sessions: tuple[str, str]) -> SealInputs:
    """The run, its jobs of these sessions, each with images of its own."""
    jobs = tuple(
        replace(job, session=session)
        for job, session in zip(good.inputs.run.jobs, sessions, strict=True)
    )
    inputs = shut_in(replace(good.inputs, run=replace(good.inputs.run, jobs=jobs)))
    environment = deepcopy(inputs.environment)
    environment["session"] = "session"
    for job, session in zip(environment["jobs"], sessions, strict=True):
        images = "" if session == "session" else session
        job |= {"session": session, "containers": containers(images)}
    return replace(inputs, environment=environment)


@pytest.mark.parametrize(
    "sessions",
    [
        ("session", "session"),
        ("earlier", "session"),
        ("earlier", "another"),
        ("earlier", "earlier"),
    ],
)
def test_job_kept_from_an_earlier_session_may_have_run_in_an_image_built_before(
    good: GoodBundle, sealed: Sealed, sessions: tuple[str, str]
) -> None:
    """Images are built again where they were removed, and their ids are others then."""
    report = sealed.report(inputs=resumed(good, sessions))
    assert report.intact, report.to_text()


def test_first_bundles_do_not_say_which_session_sealed_them(
    good: GoodBundle, sealed: Sealed
) -> None:
    def forget(environment: Environment) -> None:
        del environment["session"]

    for sessions in (("earlier", "session"), ("session", "earlier")):
        report = sealed.report(forget, inputs=resumed(good, sessions))
        assert report.intact, report.to_text()
    # Of one session, it is that one.
    assert sealed.codes(forget, inputs=resumed(good, ("earlier", "earlier"))) == {"recompute.jobs"}


@pytest.mark.parametrize("sessions", [("earlier", "session"), ("earlier", "earlier")])
def test_jobs_of_one_session_that_ran_in_two_images_are_refused(
    good: GoodBundle, sealed: Sealed, sessions: tuple[str, str]
) -> None:
    found = sealed.codes(setting("client", "Image", "sha256:other"), inputs=resumed(good, sessions))
    assert found == {"recompute.jobs"}


def test_each_variant_of_a_sweep_ran_in_its_own_image(
    good: GoodBundle, sealed: Sealed, tmp_path: Path
) -> None:
    lock = lock_of(SWEEP)
    inputs = shut_in(inputs_of(SWEEP, lock, run_of(lock), tmp_path))
    plan = make_plan(lock).jobs
    assert [job.variant for job in plan] == [0, 0, 2]

    def swept(environment: Environment) -> None:
        images = environment["images"]
        variants = [deepcopy(images) for _ in lock.variants]
        for variant in variants[2:]:
            variant["engine"]["id"] = "sha256:second"
        images["variants"] = variants
        environment["jobs"][2]["containers"]["engine"]["Image"] = "sha256:second"

    def exchanged(environment: Environment) -> None:
        swept(environment)
        environment["jobs"][1]["containers"]["engine"]["Image"] = "sha256:second"

    assert sealed.codes(swept, inputs=inputs) == set()
    assert sealed.codes(exchanged, inputs=inputs) == {"recompute.jobs"}


# Packages


def forget_packages(role: str) -> Change:
    return lambda environment: environment["images"][role].pop("packages")


@pytest.mark.parametrize("role", ["engine", "client"])
def test_image_into_which_nobody_looked_is_refused(sealed: Sealed, role: str) -> None:
    report = sealed.report(forget_packages(role))
    assert codes(report) == {"schemas.environment"}
    assert f"images.{role}: nobody tells which packages are in its image" in report.to_text()


def test_native_run_has_no_image_to_look_into(good: GoodBundle, sealed: Sealed) -> None:
    assert sealed.codes(forget_packages("engine"), inputs=good.inputs) == set()


@pytest.mark.parametrize(
    "change",
    [
        lambda packages: packages.clear(),
        lambda packages: packages.pop("client"),
        lambda packages: packages["engine"].update({"evil-1.0-py3-none-any.whl": "0" * 64}),
        lambda packages: packages["engine"].update({"wheel-1.0-py3-none-any.whl": "0" * 64}),
        lambda packages: packages.update(other={}),
    ],
    ids=["none", "one role less", "one more", "another digest", "one role more"],
)
def test_packages_other_than_the_wheels_that_were_installed_are_refused(
    good: GoodBundle, sealed: Sealed, change: Callable[[dict[str, Any]], object]
) -> None:
    for inputs in (good.inputs, shut_in(good.inputs)):
        report = sealed.report(lambda environment: change(environment["packages"]), inputs=inputs)
        assert codes(report) == {"schemas.environment"}
        assert "environment.json: packages is not what images has as wheels" in report.to_text()


# Accelerators


def devices(*names: str) -> Environment:
    return {"hardware": "as_locked", "devices": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    ("machine", "found", "holds"),
    [
        ({"inspection": devices("H200"), "accelerators": []}, ("H200",), True),
        ({"inspection": devices(), "accelerators": devices("H200")["devices"]}, (), True),
        ({"accelerators": devices("H200")["devices"]}, ("H200",), True),
        ({}, ("H200",), True),
        ({"inspection": devices()}, ("H200",), False),
        ({"inspection": devices("H200", "H200")}, ("H200",), False),
        ({"inspection": devices("H100")}, ("H200",), False),
        ({"accelerators": []}, ("H200",), False),
        ({"inspection": devices()}, None, False),
    ],
)
def test_job_that_held_other_accelerators_than_its_environment_has_is_refused(
    good: GoodBundle,
    sealed: Sealed,
    machine: Environment,
    found: tuple[str, ...] | None,
    holds: bool,
) -> None:
    jobs = tuple(replace(job, accelerators_found=found) for job in good.inputs.run.jobs)
    inputs = replace(good.inputs, run=replace(good.inputs.run, jobs=jobs))

    def change(environment: Environment) -> None:
        for job in environment["jobs"]:
            job["machine"] = machine

    assert sealed.codes(change, inputs=inputs) == (set() if holds else {"recompute.jobs"})


def test_job_of_a_running_server_that_tells_nothing_does_not_hide_the_next(
    good: GoodBundle,
) -> None:
    lock = replace(good.inputs.lock, spec={**good.inputs.lock.spec, "url": "http://127.0.0.1:1"})
    first, second = good.inputs.run.jobs
    jobs = (replace(first, accelerators_found=None), replace(second, accelerators_found=("H200",)))
    run = replace(good.inputs.run, jobs=jobs)
    environment = {"jobs": [{"key": job.key, "machine": {"accelerators": []}} for job in jobs]}
    (finding,) = devices_of_jobs(run, lock, environment)
    assert finding.message.startswith(f"counts.json: job {second.key}: accelerators_found")


# The first bundles


def silent(good: GoodBundle) -> Change:
    """Return what makes an environment tell as little as those of the first bundles."""

    def change(environment: Environment) -> None:
        client = good.inputs.lock.client
        environment["images"]["client"] = {
            "inputs": inputs_digest(client["image"], {}, client["source"])
        }
        environment["packages"] = {"engine": ["wheel-1.0"]}
        del environment["hardware"]

    return change


def test_bundle_of_later_may_not_tell_as_little_as_the_first(
    good: GoodBundle, sealed: Sealed
) -> None:
    """Leaving out one more thing must not be leave to leave out others."""
    assert sealed.codes(silent(good), inputs=good.inputs) == set()
    assert sealed.codes(silent(good), inputs=good.inputs, now=LATER) == {"schemas.environment"}


def test_first_bundle_that_tells_of_its_clients_packages_is_held_to_them(
    good: GoodBundle, sealed: Sealed
) -> None:
    def none(environment: Environment) -> None:
        silent(good)(environment)
        environment["images"]["client"]["wheels"] = {}

    report = sealed.report(none, inputs=good.inputs)
    assert codes(report) == {"schemas.environment"}
    assert "images.client: wheel 1.0 is locked, and was not installed" in report.to_text()


def test_bundle_of_later_must_tell_of_containers_and_packages(sealed: Sealed) -> None:
    def change(environment: Environment) -> None:
        del environment["hardware"]
        for job in environment["jobs"]:
            del job["containers"]
        for role in ("engine", "client"):
            del environment["images"][role]["packages"]
        environment["packages"] = packages_of(environment["images"])

    assert sealed.codes(change) == set()
    assert sealed.codes(change, now=LATER) == {"schemas.environment", "schemas.isolation"}
