"""Laws of the reader that hold for any change, path or file name, not for those we thought of."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attacks.builder import NOW, GoodBundle
from specseal.bundle.findings import BundleBroken
from specseal.bundle.manifest import (
    ATTESTATIONS,
    MANIFEST,
    REQUIRED,
    compare_digests,
    parse_manifest,
    path_problem,
    render_manifest,
)
from specseal.bundle.statement import ResultStatement, read_result_statement
from specseal.bundle.strict import parse_canonical
from specseal.digests import Digest, canonical, sha256_bytes

# How fast the machine is must not decide a test; each example undoes what it did to the bundle.
LAW = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PARTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,6}[A-Za-z0-9_]", fullmatch=True)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
DIGESTS = st.binary(min_size=1, max_size=4).map(sha256_bytes)


@pytest.fixture(scope="module")
def spoilt(good: GoodBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all examples of all laws."""
    return good.copy(tmp_path_factory.mktemp("laws") / "bundle")


def files_of(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.rglob("*") if path.is_file())


def url_safe(envelope: bytes) -> bytes:
    """An envelope in one of base64's two alphabets: it says the same in either."""
    return envelope.translate(bytes.maketrans(b"+/", b"-_"))


# Whole bundles


@LAW
@given(data=st.data())
def test_any_byte_changed_anywhere_is_refused(
    good: GoodBundle, spoilt: Path, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(files_of(spoilt)), label="file")
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1), label="place")
    other = data.draw(st.integers(1, 255), label="difference")
    altered = bytearray(content)
    altered[place] ^= other
    path.write_bytes(altered)
    try:
        assert not good.verify(spoilt).intact or url_safe(altered) == url_safe(content)
    finally:
        path.write_bytes(content)


@LAW
@given(data=st.data())
def test_any_bytes_cut_out_or_put_in_are_refused(
    good: GoodBundle, spoilt: Path, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(files_of(spoilt)), label="file")
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content)), label="start")
    end = data.draw(st.integers(start, len(content)), label="end")
    insert = data.draw(st.binary(max_size=20), label="insert")
    altered = content[:start] + insert + content[end:]
    path.write_bytes(altered)
    try:
        intact = good.verify(spoilt).intact
        assert intact or altered != content
        assert not intact or url_safe(altered) == url_safe(content)
    finally:
        path.write_bytes(content)


@LAW
@given(data=st.data())
def test_any_file_removed_is_refused(good: GoodBundle, spoilt: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(spoilt)), label="file")
    content = path.read_bytes()
    path.unlink()
    try:
        assert not good.verify(spoilt).intact
    finally:
        path.write_bytes(content)


@LAW
@given(path=PATHS, content=st.binary(max_size=8))
def test_any_file_added_is_refused(
    good: GoodBundle, spoilt: Path, path: str, content: bytes
) -> None:
    for parent in (path, *map(str, PurePosixPath(path).parents)):
        if parent != "." and (spoilt / parent).exists():
            return
    (spoilt / path).parent.mkdir(parents=True, exist_ok=True)
    (spoilt / path).write_bytes(content)
    try:
        assert not good.verify(spoilt).intact
    finally:
        top = spoilt / PurePosixPath(path).parts[0]
        shutil.rmtree(top) if top.is_dir() else top.unlink()


@LAW
@given(data=st.data())
def test_any_file_renamed_is_refused(good: GoodBundle, spoilt: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(spoilt)), label="file")
    target = path.with_name(data.draw(PARTS, label="name"))
    if target.exists():
        return
    path.rename(target)
    try:
        assert not good.verify(spoilt).intact
    finally:
        target.rename(path)


@LAW
@given(data=st.data())
def test_any_two_files_exchanged_are_refused(
    good: GoodBundle, spoilt: Path, data: st.DataObject
) -> None:
    first, second = data.draw(
        st.lists(st.sampled_from(files_of(spoilt)), min_size=2, max_size=2, unique=True)
    )
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    try:
        assert not good.verify(spoilt).intact
    finally:
        first.write_bytes(contents[0])
        second.write_bytes(contents[1])


def test_the_copy_is_as_good_as_it_was(good: GoodBundle, spoilt: Path) -> None:
    """Every law above has undone what it did, so that each refused what it meant to."""
    assert good.verify(spoilt).intact


# Manifests


