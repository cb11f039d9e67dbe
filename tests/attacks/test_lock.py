"""A lock against reality: changed so that it, or what was run, is another than what was pinned.

All is signed by the trusted key, and whatever names the lock by its digest names the changed one.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import locks
from attacks.builder import NOW, GoodBundle, codes, packages_of
from specseal.bundle import seal
from specseal.digests import canonical
from specseal.image_inputs import inputs_digest
from specseal.spec.locked import Lock

OFFICIAL = {
    "repository": "docker.io/someone/engine",
    "index_sha256": "a" * 64,
    "manifest_sha256": "b" * 64,
}


@pytest.fixture
def found(good: GoodBundle, tmp_path: Path) -> Callable[..., set[str]]:
    """Seal the run with lock and environment changed; return the codes of what `verify` finds."""

    numbers = count()

    def call(
        change: Callable[[dict[str, Any]], None] = lambda lock: None,
        images: Callable[[dict[str, Any]], None] = lambda images: None,
    ) -> set[str]:
        value = deepcopy(good.inputs.lock.to_dict())
        change(value)
        lock = Lock(**value)
        environment = deepcopy(good.inputs.environment)
        environment |= {"lock_sha256": lock.digest, "recipe": lock.recipe}
        images(environment["images"])
        environment["packages"] = packages_of(environment["images"])
        inputs = replace(good.inputs, lock=lock, environment=environment)
        return codes(
            good.verify(seal(inputs, tmp_path / str(next(numbers)), signer=good.signer, now=NOW))
        )

    return call


def test_lock_as_it_was_holds(found: Callable[..., set[str]]) -> None:
    assert found() == set()


def set_at(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """Set what lies at a path of keys and indices."""

    def change(value: dict[str, Any]) -> None:
        inner: Any = value
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to

    return change


COMMIT = "c" * 40


@pytest.mark.parametrize("section", ["model", "drafter", "dataset"])
@pytest.mark.parametrize(
    "revision", ["main", "v1.0", "refs/pr/1", COMMIT[:12], COMMIT + "\n", COMMIT.upper(), "", 1]
)
def test_revision_that_can_move_is_refused(
    found: Callable[..., set[str]], section: str, revision: object
) -> None:
    assert found(set_at(section, "revision", to=revision)) == {"schemas.lock"}


DIGESTS = [
    ("engine", "image", "wheels", 0, "sha256", 0),
    ("engine", "image", "base", "sha256"),
    ("engine", "image", "tree_sha256"),
    ("client", "image", "wheels", 0, "sha256", 0),
    ("client", "source", "client/load.py"),
    ("model", "files", 0, "sha256"),
    ("model", "chat_template_sha256"),
    ("dataset", "rows", 0, "sha256"),
    ("prompts", "sha256"),
    ("prompts", "conversations", 0, "sha256"),
    ("spec", "sha256"),
]


NO_SHA256 = {
    "md5": "d" * 32,
    "sha1": "d" * 40,
    "sha512": "d" * 128,
    "upper case": "D" * 64,
    "a newline": "d" * 64 + "\n",
    "a prefix": "sha256:" + "d" * 64,
    "a tag": "v1.0",
    "nothing": "",
}


@pytest.mark.parametrize("digest", NO_SHA256.values(), ids=NO_SHA256)
def test_digest_that_is_no_sha256_is_refused(found: Callable[..., set[str]], digest: str) -> None:
    assert found(set_at("model", "files", 0, "sha256", to=digest)) == {"schemas.lock"}


@pytest.mark.parametrize("place", DIGESTS, ids=lambda place: ".".join(map(str, place)))
def test_every_digest_of_a_lock_must_be_a_sha256(
    found: Callable[..., set[str]], place: tuple[Any, ...]
) -> None:
    assert found(set_at(*place, to=NO_SHA256["sha1"])) == {"schemas.lock"}


def tag_for_digest(lock: dict[str, Any]) -> None:
    lock["engine"]["image"] = {**OFFICIAL, "manifest_sha256": "v0.32.0"}


def no_manifest(lock: dict[str, Any]) -> None:
    lock["engine"]["image"] = {**OFFICIAL}
    del lock["engine"]["image"]["manifest_sha256"]


@pytest.mark.parametrize("change", [tag_for_digest, no_manifest])
def test_image_that_is_pinned_by_a_tag_is_refused(
    found: Callable[..., set[str]], change: Callable[[dict[str, Any]], None]
) -> None:
    assert found(change) == {"schemas.lock"}


@pytest.mark.parametrize("role", ["engine", "client"])
@pytest.mark.parametrize(
    "wheels",
    [
        {"wheel-1.0-py3-none-any.whl": "d" * 64},
        {"wheel-1.0-py3-none-any.whl": "3" * 64, "more-1.0-py3-none-any.whl": "d" * 64},
    ],
    ids=["another", "one more"],
)
def test_wheel_installed_that_is_not_the_locks_is_found(
    found: Callable[..., set[str]], role: str, wheels: dict[str, str]
) -> None:
    assert found(images=lambda images: images[role].update(wheels=wheels)) == {
        "schemas.environment"
    }


def test_wheel_of_the_lock_changed_after_the_run_is_found(found: Callable[..., set[str]]) -> None:
    change = set_at("engine", "image", "wheels", 0, "sha256", to=["d" * 64])
    assert found(change) == {"schemas.environment"}


def pin_official(lock: dict[str, Any]) -> None:
    lock["engine"]["image"] = dict(OFFICIAL)
    lock["spec"]["image"] = "someone/engine:1"


def test_image_started_that_is_not_the_locks_is_found(found: Callable[..., set[str]]) -> None:
    codes_of_other = found(pin_official, lambda images: images["engine"].update(inputs="d" * 64))
    assert "schemas.environment" in codes_of_other


def test_official_image_of_the_locks_digest_holds(found: Callable[..., set[str]]) -> None:
    made = {"inputs": OFFICIAL["manifest_sha256"], "wheels": {}}
    assert found(pin_official, lambda images: images["engine"].update(made)) == set()


@pytest.mark.parametrize("role", ["engine", "client"])
@pytest.mark.parametrize("part", ["tree_sha256", "folder", "base"])
def test_image_built_of_other_files_than_the_locks_is_found(
    found: Callable[..., set[str]], role: str, part: str
) -> None:
    """The lock says another Dockerfile or base than the one that gave the image that was run."""
    other = {"name": "other", "sha256": "d" * 64} if part == "base" else "d" * 64
    assert found(set_at(role, "image", part, to=other)) == {"schemas.environment"}


def test_image_built_on_another_official_one_than_the_locks_is_found(
    found: Callable[..., set[str]],
) -> None:
    def build_on(digest: str) -> Callable[[dict[str, Any]], None]:
        base = {**OFFICIAL, "manifest_sha256": digest}
        pin = {"folder": "llamacpp/cuda", "tree_sha256": "c" * 64, "base": base}

        def change(lock: dict[str, Any]) -> None:
            lock["engine"]["image"] = pin
            lock["spec"]["image"] = "someone/engine:1"

        return change

    pin: dict[str, Any] = {"engine": {}, "spec": {}}
    build_on("b" * 64)(pin)
    made = {"inputs": inputs_digest(pin["engine"]["image"], {}, {}), "wheels": {}}
    assert found(build_on("b" * 64), lambda images: images["engine"].update(made)) == set()
    assert found(build_on("e" * 64), lambda images: images["engine"].update(made)) == {
        "schemas.environment"
    }


def test_client_of_another_source_than_the_locks_is_found(found: Callable[..., set[str]]) -> None:
    change = set_at("client", "source", to={"records.py": "d" * 64})
    assert found(change) == {"schemas.environment"}


@pytest.mark.parametrize(
    "variants",
    [[], [{"client": {}}, {"client": {}}], [{"client": {"wheels": {"a.whl": "d" * 64}}}]],
    ids=["none", "too many", "another wheel"],
)
def test_programs_of_other_variants_than_the_locks_are_found(
    found: Callable[..., set[str]], variants: list[dict[str, Any]]
) -> None:
    assert found(images=lambda images: images.update(variants=variants)) == {"schemas.environment"}


def reinstall(role: str, wheels: dict[str, str], **more: Any) -> Callable[[dict[str, Any]], None]:
    """Say that other wheels were installed, with the digest of all inputs that they give."""

    def change(images: dict[str, Any]) -> None:
        lock = locks.make_lock()
        image = getattr(lock, role)["image"]
        source = lock.client["source"] if role == "client" else {}
        inputs = inputs_digest(image, wheels, source)
        images[role] |= {"inputs": inputs, "wheels": wheels, **more}

    return change


NEWER = {"type": "pypi", "name": "Wheel", "version": "2.0"}


@pytest.mark.parametrize("role", ["engine", "client"])
@pytest.mark.parametrize(
    "wheels",
    [
        {},
        {"vllm-9.9.9-py3-none-any.whl": "3" * 64},
        {"wheel-2.0-py3-none-any.whl": "3" * 64},
        {"wheel.whl": "3" * 64},
        {"wheel-1.0-py3-none-any.whl": "3" * 64, "torch-9.9-py3-none-any.whl": "5" * 64},
    ],
    ids=["none", "another name", "another version", "no name", "one more"],
)
def test_wheel_of_another_name_than_the_locks_or_none_at_all_is_found(
    found: Callable[..., set[str]], role: str, wheels: dict[str, str]
) -> None:
    """The digests are the lock's: only the names betray it."""
    assert found(images=reinstall(role, wheels)) == {"schemas.environment"}


