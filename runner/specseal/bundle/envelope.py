"""The signed envelope: DSSE over a statement, inside a Sigstore bundle with a bare public key.

Source: DSSE v1 (`DSSEv1` pre-authentication encoding) and Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from specseal.bundle.findings import broken
from specseal.bundle.keys import PublicKey, Signer
from specseal.bundle.strict import parse_file
from specseal.digests import canonical

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed, in which type and payload can't be confused.

    Source: DSSE protocol, PAE.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def wrap(payload: bytes, signer: Signer) -> bytes:
    """Sign a payload and return the file of its envelope."""
    signature = signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    envelope = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": signer.public.digest}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
    return canonical(envelope) + b"\n"


def unwrap(data: bytes, *, path: str, key: PublicKey, step: str = "signature") -> bytes:
    """Return the payload of an envelope that `key` has signed.

    Args:
        data: the envelope's file.
        path: named in messages.
        key: the only key that is tried; the envelope's hint chooses nothing.
        step: the step of verification, with which findings' codes start.

    Raises:
        BundleBroken: not such an envelope (a certificate, more than one signature, rubbish in the
            base64), or not signed by `key`.
    """
    return unwrap_by_one_of(data, path=path, keys=(key,), step=step)[1]


def unwrap_by_one_of(
    data: bytes, *, path: str, keys: Sequence[PublicKey], step: str = "signature"
) -> tuple[PublicKey, bytes]:
    """Return which of several keys has signed an envelope, and its payload; else as `unwrap`.

    All keys are tried, because a second one can be made that fits a signature of the first:
    a signature that two keys here fit says nothing about who made it, and is refused.
    """
    value = parse_file(data, path=path, code=f"{step}.form", schema="envelope")
    envelope = value["dsseEnvelope"]
    code = f"{step}.base64"
    payload = decode_base64(envelope["payload"], what=f"{path}: payload", code=code)
    signature = decode_base64(
        envelope["signatures"][0]["sig"], what=f"{path}: signature", code=code
    )
    signed = pre_authentication_encoding(envelope["payloadType"], payload)
    signers = [key for key in keys if key.has_signed(signed, signature)]
    if not signers:
        whose = f"the key {keys[0].digest}" if len(keys) == 1 else "any key beside it"
        raise broken(
            f"{step}.wrong", f"{path}: the signature is not that of {whose} over this payload"
        )
    if len(signers) > 1:
        raise broken(f"{step}.ambiguous", f"{path}: the signature fits several keys beside it")
    if value["verificationMaterial"]["publicKey"]["hint"] != signers[0].digest:
        raise broken(f"{step}.hint", f"{path}: the hint names another key than the one that signed")
    return signers[0], payload


def raw_signature(data: bytes, *, path: str) -> bytes:
    """Return the signature in an envelope, in DER. Raises: BundleBroken."""
    value = parse_file(data, path=path, code="signature.form", schema="envelope")
    return decode_base64(value["dsseEnvelope"]["signatures"][0]["sig"], what=f"{path}: signature")


def decode_base64(text: str, *, what: str, code: str = "signature.base64") -> bytes:
    """Decode base64 in the standard or the URL-safe alphabet, padded, one spelling a value.

    Raises:
        BundleBroken: white space, a character of neither alphabet or of both, wrong padding, or
            bits set where none are read.
    """
    for altchars in (b"+/", b"-_"):
        try:
            data = base64.b64decode(text, altchars=altchars, validate=True)
        except (binascii.Error, ValueError):
            continue
        if base64.b64encode(data, altchars=altchars).decode() == text:
            return data
    raise broken(code, f"{what}: not base64, strictly read")
