"""The DSSE protocol's own examples: what is signed, and a signature over it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from specseal.bundle.envelope import decode_base64, pre_authentication_encoding
from specseal.bundle.keys import PublicKey

DATA = Path(__file__).parent / "data" / "dsse"
EXAMPLE: dict[str, Any] = json.loads((DATA / "protocol.json").read_bytes())
VECTORS: list[dict[str, str]] = json.loads((DATA / "vectors.json").read_bytes())


def key() -> PublicKey:
    point = (int(EXAMPLE["key"][axis]) for axis in ("x", "y"))
    return PublicKey(ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key())


def signature() -> bytes:
    """The example's signature in DER: there, r and s merely stand side by side."""
    raw = base64.b64decode(EXAMPLE["envelope"]["signatures"][0]["sig"])
    return encode_dss_signature(*(int.from_bytes(half) for half in (raw[:32], raw[32:])))


def test_what_is_signed_in_the_protocols_example_is_what_we_sign() -> None:
    payload = decode_base64(EXAMPLE["envelope"]["payload"], what="payload")
    assert payload == EXAMPLE["payload"].encode()
    signed = pre_authentication_encoding(EXAMPLE["payloadType"], payload)
    assert signed == EXAMPLE["pae"].encode()


def test_signature_of_the_protocols_example_holds() -> None:
    assert key().has_signed(EXAMPLE["pae"].encode(), signature())


@pytest.mark.parametrize(
    "signed", [EXAMPLE["payload"], EXAMPLE["pae"] + " ", EXAMPLE["pae"].replace("29", "28")]
)
def test_signature_of_the_protocols_example_is_over_nothing_else(signed: str) -> None:
    assert not key().has_signed(signed.encode(), signature())


def test_signature_that_is_not_der_does_not_hold() -> None:
    raw = base64.b64decode(EXAMPLE["envelope"]["signatures"][0]["sig"])
    assert not key().has_signed(EXAMPLE["pae"].encode(), raw)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_encoding_of_each_vector_is_what_we_sign(vector: dict[str, str]) -> None:
    payload = decode_base64(vector["payload"], what="payload")
    signed = pre_authentication_encoding(vector["payloadType"], payload)
    assert signed.hex() == vector["pae"]
