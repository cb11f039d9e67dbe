"""`MANIFEST.sha256`: the list of a bundle's files, in `sha256sum` format, and its strict reader.

One line a file, `<64 hex digits>  <path>`, sorted by the path's bytes. Every file is in it but
itself and what lies under `attestations/`. Its own SHA-256 is the bundle's identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from specseal.bundle.findings import BundleBroken, Finding
from specseal.digests import Digest

MANIFEST = "MANIFEST.sha256"
ATTESTATIONS = "attestations"
REQUIRED = (
    "CITATION.cff", "LICENSE", "README.md", "counts.json", "environment.json", "lock.json",
    "records.parquet", "result.json", "spec.yaml", "telemetry.parquet",
)  # fmt: skip

# Folded, for on some systems `Attestations/` is the folder that no manifest covers.
_NOT_LISTED = (MANIFEST.casefold(), ATTESTATIONS.casefold())
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(?<!\.)")
# Names that mean a device on Windows, whatever their suffix: a bundle must unpack anywhere.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)

MAX_PATH_BYTES, MAX_PART_BYTES, MAX_PARTS = 1024, 255, 16
"""Within what Linux, macOS and Windows take."""


def path_problem(path: str) -> str | None:
    """Return why a relative POSIX path may not be in a bundle, or None where it may.

    Only plain ASCII letters, digits and `._+-` are allowed, so that no two paths can be one file on
    a system that folds case or normalises Unicode, and none means anything to a shell. Lengths are
    bounded, so that each can be written anywhere, and none takes long to look at.
    """
    if len(path) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES:,} bytes"
    if path.count("/") >= MAX_PARTS:
        return f"has more than {MAX_PARTS} parts"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "is absolute, or climbs out of the bundle"
        if part.startswith("."):
            return "is hidden"
        if not _PART.fullmatch(part):
            return "has a character other than letters, digits and ._+-, or ends in a dot"
        if len(part) > MAX_PART_BYTES:
            return f"has a part of more than {MAX_PART_BYTES} bytes"
        if _RESERVED.fullmatch(part):
            return "is a name that some systems reserve"
    return None


def render_manifest(digests: Mapping[str, Digest]) -> bytes:
    """Return the manifest's bytes.

    Raises:
        ValueError: a path that no reader would accept.
    """
    for path in digests:
        if problem := path_problem(path):
            raise ValueError(f"{path!r} {problem}")
    # All paths are ASCII, so the order of the strings is the order of their bytes.
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode("ascii")


def parse_manifest(data: bytes) -> dict[str, Digest]:
    """Read a manifest, strictly.

    Raises:
        BundleBroken: a line of another form, not sorted, a path twice (or twice but for upper and
            lower case), one that is a file and a folder, a path that may not be in a bundle, or a
            required file not listed.
    """
    findings: list[Finding] = []

    def complain(code: str, message: str) -> None:
        findings.append(Finding(f"manifest.{code}", f"{MANIFEST}{message}"))

    # Latin-1 keeps every byte, so a strange one reaches the check of the path and its message.
    lines = data.decode("latin-1").split("\n")
    if lines.pop() != "":
        complain("form", ": the final newline is missing")
    listed: dict[str, Digest] = {}
    folded: set[str] = set()
    last = ""
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if not match:
            complain("form", f":{number}: expected 64 hex digits, two spaces and a path")
            continue
        path = match[2]
        if problem := path_problem(path):
            # Looked at no further: it may be of any length.
            complain("path", f":{number}: {path[:200]!r} {problem}")
            continue
        if path.split("/")[0].casefold() in _NOT_LISTED:
            complain("path", f":{number}: {path} may not be listed: it is not what is signed")
        if path.casefold() in folded:
            complain("twice", f":{number}: {path!r} is listed twice")
        elif path <= last:
            complain("order", f":{number}: {path!r} is not in order")
        folded.add(path.casefold())
        last = path
        listed[path] = Digest(match[1])
    folders = {folder for path in folded for folder in _folders(path)}
    for path in sorted(folded & folders):
        complain("twice", f": {path!r} is both a file and a folder")
    for path in sorted(set(REQUIRED) - set(listed)):
        complain("incomplete", f": {path} is not listed, and no bundle is without it")
    if findings:
        raise BundleBroken(findings)
    return listed


def _folders(path: str) -> Iterator[str]:
    """Return the folders that a path lies in."""
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def compare_digests(
    listed: Mapping[str, Digest], found: Mapping[str, Digest | None]
) -> list[Finding]:
    """Return a finding a file that is altered, missing, or not in the manifest.

    Args:
        listed: what the manifest says.
        found: what lies in the folder, without the manifest and the attestations; None of a file
            that was not read, for it may not be there.
    """
    findings = []
    for path in sorted({*listed, *found}):
        if path not in found:
            findings.append(Finding("manifest.missing", f"{path}: missing; the manifest lists it"))
        elif path not in listed:
            findings.append(
                Finding("manifest.added", f"{path}: added; the manifest does not list it")
            )
        elif listed[path] != found[path]:
            findings.append(
                Finding(
                    "manifest.altered",
                    f"{path}: altered; SHA-256 is {found[path]}, the manifest says {listed[path]}",
                )
            )
    return findings
