"""What a person names as the place of a bundle: a registry, a zip file, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from specseal.delivery.archive import SUFFIX
from specseal.errors import InputError
from specseal.registry import Reference, parse_reference

SCHEME = "oci://"


@dataclass(frozen=True, slots=True, kw_only=True)
class InRegistry:
    """`oci://HOST/NAME[:TAG][@sha256:DIGEST]`."""

    name: str
    """As it was written, without the scheme."""
    reference: Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class InArchive:
    """A zip file."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class InFolder:
    """A folder."""

    path: Path


Place = InRegistry | InArchive | InFolder


def parse_place(text: str) -> Place:
    """Read what a person wrote.

    What starts with `oci://` is in a registry, what ends in `.zip` (or is a file) is an archive,
    everything else is a folder. A reference without its scheme would be a folder of a strange name,
    so it is refused unless such a folder is there.

    Raises:
        InputError: no reference, one that does not name its registry, or one without `oci://`.
    """
    if text.startswith(SCHEME):
        name = text.removeprefix(SCHEME)
        reference = parse_reference(name)
        if "registry" not in reference.written:
            raise InputError(
                f"{text}: names no registry", mend=f"write {SCHEME}HOST[:PORT]/NAME[:TAG]"
            )
        return InRegistry(name=name, reference=reference)
    if "://" in text:
        raise InputError(
            f"{text}: neither a path nor a registry", mend=f"write {SCHEME}HOST/NAME, or a path"
        )
    path = Path(text)
    if path.suffix.lower() == SUFFIX or path.is_file():
        return InArchive(path=path)
    if not path.exists() and _is_reference(text):
        raise InputError(
            f"{text}: a registry or a folder?",
            mend=f"write {SCHEME}{text} for a registry, ./{text} for a folder",
        )
    return InFolder(path=path)


def _is_reference(text: str) -> bool:
    try:
        return "registry" in parse_reference(text).written
    except InputError:
        return False
