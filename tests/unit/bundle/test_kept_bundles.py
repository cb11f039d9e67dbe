"""Bundles of every version of the format go on verifying, for as long as there is specseal."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attacks.builder import codes
from specseal.bundle import Report, TrustStore, verify
from specseal.bundle.keys import parse_public_key
from specseal.digests import sha256_file

KEPT = Path(__file__).parents[2] / "fixtures" / "bundles"
ARCHIVES = sorted(KEPT.glob("*/*.zip"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in ARCHIVES]
MOST_BYTES = 200_000
DIGESTS = {
    "v0/plain.pem": "aa76605d2dc1457cec235a8184e069716dc32454084f48ad34e4b929fc4f59f2",
    "v0/plain.zip": "31541eae6858a2618b3117713d4a48866edecfe6f4cf98dc0ed8c803612f3a4a",
    "v1/plain.pem": "9a539385c8f6a39b196acd2639da38d7e2c1888311274a1ec8724ea6aea68748",
    "v1/plain.zip": "b20421a58b31b2ba94765760a3420d41ac0f6f6387efa77f66c5d6e9cc2e0fa1",
    "v1/restricted.pem": "4f83ad271c4821bc33347f421ef331ff690b7b8ae69a60df0ac84f8b27b6ed70",
    "v1/restricted.zip": "1c7f6247cc1264b1a03447263403fcebaf0f27ced16ad359f6765a4a9c1d7bac",
}
"""A line is added for each new bundle, and none is ever changed: others have archived the like."""


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


def test_no_kept_bundle_was_made_anew() -> None:
    files = [path for path in KEPT.glob("*/*") if path.is_file()]
    assert {path.relative_to(KEPT).as_posix(): sha256_file(path) for path in files} == DIGESTS


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
