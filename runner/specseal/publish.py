"""From a bundle to a registry, a zip file or another folder: verified before anything leaves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from specseal.atomic import name_new, refuse_existing, write_new
from specseal.attested import Say
from specseal.bundle import Contents, Report, Trust
from specseal.bundle.findings import BundleBroken
from specseal.bundle.manifest import ATTESTATIONS, MANIFEST, compare_digests, parse_manifest
from specseal.delivery import (
    ArchiveSource,
    Described,
    Entry,
    FolderSource,
    InArchive,
    InFolder,
    InRegistry,
    Landing,
    Push,
    attestation_manifest,
    datacite,
    group_later,
    identity_tag,
    parse_place,
    read_citation,
    refuse_within,
    write_archive,
    zenodo,
)
from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError, VerificationFailed
from specseal.pull import (
    Site,
    bundle_limits,
    bundle_manifest_of,
    demand_intact,
    demand_trust,
    is_later,
)

_CITATION = "CITATION.cff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where a bundle lies now."""

    bundle: Digest
    """Its identity."""
    where: str
    """`oci://…@sha256:…`, or a path: what `specseal pull` takes."""
    tags: tuple[str, ...] = ()
    """In a registry: what leads to it."""
    attestations: tuple[str, ...] = ()
    """In a registry: the manifests of what was attested later, `sha256:…`."""
    beside: tuple[Path, ...] = ()
    """Metadata for an archive."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "beside": [str(path) for path in self.beside]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    """A bundle that holds, and its files as they were when it did."""

    source: FolderSource
    entries: tuple[Entry, ...]
    report: Report
    contents: Contents

    @property
    def identity(self) -> Digest:
        return self.contents.manifest

    @property
    def later(self) -> tuple[Entry, ...]:
        """What was attested after the bundle was sealed."""
        return tuple(entry for entry in self.entries if is_later(entry.path, self.report.signer))


def publish(bundle: Path, target: str, *, site: Site, trust: Trust, say: Say) -> Published:
    """Verify a bundle, and bring it to a place from which it can be pulled.

    Args:
        bundle: its folder.
        target: `oci://HOST/NAME[:TAG]`, a zip file, or a folder (a new one, or one that is there,
            in which it gets a folder called after its name and identity).
        site: how registries are reached.
        trust: what makes it good enough.
        say: tells the person.

    Raises:
        InputError: the target can't be meant, lies in the bundle, or there is something already.
        VerificationFailed: the bundle does not hold.
        RegistryError: the registry does not take it.
        MachineLacks: the registry can't be reached.
    """
    place = parse_place(target)
    if isinstance(place, InRegistry) and "digest" in place.reference.written:
        raise InputError(
            f"{target}: a digest is found, not chosen", mend="name a tag, or nothing but the name"
        )
    if not isinstance(place, InRegistry):
        refuse_within(place.path, bundle)
    if isinstance(place, InArchive):
        for path in (place.path, *_beside(place.path)):
            refuse_existing(path)
    verified = _verify(bundle, trust)
    if isinstance(place, InRegistry):
        return _to_registry(verified, place, site, say)
    if isinstance(place, InArchive):
        return _to_archive(verified, place.path)
    return _to_folder(verified, place, trust)


def _verify(bundle: Path, trust: Trust) -> _Verified:
    source = FolderSource(bundle, bundle_limits())
    entries = source.with_digests()
    report = trust.verify(bundle)
    contents = report.demand(trust=trust.required)
    # What was hashed is what was verified: nothing was swapped in between.
    digests = {entry.path: entry.sha256 for entry in entries if entry.sha256 is not None}
    listed = parse_manifest(_read(source, entries, MANIFEST))
    found = {
        path: digest
        for path, digest in digests.items()
        if path != MANIFEST and not path.startswith(f"{ATTESTATIONS}/")
    }
    findings = compare_digests(listed, found)
    if findings:
        raise BundleBroken(findings)
    if digests.get(MANIFEST) != contents.manifest:
        raise VerificationFailed(f"{bundle}: changed while it was being verified")
    return _Verified(source=source, entries=entries, report=report, contents=contents)


def _to_registry(verified: _Verified, place: InRegistry, site: Site, say: Say) -> Published:
    repository = site.repository(place, actions="pull,push")
    push = Push(repository, verified.source)
    by_path = {entry.path: entry for entry in verified.entries}
    later = {entry.path for entry in verified.later}
    manifest = bundle_manifest_of(verified.report, verified.entries)
    referrers = [
        attestation_manifest(manifest, [by_path[path] for path in group])
        for group in group_later(later)
    ]
    sent = push.blobs(verified.entries)
    say(f"{repository.host}: {sent.blobs} blobs sent, {sent.there} were there already")
    push.manifest(manifest)
    for referrer in referrers:
        push.manifest(referrer)
    if referrers:
        push.refer(manifest, referrers)
    tags = [identity_tag(verified.identity)]
    if "tag" in place.reference.written:
        tags.append(place.reference.version)
    push.manifest(manifest, *tags)
    name = f"{place.reference.registry}/{place.reference.repository}"
    return Published(
        bundle=verified.identity,
        where=f"oci://{name}@{manifest.digest}",
        tags=tuple(tags),
        attestations=tuple(referrer.digest for referrer in referrers),
    )


def _to_folder(verified: _Verified, place: InFolder, trust: Trust) -> Published:
    target = place.path
    if target.is_dir():
        target = target / f"{verified.contents.spec.name}-{verified.identity[:12]}"
    with Landing(target) as landing:
        landing.take(_Fixed(verified.source, verified.entries), bundle_limits())
        demand_trust(demand_intact(landing, trust, verified.identity), trust)
        landing.settle()
    return Published(bundle=verified.identity, where=str(target))


def _to_archive(verified: _Verified, target: Path) -> Published:
    beside = _beside(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A folder of a name that nobody can have guessed, and in which nobody else may write.
    with TemporaryDirectory(
        prefix=f".{target.name}.", suffix=".in-progress", dir=target.parent
    ) as folder:
        archive = Path(folder) / target.name
        size_bytes = _write_archive(verified, archive)
        texts = _metadata(verified, size_bytes)
        # The archive first: of two that are published at once, only one gets this far.
        name_new(archive, target)
        for path, text in zip(beside, texts, strict=True):
            write_new(path, text)
    return Published(bundle=verified.identity, where=str(target), beside=beside)


def _beside(target: Path) -> tuple[Path, Path]:
    """Return where the metadata of an archive lies: Zenodo's, and DataCite's."""
    return target.with_suffix(".zenodo.json"), target.with_suffix(".datacite.json")


def _write_archive(verified: _Verified, path: Path) -> int:
    """Write the archive, read it again, and return its size."""
    with path.open("x+b") as file:
        write_archive(verified.source, verified.entries, file)
        # By the reader that others will use, against the digests that were verified.
        written = ArchiveSource(path, file, bundle_limits())
        for entry in verified.entries:
            hasher = hashlib.sha256()
            written.copy(entry, hasher.update)
            if hasher.hexdigest() != entry.sha256:
                raise VerificationFailed(f"{entry.path}: changed while it was being written")
        return file.seek(0, os.SEEK_END)


def _metadata(verified: _Verified, size_bytes: int) -> tuple[bytes, bytes]:
    """Return the texts of the files that lie `_beside` an archive."""
    contents = verified.contents
    citation = read_citation(_read(verified.source, verified.entries, _CITATION))
    locks = [variant.lock for variant in contents.lock.variants_in_full()]
    described = Described(
        bundle=verified.identity,
        recipe=contents.lock.recipe,
        title=contents.spec.title,
        engine=_each(f"{one.engine['name']} {one.engine['version']}".strip() for one in locks),
        drafter=_each(one.drafter["method"] for one in locks),
        accelerator=_each(one.hardware["accelerator"] for one in locks),
        supersedes=verified.report.supersedes,
        version=contents.environment["specseal_version"],
        size_bytes=size_bytes,
    )
    return _text(zenodo(citation, described)), _text(datacite(citation, described))


def _text(document: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(document, ensure_ascii=False, indent=1)}\n".encode()


class _Fixed:
    """A folder's files as they were verified: one that has changed since is refused on the way."""

    def __init__(self, source: FolderSource, entries: Sequence[Entry]) -> None:
        self.name = source.name
        self.entries = tuple(entries)
        self.copy = source.copy


def _read(source: FolderSource, entries: Sequence[Entry], path: str) -> bytes:
    """Return a small file's bytes, which must still be those that were hashed."""
    (entry,) = (one for one in entries if one.path == path)
    pieces: list[bytes] = []
    source.copy(entry, pieces.append)
    data = b"".join(pieces)
    if sha256_bytes(data) != entry.sha256:
        raise VerificationFailed(f"{path}: changed while it was being read")
    return data


def _each(values: Iterable[str]) -> str:
    """Return the values that a sweep's variants have, each once."""
    return ", ".join(dict.fromkeys(values))
