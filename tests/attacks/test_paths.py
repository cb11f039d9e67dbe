"""Manifests with hostile paths and weak digests, signed by the trusted key."""

import unicodedata
from pathlib import Path

import pytest

from attacks.builder import NOW, GoodBundle, codes
from specseal.bundle import Report, manifest
from specseal.bundle.envelope import wrap
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST
from specseal.bundle.statement import ResultStatement, provenance_statement
from specseal.digests import Digest, sha256_bytes

HEX = "a" * 64


def verify_manifest(good: GoodBundle, bundle: Path, listed: bytes) -> Report:
    """Sign a manifest as it is: what seals would refuse to write it."""
    (bundle / MANIFEST).write_bytes(listed)
    digest, lock = sha256_bytes(listed), good.inputs.lock
    provenance = provenance_statement(
        manifest=digest,
        lock=lock.digest,
        name="tiny",
        version="0.1.0",
        started=good.inputs.started,
        finished=good.inputs.finished,
    )
    statement = ResultStatement(
        name="tiny",
        created=NOW,
        recipe=lock.recipe,
        lock=lock.digest,
        result=sha256_bytes((bundle / "result.json").read_bytes()),
        provenance=sha256_bytes(provenance),
    )
    (bundle / PROVENANCE_ATTESTATION).write_bytes(wrap(provenance, good.signer))
    (bundle / RESULT_ATTESTATION).write_bytes(wrap(statement.to_bytes(digest), good.signer))
    return good.verify(bundle)


def with_line(bundle: Path, path: str, digest: str = HEX) -> bytes:
    """The bundle's manifest with one more line, in the place where sorting puts its path."""
    rows = (bundle / MANIFEST).read_bytes().decode().splitlines()
    rows = sorted([*rows, f"{digest}  {path}"], key=lambda row: row[66:].encode("utf-8"))
    return "".join(f"{row}\n" for row in rows).encode()


def test_manifest_signed_so_holds(good: GoodBundle, bundle: Path) -> None:
    assert verify_manifest(good, bundle, (bundle / MANIFEST).read_bytes()).intact


@pytest.mark.parametrize(
    "path",
    [
        "../outside", "logs/../../outside", "/etc/passwd", "//host/share", "C:/x", "C:x", "~/x",
        "..\\outside", "logs\\x", "logs/./x", "logs//x", "logs/", "./x", ".git/config", ".x",
        "logs/..x", "a\tb", "a\rb", "a\x00b", "a\x7fb", "a b", " a", "a ", "a.", "a./b", "%2e%2e/x",
        "$(id)", "`id`", "a;b", "-rf", "*", "con", "NUL.txt", "logs/aux.gz", "com1", "Lpt9.log",
        "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9"), "\u202egpj.exe", "\uff0e\uff0e/x",
        "\u0441on", "file\u200b", "stra\u00dfe",
    ],
)  # fmt: skip
def test_path_that_means_something_else_somewhere_is_refused(
    good: GoodBundle, bundle: Path, path: str
) -> None:
    outside = bundle.parent / "outside"
    outside.write_bytes(b"")
    report = verify_manifest(good, bundle, with_line(bundle, path))
    assert "manifest.path" in codes(report)
    assert outside.read_bytes() == b""


TOO_LONG = {
    "parts": "/".join(["d"] * 17),
    "a part": "logs/" + "d" * 256,
    "bytes": "/".join(["d" * 204] * 5) + "/x",
    "bytes in parts without end": "/".join(["d"] * 100_000),
}
LONGEST = ("/".join(["d"] * 16), "logs/" + "d" * 255, "/".join(["d" * 204] * 5))


@pytest.mark.parametrize("path", TOO_LONG.values(), ids=TOO_LONG)
def test_path_longer_than_any_bundle_has_is_refused_and_looked_at_no_further(
    good: GoodBundle, bundle: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    usual = manifest._folders
    monkeypatch.setattr(manifest, "_folders", lambda path: asked.append(path) or usual(path))
    report = verify_manifest(good, bundle, with_line(bundle, path))
    assert "manifest.path" in codes(report)
    assert max(map(len, asked)) < 100
    assert max(len(check.message) for check in report.checks) < 1000


@pytest.mark.parametrize("path", LONGEST)
def test_longest_path_that_a_bundle_may_have_is_none_too_long(path: str) -> None:
    assert manifest.path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        MANIFEST, MANIFEST.lower(), "Manifest.SHA256", RESULT_ATTESTATION, "attestations/x",
        "Attestations/result.sigstore.json", "ATTESTATIONS/keys/x.pem",
    ],
)  # fmt: skip
def test_path_of_what_no_manifest_covers_is_refused_in_any_case(
    good: GoodBundle, bundle: Path, path: str
) -> None:
    assert "manifest.path" in codes(verify_manifest(good, bundle, with_line(bundle, path)))


