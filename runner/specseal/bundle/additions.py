"""What was attested later about a bundle, before it is added: each statement looked at alone.

So that rubbish among many costs no verification of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from specseal.bundle.envelope import raw_signature, unwrap_by_one_of
from specseal.bundle.findings import broken
from specseal.bundle.keys import PublicKey, parse_public_key
from specseal.bundle.layout import (
    KEYS,
    MAX_REPRODUCTIONS,
    REPRODUCTIONS,
    RESULT_ATTESTATION,
    TIMESTAMP,
    Tree,
    key_path,
)
from specseal.bundle.report import Report
from specseal.bundle.reproduction import check_reproductions
from specseal.bundle.statement import read_result_statement
from specseal.bundle.timestamp import read_timestamp, unstamped
from specseal.bundle.verify import Trust, bundle_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """What a timestamp says that may be added."""

    believed: bool
    """It is what the policy asks for."""
    time: datetime


class Additions:
    """Holds statements against a bundle that was verified, and that nobody else can change.

    Args:
        report: of verifying it.
        trust: by which.
    """

    def __init__(self, report: Report, trust: Trust) -> None:
        if report.signer is None or report.manifest_digest is None:
            raise ValueError("what holds has an identity and a signer")
        self._folder, self._trust, self._manifest = report.folder, trust, report.manifest_digest
        self._envelope = (self._folder / RESULT_ATTESTATION).read_bytes()
        signer = self._key_there(key_path(report.signer))
        self._signer, payload = unwrap_by_one_of(
            self._envelope, path=RESULT_ATTESTATION, keys=[signer]
        )
        self._result = read_result_statement(payload, manifest=self._manifest, now=trust.now)

    def check(self, files: Mapping[str, bytes]) -> Stamped | None:
        """Check what is to be added together; return what it says where it is a timestamp.

        Args:
            files: their bytes, by path; all of them among those that may be added.

        Raises:
            BundleBroken: a statement does not hold, or there is room for no more.
            MachineLacks: it is a timestamp, and what reads it is not installed.
        """
        tree = Tree(digests={}, contents=dict(files), findings=())
        keys = bundle_keys(tree) if tree.keys else {}
        keys[self._signer.digest] = self._signer
        for one in tree.reproductions:
            path = key_path(one.key)
            if one.key not in keys and (self._folder / path).is_file():
                keys[one.key] = self._key_there(path)
        check_reproductions(
            tree.reproductions,
            contents=files,
            keys=keys,
            signer=self._signer,
            manifest=self._manifest,
            result=self._result,
            now=self._trust.now,
        )
        if tree.reproductions and self._is_full():
            raise broken("layout.bounds", f"one of more than {MAX_REPRODUCTIONS}")
        if TIMESTAMP not in files:
            return None
        signature = raw_signature(self._envelope, path=RESULT_ATTESTATION)
        stamp = read_timestamp(
            files[TIMESTAMP], signature=signature, statement=self._result, now=self._trust.now
        )
        believed = not unstamped(stamp, self._trust.policy)
        return Stamped(believed=believed, time=stamp.time)

    def _is_full(self) -> bool:
        folders = (self._folder / KEYS, self._folder / REPRODUCTIONS)
        return any(
            folder.is_dir() and sum(1 for _ in folder.iterdir()) >= MAX_REPRODUCTIONS
            for folder in folders
        )

    def _key_there(self, path: str) -> PublicKey:
        return parse_public_key((self._folder / path).read_bytes(), path=path)
