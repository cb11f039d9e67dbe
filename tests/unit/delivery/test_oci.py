"""What is pushed to a registry is what the OCI image specification's own schemas allow."""

from __future__ import annotations

import json

import pytest

from specseal.delivery.oci import attestation_manifest, bundle_manifest, index_of
from specseal.delivery.parcel import Entry
from specseal.digests import Digest, sha256_bytes
from suites.oci import problems

ENTRIES = [
    Entry(path=path, size_bytes=len(path), sha256=sha256_bytes(path.encode()))
    for path in ("spec.yaml", "env/engine.sbom.cdx.json", "attestations/result.sigstore.json")
]
BUNDLE = bundle_manifest(Digest("a" * 64), "tiny", ENTRIES)
STATEMENT = attestation_manifest(BUNDLE, ENTRIES[-1:])
DOCUMENTS = {
    "bundle": ("manifest", BUNDLE.body),
    "statement": ("manifest", STATEMENT.body),
    "list of statements": ("index", index_of([STATEMENT.descriptor])),
    "empty list of statements": ("index", index_of([])),
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_that_is_pushed_holds_to_the_specifications_schema(document: str) -> None:
    assert problems(*DOCUMENTS[document]) == []


def test_bundle_that_corrects_another_names_it() -> None:
    corrected = Digest("b" * 64)
    one = bundle_manifest(Digest("a" * 64), "tiny", ENTRIES, supersedes=corrected)
    assert json.loads(one.body)["annotations"]["dev.specseal.supersedes"] == f"sha256:{corrected}"
    assert "dev.specseal.supersedes" not in json.loads(BUNDLE.body)["annotations"]
