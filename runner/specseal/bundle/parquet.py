"""Parquet, written so that equal input gives equal bytes, and read within bounds.

In: bytes that anybody may have written. Out: rows, or columns as arrays. A small file may unpack to
very much, so what it claims to hold is looked at before anything is unpacked; texts are read as
codes into their dictionary, so that one long text repeated is one text; and columns are read one
after another, so that only one of them is in memory twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from specseal.bundle.findings import broken
from specseal.record_columns import BoolArray, IntArray, Lists, Numbers, Texts, narrowed

MAX_ROWS = 10_000_000
MAX_VALUES = 2**28
"""In all cells of a table, those of lists and those that are null counted too."""
MAX_UNPACKED_BYTES = 8 * 2**30
MAX_TEXT_BYTES = 2**20
"""Of one text: in an answer it may come once a row."""
_BATCH_ROWS = 4096

Column = Texts | Numbers | Lists


def field(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    """Return a column's name and type."""
    return pa.field(name, kind, nullable=nullable)


def list_of(kind: pa.DataType) -> pa.DataType:
    """Return the type of lists whose elements are all there."""
    return pa.list_(field("element", kind))


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file that claims to hold no more than a bundle may."""

    name: str
    data: bytes
    schema: pa.Schema

    @property
    def code(self) -> str:
        """The code of findings about it."""
        return f"schemas.{self.name.removesuffix('.parquet')}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row; equal texts in a column are one. Raises: BundleBroken."""
        names = self.schema.names
        with self._refused():
            file = self._with_dictionaries()
            columns = [self._values(file, name) for name in names]
        for row in zip(*columns, strict=True):
            yield dict(zip(names, row, strict=True))

    def whole(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all columns, or some, as Arrow has them. Raises: BundleBroken."""
        with self._refused():
            table = self._with_dictionaries().read(columns=columns, use_threads=False)
            table.validate(full=True)
            for column in table.itercolumns():
                for part in column.chunks:
                    _refuse_long_texts(part)
            return table

    def columns(self, names: Sequence[str]) -> dict[str, Column]:
        """Return columns of texts, of int64, and of lists of int64. Raises: BundleBroken."""
        with self._refused():
            file = self._with_dictionaries()
            return {name: self._column(file, name) for name in names}

    def coded(self, names: Sequence[str]) -> dict[str, tuple[IntArray, tuple[Any, ...]]]:
        """Return columns as each row's place among its values, and these. Raises: BundleBroken.

        Of any type.
        """
        with self._refused():
            file = self._with_dictionaries()
            return {name: _coded(self._read(file, name, MAX_ROWS)) for name in names}

    def _with_dictionaries(self) -> pq.ParquetFile:
        texts = [one.name for one in self.schema if one.type == pa.string()]
        return pq.ParquetFile(pa.BufferReader(self.data), read_dictionary=texts)

    def _values(self, file: pq.ParquetFile, name: str) -> list[Any]:
        if pa.types.is_dictionary(file.schema_arrow.field(name).type):
            codes, values = _coded(self._read(file, name, MAX_ROWS))
            return [values[code] for code in codes.tolist()]
        return [one for part in self._read(file, name, _BATCH_ROWS) for one in part.to_pylist()]

    def _column(self, file: pq.ParquetFile, name: str) -> Column:
        kind = file.schema_arrow.field(name).type
        if pa.types.is_dictionary(kind):
            codes, texts = _coded(self._read(file, name, MAX_ROWS))
            return Texts(codes=codes, texts=texts)
        parts = self._read(file, name, _BATCH_ROWS)
        return _lists(parts) if pa.types.is_list(kind) else _numbers(parts)

    def _read(self, file: pq.ParquetFile, name: str, most_rows: int) -> Iterator[pa.Array]:
        """Yield a column in parts, so that little of it is in memory twice.

        Of codes the parts may be large: with each comes the whole dictionary.
        """
        rows = 0
        for batch in file.iter_batches(most_rows, columns=[name], use_threads=False):
            batch.validate(full=True)
            rows += batch.num_rows
            yield batch.column(0)
        if rows != file.metadata.num_rows:
            raise ValueError(f"column {name} has {rows} rows")
        # What reading needed beside the column, which the pool would keep.
        pa.default_memory_pool().release_unused()

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """Turn what the library raises about a hostile file into a finding."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise broken(self.code, f"{self.name}: not readable as Parquet: {error}") from error


def open_table(data: bytes, name: str, *, most_values: int | None = None) -> Table:
    """Open a table after looking at what it claims to hold.

    Args:
        data: the file.
        name: of the file, for messages.
        most_values: how many cells it may have; None: as many as any table.

    Raises:
        BundleBroken: not Parquet, or too large.
    """
    table = Table(name, data, pa.schema([]))
    with table._refused():
        file = pq.ParquetFile(pa.BufferReader(data))
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        values = sum(
            group.column(index).num_values for group in groups for index in range(group.num_columns)
        )
        unpacked = sum(group.total_byte_size for group in groups)
        rows = file.metadata.num_rows
        schema = file.schema_arrow
    if rows > MAX_ROWS or values > (most_values or MAX_VALUES) or unpacked > MAX_UNPACKED_BYTES:
        raise broken(table.code, f"{name}: unpacks to more than a bundle may hold")
    return Table(name, data, schema)


def to_parquet(table: pa.Table) -> bytes:
    """Return a file with nothing in it of the time or the place of writing."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return bytes(sink.getvalue())


def to_arrow(column: Column) -> pa.Array:
    """Return a column as Parquet is written from it."""
    match column:
        case Texts():
            texts = pa.array(column.texts, pa.string())
            return texts.take(pa.array(column.codes))
        case Numbers():
            return pa.array(column.values, pa.int64(), mask=_missing(column.known))
        case Lists():
            offsets = np.concatenate(([0], np.cumsum(column.lengths))).astype(np.int32)
            values = pa.array(column.in_a_row(), pa.int64())
            mask = _missing(column.known)
            return pa.ListArray.from_arrays(
                pa.array(offsets),
                values,
                type=list_of(pa.int64()),
                mask=None if mask is None else pa.array(mask),
            )


def _missing(known: BoolArray | None) -> BoolArray | None:
    return None if known is None else ~known


def _coded(parts: Iterable[pa.Array]) -> tuple[IntArray, tuple[Any, ...]]:
    code: dict[Any, int] = {}
    codes = []
    for part in parts:
        whole = part if pa.types.is_dictionary(part.type) else part.dictionary_encode()
        whole.dictionary.validate(full=True)
        _refuse_long_texts(whole)
        # Where there is no value the index is null, and stands for the None added last.
        values = [*whole.dictionary.to_pylist(), None]
        of = np.array([code.setdefault(value, len(code)) for value in values], dtype=np.int64)
        codes.append(of[whole.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)])
    return _joined(codes), tuple(code)


def _refuse_long_texts(column: pa.Array) -> None:
    """Raise ValueError where one of a column's different texts is too long."""
    if pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type):
        longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
        if longest > MAX_TEXT_BYTES:
            raise ValueError(f"a text has more than {MAX_TEXT_BYTES:,} bytes")


def _numbers(parts: Iterable[pa.Array]) -> Numbers:
    values, known = [], []
    for part in parts:
        values.append(part.fill_null(0).to_numpy(zero_copy_only=False))
        known.append(_known(part))
    return Numbers(values=_joined(values), known=_all_or_none(known))


def _lists(parts: Iterable[pa.Array]) -> Lists:
    values, sizes, known = [], [], []
    for part in parts:
        # `flatten` leaves out what lies under a null, and what lies outside of a slice.
        values.append(narrowed(part.flatten().to_numpy(zero_copy_only=False)))
        size = pc.list_value_length(part).fill_null(0).to_numpy(zero_copy_only=False)
        sizes.append(size.astype(np.int64))
        known.append(_known(part))
    lengths = _joined(sizes)
    return Lists(
        values=_joined(values),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        known=_all_or_none(known),
    )


def _known(part: pa.Array) -> BoolArray:
    known: BoolArray = part.is_valid().to_numpy(zero_copy_only=False)
    return known


def _all_or_none(parts: list[BoolArray]) -> BoolArray | None:
    known = np.concatenate(parts) if parts else np.empty(0, np.bool_)
    return None if known.all() else known


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
