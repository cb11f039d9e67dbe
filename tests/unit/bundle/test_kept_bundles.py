"""Bundles of every version of the format go on verifying, for as long as there is specseal."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attacks.builder import codes
from specseal.bundle import Report, TrustStore, verify
from specseal.bundle.keys import parse_public_key

KEPT = Path(__file__).parents[2] / "fixtures" / "bundles"
ARCHIVES = sorted(KEPT.glob("*/*.zip"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in ARCHIVES]
MOST_BYTES = 200_000


def unpack(archive: Path, target: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(target)  # our own, and committed
    return target


def verified(archive: Path, folder: Path) -> Report:
    key = archive.with_suffix(".pem")
    trusted = parse_public_key(key.read_bytes(), path=key.name)
    return verify(
        folder, trusted=TrustStore(trusted=frozenset({trusted.digest})), now=datetime.now(UTC)
    )


def test_there_is_a_bundle_of_every_version() -> None:
    assert {"v0-plain", "v1-plain", "v1-restricted"} <= set(NAMES)
    assert all(path.stat().st_size < MOST_BYTES for path in ARCHIVES)


@pytest.mark.parametrize("archive", ARCHIVES, ids=NAMES)
def test_kept_bundle_verifies(archive: Path, tmp_path: Path) -> None:
    report = verified(archive, unpack(archive, tmp_path / "bundle"))
    assert report.intact, report.to_text()
    assert report.trusted


@pytest.mark.parametrize("archive", ARCHIVES, ids=NAMES)
def test_kept_bundle_with_a_byte_altered_does_not(archive: Path, tmp_path: Path) -> None:
    bundle = unpack(archive, tmp_path / "bundle")
    with (bundle / "records.parquet").open("ab") as file:
        file.write(b"\0")
    assert codes(verified(archive, bundle)) == {"manifest.altered"}


@pytest.mark.parametrize(("name", "compared"), [("v0/plain", False), ("v1/plain", True)])
def test_texts_are_compared_where_this_version_wrote_them_so(
    name: str, compared: bool, tmp_path: Path
) -> None:
    archive = KEPT / f"{name}.zip"
    report = verified(archive, unpack(archive, tmp_path / "bundle"))
    (said,) = [check.message for check in report.checks if check.code == "texts"]
    assert ("not compared" not in said) == compared
