"""Tables by themselves: what is written is read again, and what no honest file has is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from specseal.bundle import parquet
from specseal.bundle.findings import BundleBroken
from specseal.bundle.parquet import field, list_of, open_table, to_arrow, to_parquet
from specseal.record_columns import Lists, Numbers, Texts

ROWS = 10_000
"""More than are read at once."""


def written(*arrays: pa.Array) -> bytes:
    names = [f"c{number}" for number in range(len(arrays))]
    fields = [field(name, one.type, nullable=True) for name, one in zip(names, arrays, strict=True)]
    return to_parquet(pa.table(list(arrays), schema=pa.schema(fields)))


def refused(data: bytes) -> str:
    """The one finding about a table, opened and read whole."""
    with pytest.raises(BundleBroken) as caught:
        list(open_table(data, "telemetry.parquet").rows())
    (finding,) = caught.value.findings
    assert finding.code == "schemas.telemetry"
    return finding.message


def test_columns_come_back_as_they_were_written() -> None:
    cycle = np.arange(ROWS) % 3
    lengths = np.where(cycle == 1, 0, cycle)
    texts = Texts(codes=cycle, texts=("one", None, "two"))
    numbers = Numbers(values=np.arange(ROWS), known=cycle != 1)
    lists = Lists(
        values=np.arange(lengths.sum()),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        known=cycle != 1,
    )
    data = written(*map(to_arrow, (texts, numbers, lists)))
    columns = open_table(data, "records.parquet").columns(["c0", "c1", "c2"])
    for name, expected in (("c0", texts), ("c1", numbers), ("c2", lists)):
        column = columns[name]
        assert [column[row] for row in range(ROWS)] == [expected[row] for row in range(ROWS)]


def test_lists_that_are_all_there_may_be_empty_and_are_not_missing() -> None:
    lists = Lists(values=np.array([7]), starts=np.array([0, 0]), lengths=np.array([0, 1]))
    table = open_table(written(to_arrow(lists)), "records.parquet")
    (column,) = table.columns(["c0"]).values()
    assert [column[0], column[1]] == [[], [7]]
    assert column.known is None


def test_values_that_are_missing_are_none_in_rows_and_codes() -> None:
    table = open_table(
        written(
            pa.array(["a", None, "b", "a"]), pa.array([1.5, 1.5, None, 2.5]),
            pa.array([None, True, True, False]),
        ),
        "telemetry.parquet",
    )  # fmt: skip
    assert list(table.rows()) == [
        {"c0": "a", "c1": 1.5, "c2": None},
        {"c0": None, "c1": 1.5, "c2": True},
        {"c0": "b", "c1": None, "c2": True},
        {"c0": "a", "c1": 2.5, "c2": False},
    ]
    for name, (codes, values) in table.coded(["c0", "c1", "c2"]).items():
        assert [values[code] for code in codes] == [row[name] for row in table.rows()]


def test_column_without_rows_is_empty() -> None:
    data = written(pa.array([], pa.string()), pa.array([], pa.int64()))
    table = open_table(data, "telemetry.parquet")
    assert list(table.rows()) == []
    texts, numbers = table.columns(["c0", "c1"]).values()
    assert isinstance(texts, Texts)
    assert isinstance(numbers, Numbers)
    assert (len(texts.codes), len(numbers.values), numbers.known) == (0, 0, None)


def test_columns_of_a_schema_are_all_there_unless_it_says_otherwise() -> None:
    assert not field("name", pa.int64()).nullable
    assert field("name", pa.int64(), nullable=True).nullable
    # By the Parquet format's rules for lists: https://github.com/apache/parquet-format.
    assert list_of(pa.int64()) == pa.list_(pa.field("element", pa.int64(), nullable=False))


def not_text(raw: bytes) -> pa.Array:
    offsets = pa.array([0, len(raw)], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])


def test_text_that_is_not_utf8_is_refused() -> None:
    data = written(not_text(b"\xff\xfe"))
    assert "not readable as Parquet" in refused(data)
    with pytest.raises(BundleBroken, match="not readable as Parquet"):
        open_table(data, "telemetry.parquet").whole()


def test_one_text_may_be_as_long_as_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_TEXT_BYTES", 8)
    as_long = written(pa.array(["éééé", "b"]))
    assert len(list(open_table(as_long, "telemetry.parquet").rows())) == 2
    assert "a text has more than 8 bytes" in refused(written(pa.array(["b", "éééée"])))


@pytest.mark.parametrize(("bound", "most"), [("MAX_ROWS", 3), ("MAX_VALUES", 6)])
def test_table_may_hold_as_much_as_its_bounds(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    data = written(pa.array([1, None, 3]), pa.array(["a", "b", None]))
    monkeypatch.setattr(parquet, bound, most)
    assert len(list(open_table(data, "telemetry.parquet").rows())) == 3
    monkeypatch.setattr(parquet, bound, most - 1)
    assert refused(data) == "telemetry.parquet: unpacks to more than a bundle may hold"


def test_some_tables_may_hold_less_than_others() -> None:
    data = written(pa.array([1, 2, 3]))
    assert open_table(data, "telemetry.parquet", most_values=3)
    with pytest.raises(BundleBroken, match="unpacks to more"):
        open_table(data, "telemetry.parquet", most_values=2)


def test_table_that_claims_to_unpack_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = written(pa.array(range(ROWS)))
    monkeypatch.setattr(parquet, "MAX_UNPACKED_BYTES", ROWS)
    assert "unpacks to more" in refused(data)


def test_bytes_that_are_no_table_are_refused() -> None:
    assert "not readable as Parquet" in refused(b"PAR1 or not")
