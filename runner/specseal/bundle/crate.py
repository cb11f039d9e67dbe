"""`ro-crate-metadata.json`: the bundle as an RO-Crate, for archives and who knows no specseal.

In: what the bundle says already. Out: RO-Crate 1.1 metadata under Process Run Crate 0.5, canonical
JSON. Nothing in it is new: every file of the manifest with its digest, and the run as the action
that made them.

Source: https://w3id.org/ro/crate/1.1, https://w3id.org/ro/wfrun/process/0.5
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from specseal.bundle.contents import Described
from specseal.digests import Digest, canonical

CRATE = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_SPECSEAL = "https://specseal.dev"
_LICENCE = "https://creativecommons.org/licenses/by/4.0/"
_CONTEXT = [
    f"{_SPECIFICATION}/context",
    # Not a term of RO-Crate 1.1's own; that of the terms for runs.
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
]
_ASKED = ("lock.json", "spec.yaml")
_ABOUT_FILES = {
    "CITATION.cff": "how to cite this result",
    "LICENSE": "the licence of the measurements",
    "README.md": "a summary, and how to check the bundle without specseal",
    "counts.json": "jobs, phases, and the engine's own counters before and after each phase",
    "environment.json": "what was found: machine, runtime, images, packages",
    "lock.json": "every input, resolved to a digest",
    "records.parquet": "one row a request",
    "result.json": "metrics, each with unit, count, interval and validity",
    "spec.yaml": "what was asked for, as its author wrote it",
    "telemetry.parquet": "samples of the machine during the run",
}
_ABOUT_FOLDERS = {
    "env": "bill of materials of a program (CycloneDX)",
    "logs": "log of an engine or of the client",
}
_FORMATS = {
    ".cff": "application/yaml",
    ".gz": "application/gzip",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
}


def render_crate(about: Described, files: Mapping[str, Digest]) -> bytes:
    """Return the file's bytes.

    Args:
        about: what it describes.
        files: digest of each file of the bundle but this one and what the manifest leaves out.
    """
    paths = sorted(path for path in files if path != CRATE)
    graph = [
        _descriptor(),
        _root(about, paths),
        *(_file(path, files[path]) for path in paths),
        _action(about, paths),
        *_programs(about),
        _agent(about),
        {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {
            "@id": _LICENCE,
            "@type": "CreativeWork",
            "name": "Creative Commons Attribution 4.0 International",
            "identifier": "CC-BY-4.0",
        },
    ]
    return canonical({"@context": _CONTEXT, "@graph": graph}) + b"\n"


def _descriptor() -> dict[str, Any]:
    return {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": _SPECIFICATION},
    }


def _root(about: Described, paths: list[str]) -> dict[str, Any]:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"specseal result: {about.name}",
        "description": "A sealed benchmark result: speculative decoding measured on a real engine, "
        "with everything that is needed to check it and to run it again.",
        "datePublished": about.date.isoformat(),
        "license": {"@id": _LICENCE},
        "author": {"@id": _agent_id(about)},
        "publisher": {"@id": _agent_id(about)},
        "conformsTo": {"@id": PROFILE},
        "identifier": f"recipe sha256:{about.lock.recipe}",
        "hasPart": [{"@id": path} for path in paths],
        "mentions": {"@id": "#run"},
    }


def _file(path: str, digest: Digest) -> dict[str, Any]:
    described = _ABOUT_FILES.get(path) or _ABOUT_FOLDERS.get(path.split("/")[0])
    return {
        "@id": path,
        "@type": "File",
        "name": path,
        "encodingFormat": _FORMATS.get(PurePosixPath(path).suffix, "text/plain"),
        "sha256": digest,
        **({"description": described} if described else {}),
    }


def _action(about: Described, paths: list[str]) -> dict[str, Any]:
    failed = "; ".join(failure.reason for failure in about.result.failures)
    status = "Failed" if failed else "Completed"
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"specseal run of {about.name}",
        "description": f"lock sha256:{about.lock.digest}, recipe sha256:{about.lock.recipe}; "
        f"{len(about.result.metrics)} metrics",
        "instrument": {"@id": _SPECSEAL},
        "object": [{"@id": path} for path in _ASKED],
        "result": [{"@id": path} for path in paths if path not in _ASKED],
        "agent": {"@id": _agent_id(about)},
        "startTime": _with_offset(about.environment["started"]),
        "endTime": _with_offset(about.environment["finished"]),
        "actionStatus": f"http://schema.org/{status}ActionStatus",
        **({"error": failed} if failed else {}),
    }


def _programs(about: Described) -> list[dict[str, Any]]:
    """Return what measured, and the engines that were measured."""
    named = dict.fromkeys((one.engine["name"], one.engine["version"]) for one in about.locks)
    engines = [
        {
            "@id": f"#engine-{number}",
            "@type": "SoftwareApplication",
            "name": name,
            **({"version": version} if version else {}),
        }
        for number, (name, version) in enumerate(named, 1)
    ]
    specseal = {
        "@id": _SPECSEAL,
        "@type": "SoftwareApplication",
        "name": "specseal",
        "version": about.environment["specseal_version"],
        "url": _SPECSEAL,
        "softwareRequirements": _one_or_all([{"@id": engine["@id"]} for engine in engines]),
    }
    return [specseal, *engines]


def _one_or_all(values: list[dict[str, Any]]) -> Any:
    """Return several values as a list, and one as itself, as RO-Crate 1.1 recommends."""
    return values[0] if len(values) == 1 else values


def _with_offset(utc: str) -> str:
    """Return a time as the profile spells it: it knows no Z."""
    return f"{utc.removesuffix('Z')}+00:00" if utc.endswith("Z") else utc


def _agent(about: Described) -> dict[str, Any]:
    return {
        "@id": _agent_id(about),
        # Of a key nobody knows whether one person holds it, or a laboratory.
        "@type": "Organization",
        "name": f"holder of the key sha256:{about.signer}",
    }


def _agent_id(about: Described) -> str:
    return f"#key-{about.signer}"