def test_wheel_in_another_spelling_of_its_name_and_version_holds(
    found: Callable[..., set[str]],
) -> None:
    assert found(images=reinstall("engine", {"Wheel-1.0.0-py3-none-any.whl": "5" * 64})) == {
        "schemas.environment"  # a version of another length is another file
    }
    assert found(images=reinstall("engine", {"Wheel-1.0-py3-none-any.whl": "5" * 64})) == set()


@pytest.mark.parametrize("role", ["engine", "client"])
@pytest.mark.parametrize("packages", [[], [NEWER]], ids=["none", "another version"])
def test_wheel_that_was_installed_and_not_found_in_the_image_is_refused(
    found: Callable[..., set[str]], role: str, packages: list[dict[str, str]]
) -> None:
    assert found(images=lambda images: images[role].update(packages=packages)) == {
        "schemas.environment"
    }


def test_second_version_within_another_package_holds(found: Callable[..., set[str]]) -> None:
    def add(images: dict[str, Any]) -> None:
        images["engine"]["packages"] = [*images["engine"]["packages"], NEWER]

    assert found(images=add) == set()


def test_engine_that_the_lock_pins_and_nobody_tells_of_is_refused(
    found: Callable[..., set[str]],
) -> None:
    assert found(images=lambda images: images.pop("engine")) == {"schemas.environment"}


