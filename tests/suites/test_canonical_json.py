"""The vectors of RFC 8785's reference implementation against our canonical bytes and our reader."""

import json
import struct
from pathlib import Path

import pytest

from specseal.bundle.findings import BundleBroken
from specseal.bundle.strict import parse_canonical
from specseal.digests import canonical

DATA = Path(__file__).parent / "data" / "jcs"
NAMES = sorted(path.name for path in (DATA / "input").iterdir())
# From the same place: the bits of a double, and how it must be spelled.
NUMBERS = {
    "4340000000000001": "9007199254740994",
    "4340000000000002": "9007199254740996",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "8000000000000000": "0",
    "0000000000000000": "0",
}


def test_the_vectors_are_there() -> None:
    assert len(NAMES) == 6


@pytest.mark.parametrize("name", NAMES)
def test_canonical_bytes_are_those_of_the_reference(name: str) -> None:
    value = json.loads((DATA / "input" / name).read_bytes())
    assert canonical(value) == (DATA / "output" / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_reader_takes_the_canonical_form_and_no_other(name: str) -> None:
    value = json.loads((DATA / "input" / name).read_bytes())
    wanted = (DATA / "output" / name).read_bytes()
    assert parse_canonical(wanted, path=name, code="c") == value
    with pytest.raises(BundleBroken, match="not canonical"):
        parse_canonical((DATA / "input" / name).read_bytes(), path=name, code="c")


@pytest.mark.parametrize(("bits", "spelling"), NUMBERS.items())
def test_double_is_spelled_as_the_reference_does(bits: str, spelling: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(value).decode() == spelling
    assert parse_canonical(spelling.encode(), path="x.json", code="c") == value
