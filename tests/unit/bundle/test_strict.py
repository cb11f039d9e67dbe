import json

import pytest

from specseal.bundle.findings import BundleBroken
from specseal.bundle.strict import MAX_DEPTH, first_twice, parse_canonical, parse_file
from specseal.digests import canonical


@pytest.mark.parametrize(
    "value", [{}, [], {"a": [1, 2.5, None, True, "é"]}, 1e20, 2**53 - 1, -1.5e-7, ""]
)
def test_canonical_json_is_read(value: object) -> None:
    assert parse_canonical(canonical(value), path="x.json", code="c") == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":1}', "key 'a' appears twice"),
        (b'{"b":{"a":1,"a":2}}', "key 'a' appears twice"),
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


def test_file_without_final_newline_is_refused() -> None:
    with pytest.raises(BundleBroken, match="final newline"):
        parse_file(b"{}", path="x.json", code="c")


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