def unlike(paths: Iterator[str]) -> bool:
    """No two are one path, or one the other's folder, where upper and lower case are one."""
    folded = [path.casefold() for path in paths]
    return len(set(folded)) == len(folded) and not any(
        other.startswith(f"{one}/") for one in folded for other in folded
    )


def is_listed(path: str) -> bool:
    return path.split("/")[0].casefold() not in (MANIFEST.casefold(), ATTESTATIONS)


@PURE
@given(st.dictionaries(PATHS.filter(lambda path: not path_problem(path)), DIGESTS, max_size=6))
def test_manifest_that_was_rendered_is_read_back_or_could_not_be_unpacked(
    listed: dict[str, Digest],
) -> None:
    listed |= dict.fromkeys(REQUIRED, sha256_bytes(b""))
    data = render_manifest(listed)
    if unlike(iter(listed)) and all(map(is_listed, listed)):
        assert parse_manifest(data) == listed
        assert render_manifest(parse_manifest(data)) == data
    else:
        with pytest.raises(BundleBroken):
            parse_manifest(data)


@PURE
@given(data=st.binary(max_size=200))
def test_any_few_bytes_are_refused_as_a_manifest(data: bytes) -> None:
    with pytest.raises(BundleBroken) as caught:  # too short to list what every bundle has
        parse_manifest(data)
    assert caught.value.findings


@PURE
@given(st.dictionaries(PATHS, DIGESTS, max_size=5), st.dictionaries(PATHS, DIGESTS, max_size=5))
def test_digests_agree_where_nothing_differs_and_only_there(
    listed: dict[str, Digest], found: dict[str, Digest]
) -> None:
    findings = compare_digests(listed, found)
    assert bool(findings) == (listed != found)
    assert len(findings) == len(
        {path for path in {*listed, *found} if listed.get(path) != found.get(path)}
    )


STRANGE = st.text(alphabet='ab./\\:~ -\x00\n\r\t\u202e\u00e9e\u0301A\uff0e*?"<>|', max_size=12)


@PURE
@given(st.one_of(STRANGE, PATHS, st.text(max_size=12)))
def test_no_path_that_is_allowed_leads_out_of_the_bundle(path: str) -> None:
    if path_problem(path):
        return
    assert path.isascii()
    assert path.isprintable()
    posix, windows = PurePosixPath("/bundle") / path, PureWindowsPath("C:/bundle") / path
    assert posix.parts == ("/", "bundle", *path.split("/"))
    assert windows.parts == ("C:\\", "bundle", *path.split("/"))
    assert ".." not in posix.parts
    assert not windows.is_reserved()
    assert not any(part[0] == "." or part[-1] in ". " for part in path.split("/"))


# JSON and statements


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@PURE
@given(JSON)
def test_canonical_json_is_read_as_what_was_written(value: object) -> None:
    data = canonical(value)
    read = parse_canonical(data, path="x.json", code="c")
    assert canonical(read) == data
    assert read == value


@PURE
@given(JSON, st.data())
def test_json_of_another_spelling_is_refused(value: object, data: st.DataObject) -> None:
    written = canonical(value)
    indent = data.draw(st.sampled_from([None, 0, 2]))
    other = json.dumps(value, indent=indent, ensure_ascii=data.draw(st.booleans())).encode()
    if other == written:
        return
    with pytest.raises(BundleBroken, match="not canonical JSON"):
        parse_canonical(other, path="x.json", code="c")


@PURE
@given(st.binary(max_size=64))
def test_any_bytes_are_canonical_json_or_refused(data: bytes) -> None:
    try:
        value = parse_canonical(data, path="x.json", code="c")
    except BundleBroken:
        return
    assert canonical(value) == data


@PURE
@given(
    name=st.text(max_size=12),
    manifest=DIGESTS,
    other=DIGESTS,
    parts=st.tuples(DIGESTS, DIGESTS, DIGESTS, DIGESTS),
)
def test_statement_is_read_back_over_its_own_manifest_and_no_other(
    name: str, manifest: Digest, other: Digest, parts: tuple[Digest, Digest, Digest, Digest]
) -> None:
    recipe, lock, result, provenance = parts
    statement = ResultStatement(
        name=name, created=NOW, recipe=recipe, lock=lock, result=result, provenance=provenance
    )
    payload = statement.to_bytes(manifest)
    assert read_result_statement(payload, manifest=manifest, now=NOW) == statement
    if other != manifest:
        with pytest.raises(BundleBroken, match="the subject is another manifest"):
            read_result_statement(payload, manifest=other, now=NOW)
