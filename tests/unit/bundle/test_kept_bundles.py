"""Bundles of every version of the format go on verifying, for as long as there is specseal."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate

from attacks.builder import codes
from specseal.bundle import Policy, PublicKey, Report, TrustStore, verify
from specseal.bundle.keys import parse_public_key
from specseal.digests import sha256_file

KEPT = Path(__file__).parents[2] / "fixtures" / "bundles"
ARCHIVES = sorted(KEPT.glob("*/*.zip"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in ARCHIVES]
MOST_BYTES = 200_000
DIGESTS = {
    "v0/plain.pem": "aa76605d2dc1457cec235a8184e069716dc32454084f48ad34e4b929fc4f59f2",
    "v0/plain.zip": "31541eae6858a2618b3117713d4a48866edecfe6f4cf98dc0ed8c803612f3a4a",
    "v1-added/README.md": "ad6241343a6e186b81b24f0482a9200bc627a3d9ac1751213687229005f54eed",
    "v1-added/authority.pem": "fa59b0533e1d6d487ab386b56990ff938f96d8f3bb82ab3ff8df45e06580cd4d",
    "v1-added/reproducer.pem": "490622fc3ab2438e3c7f691c84cd9cade22d742447a86c471b373c1a70913be3",
    "v1-added/whole.pem": "2d33d20cb395490900a4c0115f5babbb665249f8b6fd39e553d74fc16ae23232",
    "v1-added/whole.zip": "83b2c5a97ef55a8400ca580409192027ec44379cc052efe4f09296e5bda4e3fc",
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


def key_in(path: Path) -> PublicKey:
    return parse_public_key(path.read_bytes(), path=path.name)


def verified(archive: Path, folder: Path) -> Report:
    trusted = key_in(archive.with_suffix(".pem"))
    return verify(
        folder, trusted=TrustStore(trusted=frozenset({trusted.digest})), now=datetime.now(UTC)
    )


def test_there_is_a_bundle_of_every_version() -> None:
    assert {"v0-plain", "v1-plain", "v1-restricted", "v1-added-whole"} <= set(NAMES)
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


@pytest.mark.parametrize(
    ("name", "compared"), [("v0/plain", False), ("v1/plain", True), ("v1-added/whole", True)]
)
def test_texts_are_compared_where_this_version_wrote_them_so(
    name: str, compared: bool, tmp_path: Path
) -> None:
    archive = KEPT / f"{name}.zip"
    report = verified(archive, unpack(archive, tmp_path / "bundle"))
    (said,) = [check.message for check in report.checks if check.code == "texts"]
    assert ("not compared" not in said) == compared


def test_what_was_added_to_a_kept_bundle_counts_as_it_did(tmp_path: Path) -> None:
    """A reproduction by another key, and a timestamp: two keys vouch, at a time of an authority."""
    folder = KEPT / "v1-added"
    signer, reproducer = key_in(folder / "whole.pem"), key_in(folder / "reproducer.pem")
    root = load_pem_x509_certificate((folder / "authority.pem").read_bytes())
    report = verify(
        unpack(folder / "whole.zip", tmp_path / "bundle"),
        trusted=TrustStore(trusted=frozenset({signer.digest, reproducer.digest})),
        policy=Policy(signers=2, authorities=(root,)),
        now=datetime.now(UTC),
    )
    assert report.trusted, report.to_text()
    assert [(one.signature.key, one.signature.verdict) for one in report.signers] == [
        (signer.digest, None),
        (reproducer.digest, "reproduced"),
    ]
    assert report.stamped is not None
    assert report.stamped >= report.signers[0].signature.created
    assert report.supersedes is not None


def test_sweep_of_a_kept_bundle_has_the_job_that_died_and_what_it_had_measured(
    tmp_path: Path,
) -> None:
    archive = KEPT / "v1-added" / "whole.zip"
    report = verified(archive, unpack(archive, tmp_path / "bundle"))
    contents = report.demand(trust=True)
    jobs = contents.run.jobs
    assert [(job.draft_length, bool(job.failure)) for job in jobs] == [
        (0, False),
        (2, False),
        (3, True),
    ]
    assert (len(jobs[2].phases), len(jobs[2].missing)) == (2, 2)
    assert len({str(phase.setting) for phase in jobs[1].phases}) == 2
