"""What an attacker does to an envelope without its key, and the finding that each must give."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from attacks.builder import make_signer
from specseal.bundle.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from specseal.bundle.keys import PublicKey
from specseal.digests import Digest, canonical

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256. Source: SEC 2, 2.4.2."""


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def statement_of(path: Path) -> dict[str, Any]:
    """Return the statement in an envelope's file."""
    value: dict[str, Any] = json.loads(payload_of(read(path)))
    return value


def payload_of(envelope: dict[str, Any]) -> bytes:
    return base64.b64decode(envelope["dsseEnvelope"]["payload"])


def signature_of(envelope: dict[str, Any]) -> bytes:
    return base64.b64decode(envelope["dsseEnvelope"]["signatures"][0]["sig"])


def change_envelope(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the value of an envelope's file, and write it in its canonical form."""
    envelope = read(path)
    change(envelope)
    path.write_bytes(canonical(envelope) + b"\n")


def put_payload(envelope: dict[str, Any], payload: bytes) -> None:
    envelope["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()


def put_signature(envelope: dict[str, Any], signature: bytes) -> None:
    envelope["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def double_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"] *= 2


def strip_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"] = []


def empty_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"] = [{"sig": ""}]


def name_a_key(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"][0]["keyid"] = "me"


def add_certificate(envelope: dict[str, Any]) -> None:
    envelope["verificationMaterial"]["certificate"] = {"rawBytes": "QQ=="}


def drop_material(envelope: dict[str, Any]) -> None:
    del envelope["verificationMaterial"]


def change_media_type(envelope: dict[str, Any]) -> None:
    envelope["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.2+json"


def change_payload_type(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["payloadType"] = "text/plain"


def add_space_to_payload(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["payload"] += "\n"


def add_rubbish_to_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"][0]["sig"] += "!"


def truncate_signature(envelope: dict[str, Any]) -> None:
    put_signature(envelope, signature_of(envelope)[:-1])


def bare_numbers_for_der(envelope: dict[str, Any]) -> None:
    r, s = decode_dss_signature(signature_of(envelope))
    put_signature(envelope, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def lie_in_hint(envelope: dict[str, Any]) -> None:
    envelope["verificationMaterial"]["publicKey"]["hint"] = "0" * 64


def add_signature_of_another(envelope: dict[str, Any]) -> None:
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload_of(envelope))
    another = base64.b64encode(make_signer().sign(signed)).decode()
    envelope["dsseEnvelope"]["signatures"].append({"sig": another})


def sign_by_another(envelope: dict[str, Any]) -> None:
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload_of(envelope))
    put_signature(envelope, make_signer().sign(signed))


def sign_on_another_curve(envelope: dict[str, Any]) -> None:
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload_of(envelope))
    key = ec.generate_private_key(ec.SECP384R1())
    put_signature(envelope, key.sign(signed, ec.ECDSA(hashes.SHA384())))


def add_zeros_to_signature(envelope: dict[str, Any]) -> None:
    put_signature(envelope, signature_of(envelope) + b"\x00\x00")


def zero_signature(envelope: dict[str, Any]) -> None:
    put_signature(envelope, encode_dss_signature(0, 0))


def signature_of_the_groups_order(envelope: dict[str, Any]) -> None:
    put_signature(envelope, encode_dss_signature(ORDER, ORDER))


def flip_a_bit_of_the_payload(envelope: dict[str, Any]) -> None:
    payload = bytearray(payload_of(envelope))
    payload[len(payload) // 2] ^= 1
    put_payload(envelope, bytes(payload))


def flip_a_bit_of_the_signature(envelope: dict[str, Any]) -> None:
    signature = bytearray(signature_of(envelope))
    signature[-1] ^= 1
    put_signature(envelope, bytes(signature))


def mix_the_alphabets(envelope: dict[str, Any]) -> None:
    # 0xfb 0xff… is "+/" in the one alphabet and "-_" in the other.
    envelope["dsseEnvelope"]["payload"] = "+_v/"


def set_unread_bits(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["payload"] = "QR=="  # as b"A" is, but for bits that nobody reads


def drop_padding(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["payload"] = "QQ"


def name_in_hint(envelope: dict[str, Any], key: Digest) -> None:
    envelope["verificationMaterial"]["publicKey"]["hint"] = key


def spell_url_safe(envelope: dict[str, Any]) -> None:
    """Spell the same bytes in the other alphabet, which changes nothing that is signed."""
    table = str.maketrans("+/", "-_")
    signature = envelope["dsseEnvelope"]["signatures"][0]
    envelope["dsseEnvelope"]["payload"] = envelope["dsseEnvelope"]["payload"].translate(table)
    signature["sig"] = signature["sig"].translate(table)


CHANGES: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (double_signature, "form"),
    (add_signature_of_another, "form"),
    (strip_signature, "form"),
    (empty_signature, "form"),
    (name_a_key, "form"),
    (add_certificate, "form"),
    (drop_material, "form"),
    (change_media_type, "form"),
    (change_payload_type, "form"),
    (add_space_to_payload, "base64"),
    (add_rubbish_to_signature, "base64"),
    (mix_the_alphabets, "base64"),
    (set_unread_bits, "base64"),
    (drop_padding, "base64"),
    (truncate_signature, "wrong"),
    (bare_numbers_for_der, "wrong"),
    (add_zeros_to_signature, "wrong"),
    (zero_signature, "wrong"),
    (signature_of_the_groups_order, "wrong"),
    (flip_a_bit_of_the_payload, "wrong"),
    (flip_a_bit_of_the_signature, "wrong"),
    (sign_by_another, "wrong"),
    (sign_on_another_curve, "wrong"),
    (lie_in_hint, "hint"),
]
"""What is done to an envelope, and what of a finding's code follows the step."""


def twin_key(path: Path, key: PublicKey) -> PublicKey:
    """Return another key that the signature in an envelope's file fits: anybody can compute it.

    Nobody knows its private half. With R the point whose x is r, and z the hash, the keys are
    (sR - zG)/r and (-sR - zG)/r. Source: SEC 1, 4.1.6.
    """
    envelope = read(path)
    r, s = decode_dss_signature(signature_of(envelope))
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload_of(envelope))
    z = int.from_bytes(hashlib.sha256(signed).digest(), "big")
    x = r.to_bytes(32, "big")
    for sign in (b"\x02", b"\x03"):
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sign + x)
        found = _add(
            _times(s * pow(r, -1, ORDER) % ORDER, _coordinates(point)),
            _times(-z * pow(r, -1, ORDER) % ORDER, _GENERATOR),
        )
        numbers = ec.EllipticCurvePublicNumbers(*found, ec.SECP256R1())
        other = PublicKey(numbers.public_key())
        if other.digest != key.digest:
            assert other.has_signed(signed, signature_of(envelope))
            return other
    raise AssertionError("both points gave the signer's key")


_Point = tuple[int, int]
_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_GENERATOR: _Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
"""Source: SEC 2, 2.4.2."""


def _coordinates(key: ec.EllipticCurvePublicKey) -> _Point:
    numbers = key.public_numbers()
    return numbers.x, numbers.y


def _add(one: _Point | None, other: _Point | None) -> _Point:
    if one is None or other is None:
        return one or other  # type: ignore[return-value]
    if one == other:
        slope = (3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, _PRIME)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _PRIME)
    x = (slope**2 - one[0] - other[0]) % _PRIME
    return x, (slope * (one[0] - x) - one[1]) % _PRIME


def _times(factor: int, point: _Point) -> _Point:
    total: _Point | None = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    assert total is not None
    return total
