"""A bundle as large as a bound is set for: it verifies, and needs no more memory than it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.verify.__main__ import MOST_BYTES, Size, make_bundle, verify

pytestmark = pytest.mark.slow


def test_bundle_of_100_000_requests_verifies_in_less_than_a_gigabyte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How long it takes is told and decides nothing: `make bench-verify` holds it to its bound."""
    size = Size()
    assert (size.requests, size.chunks) == (100_000, 100)
    bundle, key = make_bundle(tmp_path, size)
    taken = verify(bundle, key, tmp_path)
    with capsys.disabled():
        print(f"\nverified in {taken.wall_s:.1f} s and {taken.peak_bytes / 1e6:.0f} MB")
    assert taken.exit_code == 0, taken.said
    assert taken.peak_bytes < MOST_BYTES
