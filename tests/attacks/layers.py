"""Every layer of a bundle that is JSON: put other bytes there, with whatever seals them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attacks.builder import NOW, GoodBundle
from specseal.bundle.envelope import wrap
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.statement import ResultStatement
from specseal.digests import Digest, sha256_bytes, sha256_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: where its bytes are, how others get there, and the finding that names it."""

    read: Callable[[Path], bytes]
    write: Callable[[GoodBundle, Path, bytes], None]
    """Write the bytes, and sign again whatever covers them."""
    code: str
    bounded: str
    """The file whose size is bounded."""


def _file(path: str, code: str) -> Layer:
    def write(good: GoodBundle, bundle: Path, data: bytes) -> None:
        (bundle / path).write_bytes(data)
        good.sign_again(bundle)

    return Layer(
        read=lambda bundle: (bundle / path).read_bytes(), write=write, code=code, bounded=path
    )


def _envelope(path: str) -> Layer:
    def write(good: GoodBundle, bundle: Path, data: bytes) -> None:
        (bundle / path).write_bytes(data)

    return Layer(
        read=lambda bundle: (bundle / path).read_bytes(),
        write=write,
        code="signature.form",
        bounded=path,
    )


def payload_of(bundle: Path, attestation: str) -> bytes:
    envelope = json.loads((bundle / attestation).read_bytes())
    return base64.b64decode(envelope["dsseEnvelope"]["payload"])


def _write_result(good: GoodBundle, bundle: Path, data: bytes) -> None:
    (bundle / RESULT_ATTESTATION).write_bytes(wrap(data, good.signer))


def _write_provenance(good: GoodBundle, bundle: Path, data: bytes) -> None:
    """Sign the provenance, and a result statement that names it."""
    (bundle / PROVENANCE_ATTESTATION).write_bytes(wrap(data, good.signer))
    said = json.loads(payload_of(bundle, RESULT_ATTESTATION))["predicate"]
    statement = ResultStatement(
        name=said["name"],
        created=NOW,
        recipe=Digest(said["recipe"]),
        lock=Digest(said["lock"]["sha256"]),
        result=Digest(said["result"]["sha256"]),
        provenance=sha256_bytes(data),
    )
    _write_result(good, bundle, statement.to_bytes(sha256_file(bundle / "MANIFEST.sha256")))


LAYERS = {
    "envelope": _envelope(RESULT_ATTESTATION),
    "provenance envelope": _envelope(PROVENANCE_ATTESTATION),
    "statement": Layer(
        read=lambda bundle: payload_of(bundle, RESULT_ATTESTATION),
        write=_write_result,
        code="signature.statement",
        bounded=RESULT_ATTESTATION,
    ),
    "provenance": Layer(
        read=lambda bundle: payload_of(bundle, PROVENANCE_ATTESTATION),
        write=_write_provenance,
        code="signature.statement",
        bounded=PROVENANCE_ATTESTATION,
    ),
    "lock": _file("lock.json", "schemas.lock"),
    "environment": _file("environment.json", "schemas.environment"),
    "result": _file("result.json", "schemas.result"),
    "counts": _file("counts.json", "schemas.counts"),
    "bill of materials": _file("env/engine.cdx.json", "schemas.sbom"),
}
