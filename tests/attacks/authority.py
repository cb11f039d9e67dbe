"""A timestamp authority of one's own: a root, a certificate under it, and openssl to stamp with.

`python tests/attacks/authority.py` writes `data/expired_authority.json`: the stamp of an authority
whose certificate is valid for a minute longer, and has expired by the time that tests see it.
"""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

EXPIRED = Path(__file__).parent / "data" / "expired_authority.json"
CONFIGURATION = """\
[tsa]
default_tsa = own
[own]
serial = serial
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha384, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
"""


class Authority:
    """Stamps whatever it is asked to."""

    def __init__(self, folder: Path, *, starts: timedelta, ends: timedelta) -> None:
        self.folder = folder
        now = datetime.now(UTC).replace(microsecond=0)
        self._from, self._until = now + starts, now + ends
        root_key = ec.generate_private_key(ec.SECP256R1())
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING])
        signing = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.root = self._certificate("root", root_key, root_key, signing, is_root=True)
        self.certificate = self._certificate("stamps", key, root_key, usage, is_root=False)
        (folder / "stamps.pem").write_bytes(_pem(self.certificate))
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (folder / "openssl.cnf").write_text(CONFIGURATION, encoding="ascii")
        (folder / "serial").write_text("01\n", encoding="ascii")

    @property
    def pem(self) -> str:
        return _pem(self.root).decode()

    def stamp(self, message: bytes, *options: str) -> bytes:
        """Return the response of this authority over a message.

        Args:
            message: what is stamped.
            options: of `openssl ts -query`; SHA-256 if none.
        """
        (self.folder / "message").write_bytes(message)
        query = ["-query", "-data", "message", "-cert", "-out", "query", *(options or ["-sha256"])]
        reply = ["-reply", "-config", "openssl.cnf", "-queryfile", "query", "-out", "response"]
        for arguments in (query, [*reply, "-signer", "stamps.pem", "-inkey", "key.pem"]):
            subprocess.run(
                ["openssl", "ts", *arguments], cwd=self.folder, check=True, capture_output=True
            )
        return (self.folder / "response").read_bytes()

    def _certificate(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: ec.EllipticCurvePrivateKey,
        usage: x509.ExtendedKeyUsage | x509.KeyUsage,
        *,
        is_root: bool,
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._until)
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(issuer, hashes.SHA256())
        )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder), starts=-timedelta(minutes=1), ends=timedelta(minutes=1))
        message = b"a signature"
        value = {
            "root": authority.pem,
            "signature": base64.b64encode(message).decode(),
            "response": base64.b64encode(authority.stamp(message)).decode(),
            "expired": authority.certificate.not_valid_after_utc.isoformat(),
        }
    EXPIRED.parent.mkdir(exist_ok=True)
    EXPIRED.write_text(json.dumps(value, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