@pytest.mark.parametrize("path", ["spec.yaml", "Spec.yaml", "SPEC.YAML", "Logs", "spec.yaml/x"])
def test_two_paths_that_are_one_on_some_system_are_refused(
    good: GoodBundle, bundle: Path, path: str
) -> None:
    assert "manifest.twice" in codes(verify_manifest(good, bundle, with_line(bundle, path)))


@pytest.mark.parametrize(
    "line",
    [
        f"{'a' * 32}  x", f"{'a' * 40}  x", f"{'a' * 128}  x", f"{HEX.upper()}  x", f"{HEX} *x",
        f"{HEX}\tx", f"{HEX}   x", f"\\{HEX}  a\\nb", f"sha256:{HEX}  x", f"SHA256 (x) = {HEX}",
        f"MD5 (x) = {'a' * 32}", f"{HEX}  x\r", "# a comment", "", f" {HEX}  x",
    ],
)  # fmt: skip
def test_line_with_another_digest_or_form_is_refused(
    good: GoodBundle, bundle: Path, line: str
) -> None:
    listed = (bundle / MANIFEST).read_bytes() + line.encode() + b"\n"
    assert codes(verify_manifest(good, bundle, listed)) & {"manifest.form", "manifest.path"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\x0b"),
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"".join(reversed(data.splitlines(keepends=True))),
        lambda data: data + data,
        lambda data: b"",
        lambda data: b"\n",
    ],
)
def test_manifest_of_another_form_is_refused(good: GoodBundle, bundle: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    report = verify_manifest(good, bundle, spoil((bundle / MANIFEST).read_bytes()))
    assert not report.intact
    assert {code.split(".")[0] for code in codes(report)} == {"manifest"}


def test_manifest_in_another_order_is_refused(good: GoodBundle, bundle: Path) -> None:
    lines = (bundle / MANIFEST).read_bytes().splitlines(keepends=True)
    report = verify_manifest(good, bundle, b"".join(reversed(lines)))
    assert codes(report) == {"manifest.order"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("attestations-evil/x", "manifest.added"),
        ("attestations.txt", "manifest.added"),
        (f"{MANIFEST}.bak", "manifest.added"),
        ("logs-evil/r1-ngram.engine.log.gz", "manifest.added"),
        ("attestations/keys-evil/" + "0" * 64 + ".pem", "layout.extra"),
        ("attestations/keys/" + "0" * 64 + ".pem.bak", "layout.extra"),
        ("attestations/keys/evil/" + "0" * 64 + ".pem", "layout.extra"),
        ("attestations/result.sigstore.json.bak", "layout.extra"),
        ("attestations/reproductions-evil/x.json", "layout.extra"),
        ("Attestations/x", "manifest.added"),
    ],
)
def test_sibling_whose_name_begins_alike_is_no_part_of_it(
    good: GoodBundle, bundle: Path, path: str, code: str
) -> None:
    (bundle / path).parent.mkdir(parents=True, exist_ok=True)
    (bundle / path).write_bytes(b"")
    assert codes(good.verify(bundle)) == {code}


def test_file_that_only_an_unsigned_manifest_lists_is_found(good: GoodBundle, bundle: Path) -> None:
    (bundle / "logs/more.log.gz").write_bytes(b"more\n")
    listed = with_line(bundle, "logs/more.log.gz", sha256_bytes(b"more\n"))
    # Sealed it is, and only the crate does not know of it.
    assert codes(verify_manifest(good, bundle, listed)) == {"texts.crate"}
    (bundle / MANIFEST).write_bytes((good.path / MANIFEST).read_bytes())
    assert {"manifest.added", "signature.subject"} == codes(good.verify(bundle))


def test_digest_of_another_file_is_found(good: GoodBundle, bundle: Path) -> None:
    rows = (bundle / MANIFEST).read_bytes().decode().splitlines()
    swapped = [f"{HEX}{row[64:]}" if row.endswith("LICENSE") else row for row in rows]
    report = verify_manifest(good, bundle, "".join(f"{row}\n" for row in swapped).encode())
    assert codes(report) == {"manifest.altered"}
    assert Digest(HEX) in report.to_text()