def test_client_of_which_nobody_tells_what_was_installed_is_refused(
    found: Callable[..., set[str]],
) -> None:
    """But for bundles of version 0.1.0, which don't say what hardware was taken either."""

    def silence(images: dict[str, Any]) -> None:
        reinstall("client", {})(images)
        del images["client"]["wheels"]

    assert found(images=silence) == {"schemas.environment"}


@pytest.mark.parametrize("packages", ["all", [1], [{"name": "wheel"}], [{**NEWER, "version": 2}]])
def test_packages_that_are_no_list_of_packages_are_a_no_and_no_crash(
    good: GoodBundle, bundle: Path, packages: object
) -> None:
    path = bundle / "environment.json"
    value = json.loads(path.read_bytes())
    value["images"]["engine"]["packages"] = packages
    path.write_bytes(canonical(value) + b"\n")
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"schemas.environment"}


@pytest.mark.parametrize("wheels", [[], "all", {"a.whl": 1}, {"a.whl": ["d" * 64]}])
def test_wheels_that_are_no_list_of_files_are_a_no_and_no_crash(
    good: GoodBundle, bundle: Path, wheels: object
) -> None:
    path = bundle / "environment.json"
    value = json.loads(path.read_bytes())
    value["images"]["engine"]["wheels"] = wheels
    path.write_bytes(canonical(value) + b"\n")
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"schemas.environment"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("drafter", "method"), "draft_model"),
        (("drafter", "args"), {"max": 9}),
        (("model", "template_args"), {"thinking": True}),
        (("sampling", "temperature"), 1),
        (("points", "repeats"), 2),
        (("hardware", "count"), 8),
        (("engine", "version"), "2026.10.1"),
    ],
)
def test_lock_that_says_other_than_the_spec_is_found(
    found: Callable[..., set[str]], path: tuple[str, ...], value: object
) -> None:
    assert found(set_at(*path, to=value)) <= {"schemas.disagree", "schemas.lock"}
