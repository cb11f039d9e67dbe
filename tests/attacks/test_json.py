"""JSON that two readers could read in two ways, or that would never end, in every layer.

Each attack is signed by the trusted key where something covers it, so that nothing but the strict
reader of its own layer can refuse it.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from attacks.builder import GoodBundle, codes
from attacks.layers import LAYERS, Layer
from specseal.bundle import layout

Spoil = Callable[[bytes], bytes]


def add(member: bytes) -> Spoil:
    """Add a member whose key sorts last, so that nothing else about the document is strange."""
    return lambda data: re.sub(rb"\}(\n?)\Z", lambda end: b"," + member + b"}" + end[1], data)


def first_key_twice(data: bytes) -> bytes:
    key = re.match(rb'\{("[^"]+"):', data)
    assert key
    return b"{" + key[1] + b":0," + data[1:]


def inner_key_twice(data: bytes) -> bytes:
    """Double a key in the first object within the document that has one."""
    return re.sub(rb'(?<!\A)\{("[^"]+"):', rb"{\1:0,\1:", data, count=1)


def encode(encoding: str) -> Spoil:
    return lambda data: data.decode().encode(encoding) + b"\n"


def respell(data: bytes) -> bytes:
    return re.sub(rb'"([a-z])', lambda found: b'"\\u%04x' % found[1][0], data, count=1)


SPOILT: dict[str, tuple[Spoil, str]] = {
    "a key twice": (first_key_twice, "appears twice"),
    "an inner key twice": (inner_key_twice, "appears twice"),
    "a key twice, spelled in two ways": (add(b'"zz":1,"z\\u007a":1'), "appears twice"),
    "NaN": (add(b'"zz":NaN'), "NaN is not a JSON number"),
    "infinity": (add(b'"zz":-Infinity'), "-Infinity is not a JSON number"),
    "1e999": (add(b'"zz":1e999'), "not representable"),
    "an integer over 2^53": (add(b'"zz":9007199254740993'), "not canonical"),
    "an integer under -2^53": (add(b'"zz":-9007199254740993'), "not canonical"),
    "an integer as a float": (add(b'"zz":1.0'), "not canonical"),
    "minus nought": (add(b'"zz":-0'), "not canonical"),
    "an integer without end": (add(b'"zz":' + b"9" * 10_000), "not JSON"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
    "UTF-16": (encode("utf-16-le"), "not JSON"),
    "Latin-1": (add(b'"zz":"\xe9"'), "not JSON"),
    "a coded surrogate": (add(b'"zz":"\xed\xa0\x80"'), "not JSON"),
    "a lone surrogate": (add(b'"zz":"\\ud800"'), "not representable"),
    "a lone surrogate in a key": (add(b'"zz\\udfff":1'), "not representable"),
    "an overlong character": (add(b'"zz":"\xc0\xaf"'), "not JSON"),
    "a control character": (add(b'"zz":"\x1b"'), "not JSON"),
    "another spelling": (respell, "not canonical"),
    "white space": (lambda data: data.replace(b":", b": ", 1), "not canonical"),
    "a comment": (lambda data: b"/**/" + data, "not JSON"),
    "a second document": (lambda data: b"{}" + data, "not JSON"),
    "a trailing comma": (add(b""), "not JSON"),
    "deep arrays": (add(b'"zz":' + b"[" * 40 + b"]" * 40), "nested deeper"),
    "deep objects": (add(b'"zz":' + b'{"a":' * 40 + b"1" + b"}" * 40), "nested deeper"),
    "arrays without end": (lambda data: b"[" * 100_000 + b"\n", "nested deeper"),
    "objects without end": (lambda data: b'{"a":' * 50_000 + b"\n", "nested deeper"),
    "nothing": (lambda data: b"\n", "not JSON"),
}

OPEN = {"environment", "bill of materials"}
"""Layers that may hold more than what this version looks at."""

LAYER = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


@LAYER
@pytest.mark.parametrize(("spoil", "reason"), SPOILT.values(), ids=SPOILT)
def test_json_that_is_not_strict_is_refused(
    good: GoodBundle, bundle: Path, layer: Layer, spoil: Spoil, reason: str
) -> None:
    data = layer.read(bundle)
    spoilt = spoil(data)
    assert spoilt != data
    layer.write(good, bundle, spoilt)
    report = good.verify(bundle)
    assert codes(report) == {layer.code}
    (message,) = [check.message for check in report.checks if check.code == layer.code]
    assert reason in message


@LAYER
def test_file_that_is_too_large_is_not_read_to_its_end(
    good: GoodBundle, bundle: Path, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = (bundle / layer.bounded).stat().st_size
    monkeypatch.setitem(layout.MAX_PARSED_BYTES, layer.bounded, bound)
    assert good.verify(bundle).intact
    monkeypatch.setitem(layout.MAX_PARSED_BYTES, layer.bounded, bound - 1)
    assert "read.size" in codes(good.verify(bundle))


@pytest.mark.parametrize("name", sorted(LAYERS.keys() - OPEN))
def test_member_that_the_schema_does_not_name_is_refused(
    good: GoodBundle, bundle: Path, name: str
) -> None:
    layer = LAYERS[name]
    layer.write(good, bundle, add(b'"zz":1')(layer.read(bundle)))
    assert codes(good.verify(bundle)) == {layer.code}


@LAYER
@pytest.mark.parametrize("value", [b"[]", b"1", b'"text"', b"null"])
def test_document_that_is_no_object_is_refused(
    good: GoodBundle, bundle: Path, layer: Layer, value: bytes
) -> None:
    is_payload = not layer.read(bundle).endswith(b"\n")
    layer.write(good, bundle, value if is_payload else value + b"\n")
    report = good.verify(bundle)
    assert not report.intact
    assert codes(report) <= {layer.code, "signature.predicate_type", "schemas.disagree"}


def test_no_layer_of_the_good_bundle_is_left_out(good: GoodBundle) -> None:
    """A JSON file that is added to bundles has to be attacked here, too."""
    files = {path.relative_to(good.path).as_posix() for path in good.path.rglob("*.json")}
    attacked = {layer.bounded for layer in LAYERS.values()}
    # The crate is rendered again and compared, never parsed.
    assert files - attacked == {"env/client.cdx.json", "ro-crate-metadata.json"}
    for path in files - {"ro-crate-metadata.json"}:
        assert json.loads((good.path / path).read_bytes())
