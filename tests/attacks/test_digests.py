"""Digests in the signed statements: SHA-256 alone counts, and nothing weaker stands beside it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import GoodBundle, codes
from attacks.layers import LAYERS
from specseal.digests import canonical

Digests = dict[str, str]


def md5_alone(right: str, data: bytes) -> Digests:
    return {"md5": hashlib.md5(data).hexdigest()}


def sha1_alone(right: str, data: bytes) -> Digests:
    return {"sha1": hashlib.sha1(data).hexdigest()}


def sha512_alone(right: str, data: bytes) -> Digests:
    return {"sha512": hashlib.sha512(data).hexdigest()}


def wrong_sha512_beside(right: str, data: bytes) -> Digests:
    return {"sha256": right, "sha512": "0" * 128}


def right_md5_beside_wrong(right: str, data: bytes) -> Digests:
    return {"sha256": "0" * 64, "md5": hashlib.md5(data).hexdigest()}


def unknown_beside(right: str, data: bytes) -> Digests:
    return {"sha256": right, "crc32": "0" * 8}


def nothing(right: str, data: bytes) -> Digests:
    return {}


def upper_case(right: str, data: bytes) -> Digests:
    return {"sha256": right.upper()}


def cut_short(right: str, data: bytes) -> Digests:
    return {"sha256": right[:32]}


def a_newline(right: str, data: bytes) -> Digests:
    return {"sha256": right + "\n"}


PLACES: dict[str, tuple[str, str, Callable[[dict[str, Any]], Digests]]] = {
    "subject": ("statement", "MANIFEST.sha256", lambda it: it["subject"][0]["digest"]),
    "lock": ("statement", "lock.json", lambda it: it["predicate"]["lock"]),
    "result": ("statement", "result.json", lambda it: it["predicate"]["result"]),
    "provenance's subject": (
        "provenance",
        "MANIFEST.sha256",
        lambda it: it["subject"][0]["digest"],
    ),
    "provenance's lock": (
        "provenance",
        "lock.json",
        lambda it: it["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"],
    ),
}


@pytest.mark.parametrize(
    "change",
    [
        md5_alone,
        sha1_alone,
        sha512_alone,
        wrong_sha512_beside,
        right_md5_beside_wrong,
        unknown_beside,
        nothing,
        upper_case,
        cut_short,
        a_newline,
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_digest_that_is_not_one_plain_sha256_is_refused(
    good: GoodBundle, bundle: Path, place: str, change: Callable[[str, bytes], Digests]
) -> None:
    layer, file, find = PLACES[place]
    statement = json.loads(LAYERS[layer].read(bundle))
    digest = find(statement)
    right = digest["sha256"]
    digest.clear()
    digest.update(change(right, (bundle / file).read_bytes()))
    LAYERS[layer].write(good, bundle, canonical(statement))
    report = good.verify(bundle)
    assert not report.intact
    assert codes(report) <= {
        "signature.statement", "signature.subject", "provenance.lock", "schemas.disagree",
    }  # fmt: skip


@pytest.mark.parametrize("place", [0, 1])
def test_second_lock_beside_the_right_one_is_refused(
    good: GoodBundle, bundle: Path, place: int
) -> None:
    layer = LAYERS["provenance"]
    provenance = json.loads(layer.read(bundle))
    other = {"name": "lock.json", "digest": {"sha256": "0" * 64}}
    provenance["predicate"]["buildDefinition"]["resolvedDependencies"].insert(place, other)
    layer.write(good, bundle, canonical(provenance))
    assert codes(good.verify(bundle)) == {"provenance.lock"}


def test_dependency_of_another_name_is_additive(good: GoodBundle, bundle: Path) -> None:
    layer = LAYERS["provenance"]
    provenance = json.loads(layer.read(bundle))
    other = {"name": "more.json", "digest": {"sha256": "0" * 64}}
    provenance["predicate"]["buildDefinition"]["resolvedDependencies"].append(other)
    layer.write(good, bundle, canonical(provenance))
    assert good.verify(bundle).intact


def test_digests_as_they_were_hold(good: GoodBundle, bundle: Path) -> None:
    for layer in ("statement", "provenance"):
        LAYERS[layer].write(good, bundle, LAYERS[layer].read(bundle))
    assert good.verify(bundle).intact
