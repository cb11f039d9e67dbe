import json
from collections.abc import Callable
from typing import Any

import pytest

from specseal.bundle.findings import BundleBroken
from specseal.bundle.strict import MAX_DEPTH, first_twice, parse_canonical, parse_file
from specseal.digests import canonical


def nested(levels: int, wrap: Callable[[Any], Any]) -> Any:
    """A value of so many levels, the number in the middle being one of them."""
    value: Any = 1
    for _ in range(levels - 1):
        value = wrap(value)
    return value


WRAPS: list[Callable[[Any], Any]] = [
    lambda inner: [inner],
    lambda inner: {"a": inner},
    lambda inner: {"a": 1, "b": inner},
    lambda inner: {"a": [inner]},
]


@pytest.mark.parametrize(
    "value",
    [
        {}, [], {"a": [1, 2.5, None, True, "é"]}, 1e20, 2**53 - 1, 1 - 2**53, 2.0**53, -1.5e-7, "",
        nested(MAX_DEPTH, WRAPS[0]), nested(MAX_DEPTH, WRAPS[1]), nested(MAX_DEPTH // 2, WRAPS[3]),
    ],
)  # fmt: skip
def test_canonical_json_is_read(value: object) -> None:
    read = parse_canonical(canonical(value), path="x.json", code="c")
    assert repr(read) == repr(value)  # for 1 == 1.0 == True
    assert repr(parse_file(canonical(value) + b"\n", path="x.json", code="c")) == repr(value)


@pytest.mark.parametrize("wrap", WRAPS)
def test_what_is_nested_deeper_than_any_document_is_refused(wrap: Callable[[Any], Any]) -> None:
    with pytest.raises(BundleBroken, match="nested deeper than 32 levels"):
        parse_canonical(canonical(nested(MAX_DEPTH + 1, wrap)), path="x.json", code="c")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":1}', "key 'a' appears twice"),
        (b'{"b":{"a":1,"a":2}}', "key 'a' appears twice"),
        (b'{"0":1,"a":1,"a":2}', "key 'a' appears twice"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[1e999]", "inf is not representable"),
        (b"9007199254740993", "not canonical"),
        (b"1" * 5000, "not JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\\ud800"', "not representable"),
        (b'"\xff"', "not JSON"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a": 1}', "not canonical"),
        (b'{"b":1,"a":1}', "not canonical"),
        (b"1.0", "not canonical"),
        (b'"\\u0061"', "not canonical"),
        (b"{} ", "not canonical"),
        (b"{}{}", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_json_that_two_readers_could_read_in_two_ways_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BundleBroken, match=r"^x\.json: ") as caught:
        parse_canonical(data, path="x.json", code="c")
    assert reason in caught.value.message
    assert [finding.code for finding in caught.value.findings] == ["c"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"{}", "final newline"), (b"", "final newline"), (b"{}\n\n", "not canonical")],
)
def test_file_that_does_not_end_in_one_newline_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BundleBroken, match=rf"^x\.json: .*{reason}") as caught:
        parse_file(data, path="x.json", code="c")
    assert [finding.code for finding in caught.value.findings] == ["c"]


REVOCATION = {
    "schema": "specseal/revocation/1",
    "key": "a" * 64,
    "revoked": "2026-11-25T12:00:00Z",
    "reason": "lost",
}


def read_revocation(value: object) -> Any:
    data = canonical(value)
    read = parse_canonical(data, path="x.json", code="c", schema="revocation")
    assert parse_file(data + b"\n", path="x.json", code="c", schema="revocation") == read
    return read


@pytest.mark.parametrize("version", ["specseal/revocation/1.1", "specseal/revocation/1.23"])
def test_newer_minor_version_is_read_without_what_it_adds(version: str) -> None:
    assert read_revocation(REVOCATION) == REVOCATION
    assert read_revocation({**REVOCATION, "schema": version, "news": 1}) == REVOCATION
    with pytest.raises(BundleBroken, match="news"):
        read_revocation({**REVOCATION, "news": 1})


@pytest.mark.parametrize("version", ["2", "2.1", "11", "10.1"])
def test_another_major_version_is_refused_by_name(version: str) -> None:
    said = f"specseal/revocation/{version}"
    with pytest.raises(BundleBroken) as caught:
        read_revocation({**REVOCATION, "schema": said})
    assert caught.value.message == (
        f"x.json: is {said}; this version of specseal reads specseal/revocation/1"
    )
    assert [finding.code for finding in caught.value.findings] == ["c"]


@pytest.mark.parametrize(
    "version",
    [
        "specseal/revocation/1.0", "specseal/revocation/01", "specseal/revocation/1.1.1",
        "specseal/revocation/1.1\n", "SPECSEAL/revocation/1.1", "specseal/Revocation/1.1",
        "specseal/policy/1.1", "specseal/policy/2", "revocation/1.1", "", 1, None, ["specseal"],
    ],
)  # fmt: skip
def test_what_is_no_version_of_this_document_is_refused(version: object) -> None:
    with pytest.raises(BundleBroken, match=r"x\.json: schema: .*was expected"):
        read_revocation({**REVOCATION, "schema": version, "key": "a" * 64})


@pytest.mark.parametrize("value", [[], None, "specseal/revocation/1.1", 1])
def test_document_that_is_no_object_is_refused_and_no_crash(value: object) -> None:
    with pytest.raises(BundleBroken, match="is not of type"):
        read_revocation(value)


def test_document_of_a_kind_without_versions_is_read_as_it_is() -> None:
    with pytest.raises(BundleBroken, match="is a required property"):
        parse_canonical(b'{"schema":"any/2"}', path="x", code="c", schema="provenance-statement")


def test_value_of_another_shape_is_refused_with_every_problem() -> None:
    value = {"schema": "specseal/result/2", "analysis_version": "one", "metrics": 3}
    data = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(BundleBroken) as caught:
        parse_canonical(data, path="result.json", code="schemas.result", schema="result")
    assert {finding.code for finding in caught.value.findings} == {"schemas.result"}
    assert "analysis_version" in caught.value.message
    assert "metrics" in caught.value.message


class _Counted(str):
    """A text that counts how often one is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        _Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_key_twice_among_many_is_found_in_one_pass() -> None:
    keys = [_Counted(number) for number in range(5_000)]
    assert first_twice([*keys, _Counted(17), _Counted(3)]) == "17"
    assert first_twice(keys) is None
    assert _Counted.compared < 2 * len(keys)


def test_file_of_another_shape_is_refused_with_the_code_of_who_asked() -> None:
    with pytest.raises(BundleBroken, match=r"^x\.json: ") as caught:
        parse_file(b"{}\n", path="x.json", code="c", schema="revocation")
    assert {finding.code for finding in caught.value.findings} == {"c"}
