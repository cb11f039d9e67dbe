"""A bundle of sigstore-conformance, made by others: a managed key over DSSE, and a log entry."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specseal.bundle.envelope import pre_authentication_encoding, unwrap
from specseal.bundle.findings import BundleBroken
from specseal.bundle.keys import PublicKey, read_public_key
from specseal.digests import canonical

DATA = Path(__file__).parent / "data" / "sigstore"
BUNDLE: dict[str, Any] = json.loads((DATA / "bundle.sigstore.json").read_bytes())
PAYLOAD = base64.b64decode(BUNDLE["dsseEnvelope"]["payload"])
SIGNATURE = base64.b64decode(BUNDLE["dsseEnvelope"]["signatures"][0]["sig"])


@pytest.fixture
def key() -> PublicKey:
    return read_public_key(DATA / "key.pub")


def ours(key: PublicKey, **envelope: Any) -> bytes:
    """The same signature in the narrower form that a bundle of ours has."""
    value = {
        "mediaType": BUNDLE["mediaType"],
        "verificationMaterial": {"publicKey": {"hint": key.digest}},
        "dsseEnvelope": {
            **BUNDLE["dsseEnvelope"],
            "signatures": [{"sig": base64.b64encode(SIGNATURE).decode()}],
            **envelope,
        },
    }
    return canonical(value) + b"\n"


def test_signature_made_by_others_holds(key: PublicKey) -> None:
    signed = pre_authentication_encoding(BUNDLE["dsseEnvelope"]["payloadType"], PAYLOAD)
    assert key.has_signed(signed, SIGNATURE)
    assert unwrap(ours(key), path="x", key=key) == PAYLOAD


def test_log_entries_that_nobody_here_would_check_are_refused(key: PublicKey) -> None:
    with pytest.raises(BundleBroken) as caught:
        unwrap(canonical(BUNDLE) + b"\n", path="x", key=key)
    assert {finding.code for finding in caught.value.findings} == {"signature.form"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: {"payload": base64.b64encode(PAYLOAD + b" ").decode()},
        lambda: {"signatures": [{"sig": base64.b64encode(SIGNATURE[:-1] + b"\0").decode()}]},
    ],
)
def test_spoilt_it_does_not_hold(key: PublicKey, spoil: Callable[[], dict[str, Any]]) -> None:
    with pytest.raises(BundleBroken, match="the signature is not that of the key"):
        unwrap(ours(key, **spoil()), path="x", key=key)
