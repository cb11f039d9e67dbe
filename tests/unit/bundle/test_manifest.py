import pytest

from specseal.bundle.findings import BundleBroken
from specseal.bundle.manifest import (
    REQUIRED,
    compare_digests,
    parse_manifest,
    path_problem,
    render_manifest,
)
from specseal.digests import Digest

HEX = Digest("a" * 64)
GOOD = dict.fromkeys(REQUIRED, HEX)


def lines(*extra: str) -> bytes:
    """A manifest with further lines, each in the place where sorting puts its path."""
    plain = [f"{HEX}  {path}" for path in REQUIRED]
    return "\n".join([*sorted([*plain, *extra], key=lambda line: line[66:]), ""]).encode("latin-1")


def refusals(data: bytes) -> list[str]:
    with pytest.raises(BundleBroken) as caught:
        parse_manifest(data)
    return [finding.code for finding in caught.value.findings]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "a\\b", ".hidden", "a/.git/b",
        "a b", "a\nb", "a\rb", "é", "a.", "NUL", "con.txt", "a/Com1.log", "-rf", "a*", "",
        "\u017fpec.yaml", "boo\u212a",  # folded, an s and a k
    ],
)  # fmt: skip
def test_path_that_means_something_else_somewhere_is_refused(path: str) -> None:
    assert path_problem(path)
    with pytest.raises(ValueError, match=r"is |has "):
        render_manifest(GOOD | {path: HEX})


@pytest.mark.parametrize("path", ["a", "logs/r1-ngram.engine.log.gz", "env/a+b_1.json", "console"])
def test_plain_path_is_allowed(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize("path", ["../x", "/x", "a\\b", "a//b", "caf\xe9", ".x", "nul"])
def test_manifest_that_lists_such_a_path_is_refused(path: str) -> None:
    assert refusals(lines(f"{HEX}  {path}")) == ["manifest.path"]


@pytest.mark.parametrize("path", ["MANIFEST.sha256", "attestations/result.sigstore.json"])
def test_manifest_that_lists_what_is_not_signed_through_it_is_refused(path: str) -> None:
    assert refusals(lines(f"{HEX}  {path}")) == ["manifest.path"]


def test_path_that_differs_only_in_case_is_refused() -> None:
    assert refusals(lines(f"{HEX}  Spec.yaml")) == ["manifest.twice"]


def test_path_listed_twice_is_refused() -> None:
    assert refusals(lines(f"{HEX}  spec.yaml")) == ["manifest.twice"]


@pytest.mark.parametrize(
    "paths", [("a", "a/b"), ("A", "a/b"), ("a/b", "a/B/c"), ("a/b", "A/b/c/d")]
)
def test_path_that_is_a_file_and_a_folder_is_refused(paths: tuple[str, str]) -> None:
    assert refusals(lines(*(f"{HEX}  {path}" for path in paths))) == ["manifest.twice"]


@pytest.mark.parametrize("paths", [("a", "ab/c"), ("a/b", "a/bc"), ("a/b", "b/a")])
def test_paths_that_only_begin_alike_are_two(paths: tuple[str, str]) -> None:
    listed = GOOD | dict.fromkeys(paths, HEX)
    assert parse_manifest(render_manifest(listed)) == listed


def test_manifest_out_of_order_is_refused() -> None:
    rows = lines().splitlines(keepends=True)
    assert refusals(b"".join([rows[1], rows[0], *rows[2:]])) == ["manifest.order"]


@pytest.mark.parametrize(
    "line",
    [
        f"{HEX.upper()}  x", f"{HEX} x", f"{HEX} *x", f"{HEX[1:]}  x", f"\\{HEX}  x", "",
        f"SHA256 (x) = {HEX}", f"{HEX}  ",
    ],
)  # fmt: skip
def test_line_of_another_form_is_refused(line: str) -> None:
    assert refusals(lines() + line.encode() + b"\n") == ["manifest.form"]


def test_each_line_that_is_wrong_is_told_by_its_number() -> None:
    with pytest.raises(BundleBroken) as caught:
        parse_manifest(b"# a comment\n" + lines(f"{HEX}  .x"))
    told = [finding.message.split(" ")[0] for finding in caught.value.findings]
    assert told == ["MANIFEST.sha256:1:", "MANIFEST.sha256:2:"]


def test_manifest_without_final_newline_is_refused() -> None:
    with pytest.raises(BundleBroken, match=r"MANIFEST\.sha256: the final newline is missing"):
        parse_manifest(lines()[:-1])
    assert "manifest.form" in refusals(lines()[:-1])


@pytest.mark.parametrize(
    "missing",
    [
        "CITATION.cff", "LICENSE", "README.md", "counts.json", "environment.json", "lock.json",
        "records.parquet", "result.json", "spec.yaml", "telemetry.parquet",
    ],
)  # fmt: skip
def test_manifest_without_a_required_file_is_refused(missing: str) -> None:
    lacking = {path: digest for path, digest in GOOD.items() if path != missing}
    assert refusals(render_manifest(lacking)) == ["manifest.incomplete"]


def test_every_differing_file_is_found() -> None:
    findings = compare_digests(
        {"altered": HEX, "missing": HEX, "same": HEX},
        {"altered": Digest("b" * 64), "added": HEX, "same": HEX},
    )
    assert [(finding.code, finding.message.split(":")[0]) for finding in findings] == [
        ("manifest.added", "added"),
        ("manifest.altered", "altered"),
        ("manifest.missing", "missing"),
    ]
