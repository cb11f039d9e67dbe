"""What an image is made of: which files count, and what happens where they have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from specseal.errors import LockError
from specseal.image_inputs import (
    BASE,
    check,
    describe_again,
    describe_client_source,
    describe_image,
    describe_image_on,
)

REQUIREMENTS = "requirements-2.txt"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images: one engine of two versions, and the base."""
    for path, text in {
        "engine/cpu/Dockerfile": "FROM x",
        "engine/cpu/serve.py": "serve()",
        "engine/cpu/requirements-1.txt": "one",
        f"engine/cpu/{REQUIREMENTS}": "two",
        f"base/{BASE}.json": "{}",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "path", ["engine/cpu/serve.py", f"engine/cpu/{REQUIREMENTS}", f"base/{BASE}.json"]
)
def test_a_changed_input_changes_the_description(path: str, images: Path) -> None:
    before = describe_image(images, "engine/cpu", REQUIREMENTS)
    (images / path).write_text("changed")
    after = describe_image(images, "engine/cpu", REQUIREMENTS)
    assert after != before
    with pytest.raises(LockError, match="images/engine on this machine is not what the lock pins"):
        check("images/engine", before, after)


@pytest.mark.parametrize(
    "path", ["engine/cpu/requirements-1.txt", "engine/cpu/__pycache__/serve.pyc"]
)
def test_other_versions_and_byte_code_are_no_input(path: str, images: Path) -> None:
    before = describe_image(images, "engine/cpu", REQUIREMENTS)
    (images / path).parent.mkdir(exist_ok=True)
    (images / path).write_text("changed")
    check("images/engine", before, describe_image(images, "engine/cpu", REQUIREMENTS))


def test_an_image_on_an_official_one_is_its_files_and_that_image(images: Path) -> None:
    base = {"repository": "registry.test/engine", "manifest_sha256": "1" * 64}
    before = describe_image_on(images, "engine/cpu", base)
    (images / "engine/cpu" / REQUIREMENTS).write_text("changed")
    check("images/engine", before, describe_again(images, before))
    (images / "engine/cpu/Dockerfile").write_text("FROM y")
    with pytest.raises(LockError, match="images/engine on this machine is not what the lock pins"):
        check("images/engine", before, describe_again(images, before))


def test_the_clients_source_is_its_package_and_the_records(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "bench.py").write_text("")
    (tmp_path / "client" / "load.py").write_text("")
    (tmp_path / "records.py").write_text("")
    assert set(describe_client_source(tmp_path)) == {"client/load.py", "records.py"}
