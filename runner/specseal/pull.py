"""From a registry, a zip file or a folder to a verified bundle: nothing else gets the final name.

1. What the place says that it has is held against what a bundle may have.
2. Every file comes into a hidden folder beside the target, its bytes checked on the way.
3. The bundle is verified there: it must be intact, and of the identity that was asked for.
4. What was attested later is looked at, each statement alone; what holds is added, and the whole
   verified again. What does not hold is left out.
5. The bundle must be trusted.
6. The folder is renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from specseal.attested import Say, add_later
from specseal.bundle import Report, Trust
from specseal.bundle.layout import (
    KEYS,
    MAX_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_PARSED_BYTES,
    PROVENANCE_ATTESTATION,
    RESULT_ATTESTATION,
)
from specseal.bundle.manifest import ATTESTATIONS, path_problem
from specseal.delivery import (
    ArchiveSource,
    Entry,
    FolderSource,
    InArchive,
    InFolder,
    InRegistry,
    Landing,
    Limits,
    Manifest,
    Place,
    Source,
    bundle_manifest,
    find_attestations,
    find_bundle,
    parse_place,
    refuse_within,
    regular_file,
)
from specseal.digests import Digest
from specseal.errors import InputError, VerificationFailed
from specseal.http import open_session
from specseal.registry import Repository, host_of
from specseal.registry_login import find_login
from specseal.settings import Settings

_MAX_ATTESTATION_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How this machine reaches registries."""

    settings: Settings
    environ: Mapping[str, str]
    """Where Docker's configuration is looked for."""
    session: requests.Session

    def repository(self, place: InRegistry, *, actions: str) -> Repository:
        """Return a repository to ask. Raises: InputError."""
        where, mirrors = place.reference, self.settings.mirrors
        # Of the host that is asked: a mirror gets no account of the one that it stands for.
        asked = host_of(mirrors[where.registry]) if where.registry in mirrors else where.registry
        return Repository(
            place.name,
            where,
            mirrors=mirrors,
            session=self.session,
            login=find_login(asked, self.environ, repository=where.repository),
            actions=actions,
        )


