"""An image that is built here, as a lock pins it: its files, its base, its wheels if any."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from specseal.errors import LockError
from specseal.image_inputs import describe_image, describe_image_on
from specseal.lock.wheels import read_requirements
from specseal.settings import images_folder


def pin_built_image(folder: str, requirements: str) -> dict[str, Any]:
    """Return the pin of `images/FOLDER`. Raises: LockError where a version has no wheels."""
    root = images_folder()
    path = root / folder / requirements
    if not path.is_file():
        raise LockError(
            f"images/{folder} has no {requirements}: that version's wheels are not pinned",
            mend="name a version that is (see `specseal validate`), or pin it with `make locks`",
        )
    wheels = [{**asdict(pin), "sha256": sorted(pin.sha256)} for pin in read_requirements(path)]
    return {**describe_image(root, folder, requirements), "wheels": wheels}


def pin_image_on(folder: str, official: dict[str, Any]) -> dict[str, Any]:
    """Return the pin of `images/FOLDER` on an official image.

    Raises: LockError where there is no Dockerfile to build from.
    """
    root = images_folder()
    if not (root / folder / "Dockerfile").is_file():
        raise LockError(
            f"images/{folder} has no Dockerfile to build from",
            mend="leave out engine.image, and the official image is run as it is",
        )
    return describe_image_on(root, folder, official)
