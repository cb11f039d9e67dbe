"""Fetch a bundle from a registry, and what was attested about it later."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from specseal.delivery.oci import (
    ATTESTATION_TYPE,
    BUNDLE_TYPE,
    MAX_REFERRERS,
    Descriptor,
    identity_tag,
    read_index,
    read_manifest,
    referrers_tag,
)
from specseal.delivery.parcel import Entry
from specseal.delivery.push import listed_referrers
from specseal.digests import Digest
from specseal.errors import AnswerIsNo, RegistryError
from specseal.http import chunks, persistently
from specseal.registry import DIGEST, INDEX_TYPE, MANIFEST_TYPE, Document, KeepsFailing, Repository

_MAX_PAGES = 10
_NOT_ALLOWED = (requests.codes.unauthorized, requests.codes.forbidden)


class RegistrySource:
    """The files that one manifest names.

    Args:
        repository: where it lies.
        name: what errors call it.
        document: the manifest, its bytes checked.
        artifact_type: what it must be.

    Raises:
        RegistryError: it is not JSON.
        VerificationFailed: it is no such manifest.
    """

    def __init__(
        self, repository: Repository, name: str, document: Document, artifact_type: str
    ) -> None:
        self.name = name
        self.digest = document.digest
        self.value: Mapping[str, Any] = repository.json_object(document.body)
        self.entries = read_manifest(name, self.value, artifact_type)
        self._repository = repository

    def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        """Hand a blob's bytes to `write`, a second time from the start if they break off.

        Raises:
            RegistryError: it is not there.
            BrokenOff: it broke off every time.
            MachineLacks: the registry can't be reached.
        """
        repository = self._repository
        url = repository.url(f"blobs/sha256:{entry.sha256}")
        # Bytes that have been handed on are skipped, not handed on twice: whether they are the
        # same ones, the digest over all of them says.
        done = 0

        def attempt() -> None:
            nonlocal done
            with repository.request("GET", url) as response:
                repository.check_status(response.status_code, f"sha256:{entry.sha256}")
                place = 0
                for chunk in chunks(response):
                    place += len(chunk)
                    new = place - done
                    if new > 0:
                        write(chunk[-new:])
                        done = place

        persistently(repository.session, url, attempt)


def find_bundle(repository: Repository) -> RegistrySource:
    """Return the bundle that a reference means.

    A digest may be the manifest's in the registry, or the bundle's own identity, which a tag leads
    to; whether that is the bundle of that identity is for the caller to verify.

    Raises:
        RegistryError: there is none.
        WrongBytes: the registry sent something else.
        VerificationFailed: it is no bundle.
        MachineLacks: the registry can't be reached.
    """
    version = repository.where.version
    document = None
    if digest := DIGEST.fullmatch(version):
        # The tag first: the identity is the digest of a file, hence of a blob, too, and registry
        # 2.8.2 answers 500 when it is asked for that blob as a manifest.
        tag = identity_tag(Digest(digest[1]))
        document = repository.find_document(tag, accept=MANIFEST_TYPE)
    if document is None:
        try:
            document = repository.document(version, accept=MANIFEST_TYPE)
        except KeepsFailing as error:
            if digest is None:
                raise
            raise RegistryError(
                f"{repository.name}: no tag there leads to a bundle of this identity, and "
                f"{repository.host} fails when it is asked for a manifest of this digest",
                mend="name the tag or the manifest's digest under which it lies there, and its "
                "identity by --identity; `specseal publish` writes the tag",
            ) from error
    return RegistrySource(repository, repository.name, document, BUNDLE_TYPE)


def find_attestations(
    repository: Repository, subject: str, *, say: Callable[[str], None]
) -> tuple[RegistrySource, ...]:
    """Return what was attested later about a bundle, as far as the registry tells.

    Asked are both the referrers API, where there is one, and the list under the fallback tag. What
    can't be read is left out, and said: anybody who may write there can add rubbish.

    Args:
        repository: where it lies.
        subject: digest of the bundle's manifest, `sha256:…`.
        say: tells the person.

    Raises:
        MachineLacks: the registry can't be reached.
    """
    listed: dict[str, None] = {}
    for find in (_by_api, _by_tag):
        try:
            descriptors = find(repository, subject)
        except (AnswerIsNo, RegistryError) as error:
            say(f"attestations left out: {error.message}")
            continue
        new = {
            one["digest"] for one in descriptors if one.get("artifactType") == ATTESTATION_TYPE
        } - listed.keys()
        if len(new) > MAX_REFERRERS:
            say(f"attestations left out: all but {MAX_REFERRERS} of {len(new)}")
        # Each list apart, so that what somebody wrote to the tag crowds out nothing of the API's.
        listed |= dict.fromkeys(sorted(new)[:MAX_REFERRERS])
    found = []
    for digest in listed:
        try:
            document = repository.document(digest, accept=MANIFEST_TYPE)
            name = f"{repository.name}: {digest}"
            source = RegistrySource(repository, name, document, ATTESTATION_TYPE)
        # A list may name what makes a registry fail: a blob, of which it has no manifest.
        except (AnswerIsNo, RegistryError, KeepsFailing) as error:
            say(f"attestation left out: {error.message}")
            continue
        about = source.value.get("subject")
        if isinstance(about, dict) and about.get("digest") == subject:
            found.append(source)
        else:
            say(f"attestation left out: {name}: is about something else")
    return tuple(found)


def _by_tag(repository: Repository, subject: str) -> tuple[Descriptor, ...]:
    return listed_referrers(repository, referrers_tag(subject))


def _by_api(repository: Repository, subject: str) -> tuple[Descriptor, ...]:
    """Return what the referrers API lists: nothing where the registry has none."""
    found: tuple[Descriptor, ...] = ()
    path = f"referrers/{subject}"
    for _ in range(_MAX_PAGES):
        answer = repository.answer(path, accept=INDEX_TYPE)
        if 400 <= answer.status < 500 and answer.status not in _NOT_ALLOWED:
            return found
        repository.check_status(answer.status, "list of what refers to the bundle")
        found += read_index(repository.name, repository.json_object(answer.body))
        following = _next_page(answer.headers.get("Link", ""), subject)
        if following is None:
            break
        path = following
    return found


def _next_page(link: str, subject: str) -> str | None:
    """Return the path of the next page, of the same list only. Source: RFC 8288."""
    match = re.fullmatch(r'<([^>]*)>; *rel="?next"?', link)
    query = urlsplit(match[1]).query if match else ""
    return f"referrers/{subject}?{query}" if query else None
