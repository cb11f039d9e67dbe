"""What an image is made of, as digests: the part of a lock that pins an image we build.

`describe` is what the lock stores; `check` holds the files on this machine against a lock before
anything is built from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specseal.digests import Digest, sha256_file, sha256_value, tree_files
from specseal.errors import LockError

BASE = "debian-bookworm-amd64"


def describe_image(images: Path, folder: str, requirements: str) -> dict[str, Any]:
    """Return the inputs of `images/<folder>`: its files, its base, its requirements file.

    Requirements of other versions that lie in the same folder are no input.
    """
    return {
        "folder": folder,
        "requirements": requirements,
        "tree_sha256": _tree_sha256(images / folder, requirements),
        "base": {"name": BASE, "sha256": sha256_file(images / "base" / f"{BASE}.json")},
    }


def describe_image_on(images: Path, folder: str, base: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of `images/<folder>` that adds no wheels to an official image, its base."""
    return {"folder": folder, "tree_sha256": _tree_sha256(images / folder), "base": base}


def describe_again(images: Path, pinned: dict[str, Any]) -> dict[str, Any]:
    """Return what a pinned image that is built here would be built from now."""
    if "requirements" in pinned:
        return describe_image(images, pinned["folder"], pinned["requirements"])
    return describe_image_on(images, pinned["folder"], pinned["base"])


def _tree_sha256(folder: Path, requirements: str = "") -> Digest:
    files = {
        name: digest
        for name, digest in tree_files(folder).items()
        if name == requirements or not name.startswith("requirements")
    }
    return sha256_value(files)


def describe_client_source(package: Path) -> dict[str, Digest]:
    """Return the source tree of the load generator: what is copied into its container.

    Args:
        package: the folder of the `specseal` package.
    """
    files = {f"client/{name}": digest for name, digest in tree_files(package / "client").items()}
    files["records.py"] = sha256_file(package / "records.py")
    return files


def inputs_digest(
    pinned: Mapping[str, Any], wheels: Mapping[str, str], source: Mapping[str, str]
) -> Digest:
    """Return the digest of all that a program is made of; it names what was built.

    Args:
        pinned: the image that is built, as a lock has it; of its wheels only those that fit count.
        wheels: SHA-256 of each wheel that is installed, by file name.
        source: of the load generator, its source tree; of every other program, nothing.
    """
    parts = ("folder", "requirements", "tree_sha256", "base")
    image = {part: pinned[part] for part in parts if part in pinned}
    return sha256_value({"image": image, "source": dict(source), "wheels": dict(wheels)})


def check(what: str, locked: Any, found: Any) -> None:
    """Refuse to build from files that are not the locked ones. Raises: LockError."""
    if locked != found:
        raise LockError(
            f"{what} on this machine is not what the lock pins: "
            f"{sha256_value(found)[:12]} here, {sha256_value(locked)[:12]} in the lock",
            mend="use the specseal version that made the lock, or make a new one with "
            "`specseal lock SPEC`",
        )