@contextmanager
def open_site(settings: Settings, environ: Mapping[str, str]) -> Iterator[Site]:
    """Yield what reaches registries as the settings say."""
    with open_session(settings.ca_bundle) as session:
        yield Site(settings=settings, environ=environ, session=session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A bundle that has come and holds."""

    path: Path
    bundle: Digest
    """Its identity."""
    signer: Digest
    trusted: bool
    kept: int
    """How many of its files an earlier pull had brought already."""
    attestations: int
    """How many attestations came beside it, of those that were made later."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "path": str(self.path)}


def bundle_limits() -> Limits:
    """Return what a bundle may hold, so that more is refused before it is fetched."""
    return Limits(
        max_files=MAX_FILES,
        max_bytes=MAX_BYTES,
        max_file_bytes=_max_file_bytes,
        path_problem=path_problem,
    )


def pull(
    source: str,
    into: Path | None,
    *,
    site: Site,
    trust: Trust,
    say: Say,
    expected: Digest | None = None,
) -> Pulled:
    """Bring a bundle here, verified.

    Args:
        source: `oci://HOST/NAME:TAG`, `oci://HOST/NAME@sha256:DIGEST`, a zip file or a folder.
        into: the folder that is to appear; by default it is called like the source, in the working
            folder.
        site: how registries are reached.
        trust: what makes the bundle good enough.
        say: tells the person.
        expected: the identity that it must have.

    Raises:
        InputError: the source can't be meant, or there is something at the target.
        VerificationFailed: what came does not hold, is not trusted, or is another bundle.
        WrongBytes: the registry sent something else than was asked for.
        MachineLacks: the registry can't be reached, or another pull is at work there.
    """
    place = parse_place(source)
    target = into or _default(place)
    if isinstance(place, InFolder):
        refuse_within(target, place.path)
    with Landing(target) as landing:
        if isinstance(place, InRegistry):
            return _from_registry(place, landing, site, trust, say, expected)
        with open_local(place) as local:
            landing.take(local, bundle_limits())
        report = demand_intact(landing, trust, expected)
        demand_trust(report, trust)
        return _settled(landing, report, attestations=0)


@contextmanager
def open_local(place: InArchive | InFolder) -> Iterator[Source]:
    """Open an archive or a folder as a source.

    Raises:
        InputError: it can't be read.
        VerificationFailed: it is no such thing.
    """
    if isinstance(place, InFolder):
        yield FolderSource(place.path, bundle_limits())
        return
    try:
        # Not waited for where it is a FIFO.
        descriptor = os.open(place.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"{place.path}: can't be read: {error.strerror}") from error
    file = regular_file(descriptor)
    if file is None:
        raise InputError(f"{place.path}: not a file")
    with file:
        yield ArchiveSource(place.path, file, bundle_limits())


def demand_intact(landing: Landing, trust: Trust, expected: Digest | None) -> Report:
    """Verify what has landed, and return the report of a bundle that holds; else remove it.

    Raises:
        VerificationFailed: it is not intact, or another bundle than expected.
    """
    report = trust.verify(landing.tree)
    try:
        # By the name of where it came from: the folder that it lies in is about to go.
        report.demand(trust=False, name=landing.origin)
        _demand_identity(report, expected, landing.origin)
    except VerificationFailed:
        landing.discard()
        raise
    return report


def demand_trust(report: Report, trust: Trust) -> None:
    """Refuse a bundle that is not trusted, and leave it: the person may trust the key and go on.

    Raises:
        VerificationFailed: it is not trusted, and has to be.
    """
    try:
        report.demand(trust=trust.required)
    except VerificationFailed as error:
        raise VerificationFailed(
            error.message, mend=f"{error.mend}; then run this again: what has come is kept"
        ) from error


def _demand_identity(report: Report, expected: Digest | None, origin: str) -> None:
    if expected not in (None, report.manifest_digest):
        raise VerificationFailed(
            f"{origin}: intact, but another bundle: its identity is sha256:"
            f"{report.manifest_digest}, not sha256:{expected}",
            mend="get the bundle from somewhere else, or compare what you were given",
        )


def _from_registry(
    place: InRegistry,
    landing: Landing,
    site: Site,
    trust: Trust,
    say: Say,
    expected: Digest | None,
) -> Pulled:
    if not place.reference.written & {"tag", "digest"}:
        raise InputError(
            f"{place.name}: which one? A bundle is known by its digest",
            mend=f"write oci://{place.name}@sha256:IDENTITY, or a tag after a colon",
        )
    repository = site.repository(place, actions="pull")
    source = find_bundle(repository)
    asked = place.reference.version.removeprefix("sha256:")
    by_identity = "digest" in place.reference.written and source.digest != f"sha256:{asked}"
    # (1), (2)
    landing.take(source, bundle_limits())
    # (3)
    if by_identity:
        if expected not in (None, asked):
            raise InputError(f"{place.name}: asked for by one identity, expected to have another")
        expected = Digest(asked)
    report = demand_intact(landing, trust, expected)
    # (4)
    made = bundle_manifest_of(report, source.entries)
    if made.digest != source.digest:
        say(
            f"{place.name}: its manifest is not the one that publishing this bundle makes; what "
            "was attested is looked for under both"
        )
    later = [
        one
        for subject in dict.fromkeys((made.digest, source.digest))
        for one in find_attestations(repository, subject, say=say)
    ]
    report, kept = add_later(landing, later, report, trust, say)
    # (5)
    demand_trust(report, trust)
    # (6)
    return _settled(landing, report, attestations=kept)


def bundle_manifest_of(report: Report, entries: Sequence[Entry]) -> Manifest:
    """Return what a bundle that holds is in a registry, without what was attested later."""
    if report.contents is None:
        raise ValueError("only what holds is published")
    contents = report.contents
    own = [entry for entry in entries if not is_later(entry.path, report.signer)]
    return bundle_manifest(contents.manifest, contents.spec.name, own, supersedes=report.supersedes)


def is_later(path: str, signer: Digest | None) -> bool:
    """Return whether a file of a bundle was attested after it was sealed."""
    sealed = (RESULT_ATTESTATION, PROVENANCE_ATTESTATION, f"{KEYS}/{signer}.pem")
    return path.startswith(f"{ATTESTATIONS}/") and path not in sealed


def _settled(landing: Landing, report: Report, *, attestations: int) -> Pulled:
    if report.manifest_digest is None or report.signer is None:
        raise AssertionError("what holds has an identity and a signer")
    landing.settle()
    return Pulled(
        path=landing.target,
        bundle=report.manifest_digest,
        signer=report.signer,
        trusted=report.trusted,
        kept=landing.kept,
        attestations=attestations,
    )


def _default(place: Place) -> Path:
    if isinstance(place, InRegistry):
        return Path(place.reference.repository.rpartition("/")[2])
    name = place.path.stem if isinstance(place, InArchive) else place.path.resolve().name
    return Path(name)


def _max_file_bytes(path: str) -> int:
    in_attestations = path.split("/")[0] == ATTESTATIONS
    return MAX_PARSED_BYTES.get(path, _MAX_ATTESTATION_BYTES if in_attestations else MAX_FILE_BYTES)
