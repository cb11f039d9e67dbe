"""Wycheproof's vectors for ECDSA on P-256 with SHA-256, DER signatures, against our key."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from specseal.bundle.keys import parse_public_key

DATA = Path(__file__).parent / "data" / "ecdsa_secp256r1_sha256_test.json.xz"
SUITE: dict[str, Any] = json.loads(lzma.decompress(DATA.read_bytes()))


def vectors() -> list[Any]:
    return [
        pytest.param(group["publicKeyPem"], test, id=f"{test['tcId']}-{test['comment']}")
        for group in SUITE["testGroups"]
        for test in group["tests"]
    ]


def test_the_suite_is_whole_and_decides_every_case() -> None:
    results = [vector.values[1]["result"] for vector in vectors()]
    assert len(results) == SUITE["numberOfTests"] == 484
    assert set(results) == {"valid", "invalid"}


@pytest.mark.parametrize(("pem", "test"), vectors())
def test_signature_holds_where_the_suite_says_so_and_nowhere_else(
    pem: str, test: dict[str, Any]
) -> None:
    key = parse_public_key(pem.encode(), path="key")
    said = key.has_signed(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
    assert said == (test["result"] == "valid")
