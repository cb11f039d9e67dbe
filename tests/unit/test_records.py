"""What a reader makes of a job folder that a crash, or a bad disk, left damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from specseal.records import RecordsDamaged, read_records, read_snapshots, read_status


@pytest.mark.parametrize("read", [read_records, read_snapshots])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"phase": "c1', ":1: not JSON"),
        (b'{"phase": "\xff"}\n', ":1: not JSON"),
        (b"[]\n", ":1: expected an object"),
        (b'{"phase": "c1"}\n', "rows.jsonl: "),
    ],
)
def test_damaged_row_is_named_with_its_file(tmp_path: Path, read, data: bytes, message: str):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)

    with pytest.raises(RecordsDamaged) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"outcome": "\xff"}', b'{"outcome": "done"}'])
def test_damaged_status_is_not_taken_for_none(tmp_path: Path, data: bytes):
    path = tmp_path / "status.json"
    path.write_bytes(data)

    with pytest.raises(RecordsDamaged):
        read_status(path)


def test_job_without_a_status_has_not_finished(tmp_path: Path):
    assert read_status(tmp_path / "status.json") is None
