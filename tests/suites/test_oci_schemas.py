"""The OCI schemas that are kept here take good documents, and refuse each broken part."""

import json
from typing import Any

import pytest

from suites.oci import SCHEMAS, problems

CONFIG = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
    "data": "e30=",
}
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "artifactType": "application/vnd.example+json",
    "config": CONFIG,
    "layers": [{**CONFIG, "annotations": {"org.opencontainers.image.title": "spec.yaml"}}],
    "subject": CONFIG,
    "annotations": {"a": "b"},
}
GOOD: dict[str, dict[str, Any]] = {
    "manifest": MANIFEST,
    "index": {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**CONFIG, "artifactType": "application/vnd.example+json"}],
    },
    "descriptor": CONFIG,
    "layout": {"imageLayoutVersion": "1.0.0"},
}


def test_every_schema_has_a_good_document() -> None:
    assert GOOD.keys() == SCHEMAS.keys()


@pytest.mark.parametrize("kind", GOOD)
def test_good_document_holds(kind: str) -> None:
    assert problems(kind, json.dumps(GOOD[kind]).encode()) == []


@pytest.mark.parametrize(
    ("kind", "change", "where"),
    [
        ("manifest", {"schemaVersion": 1}, "$.schemaVersion"),
        ("manifest", {"layers": []}, "$.layers"),
        ("manifest", {"layers": [{**CONFIG, "digest": "44136f"}]}, "$.layers[0].digest"),
        ("manifest", {"config": {**CONFIG, "size": -1}}, "$.config.size"),
        ("manifest", {"subject": {"digest": CONFIG["digest"]}}, "$.subject"),
        ("manifest", {"artifactType": "no media type"}, "$.artifactType"),
        ("manifest", {"annotations": {"a": 1}}, "$.annotations.a"),
        ("index", {"manifests": [{"size": 2}]}, "$.manifests[0]"),
        ("index", {"manifests": [{**CONFIG, "mediaType": "?"}]}, "$.manifests[0].mediaType"),
        ("descriptor", {"size": "2"}, "$.size"),
        ("layout", {"imageLayoutVersion": "2.0.0"}, "$.imageLayoutVersion"),
    ],
)
def test_broken_document_is_told_by_the_place(
    kind: str, change: dict[str, Any], where: str
) -> None:
    found = problems(kind, json.dumps({**GOOD[kind], **change}).encode())
    assert found
    assert {problem.split(": ")[0] for problem in found} == {where}
