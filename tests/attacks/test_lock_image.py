"""A lock's image against its spec: held where the spec names one, and no adapter is asked."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import locks
from attacks.builder import NOW, SPEC, GoodBundle, codes, inputs_of, make_run, packages_of
from specseal.bundle import SealInputs, seal
from specseal.engines import registry
from specseal.spec import parse_spec

PIN = {
    "repository": "registry.test/engine",
    "index_sha256": "1" * 64,
    "manifest_sha256": "2" * 64,
}
NAMED = SPEC.replace(
    b"context_length: 4096}", b"context_length: 4096, image: {ref: 'a.test/engine:1'}}"
)


def inputs_with(text: bytes, folder: Path, *, image: str | None, pin: Any = PIN) -> SealInputs:
    spec = parse_spec(text, path="spec.yaml")
    lock = locks.make_lock(
        spec={"name": spec.name, "sha256": spec.digest, "image": image}, engine={"image": pin}
    )
    inputs = inputs_of(text, lock, make_run(lock), folder)
    images = inputs.environment["images"]
    images["engine"] = {"inputs": "2" * 64, "packages": []}
    inputs.environment["packages"] = packages_of(images)
    return inputs


def found(good: GoodBundle, inputs: SealInputs, folder: Path) -> set[str]:
    return codes(good.verify(seal(inputs, folder / "bundle", signer=good.signer, now=NOW)))


@pytest.mark.parametrize(
    ("text", "image", "expected"),
    [
        (NAMED, "a.test/engine:1", set()),
        (NAMED, "a.test/engine:2", {"schemas.disagree"}),
        (NAMED, None, {"schemas.disagree"}),
        (SPEC, "an-older-name.test/engine:1", set()),
        (SPEC, None, {"schemas.disagree"}),
    ],
    ids=["the same", "another", "none", "the adapter's of then", "none where one is pinned"],
)
def test_image_other_than_the_one_that_the_spec_names_is_found(
    good: GoodBundle, tmp_path: Path, text: bytes, image: str | None, expected: set[str]
) -> None:
    assert found(good, inputs_with(text, tmp_path, image=image), tmp_path) == expected


def test_bundle_verifies_where_no_adapter_can_be_loaded(
    good: GoodBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise AssertionError("an adapter was asked for")

    monkeypatch.setattr(registry, "engines", broken)
    assert good.verify(good.path).intact


def test_what_verifies_is_imported_without_any_plug_in() -> None:
    code = (
        "import importlib.metadata as m\n"
        "def broken(**asked): raise AssertionError(asked)\n"
        "m.entry_points = broken\n"
        "import specseal.bundle, specseal.cli.verify\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
