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
from specseal.record_table import BoolArray, IntArray, Lists, Numbers, Texts, narrowed

MAX_ROWS = 10_000_000
MAX_VALUES = 2**28
"""In all cells of a table, those of lists and those that are null counted too."""
MAX_UNPACKED_BYTES = 8 * 2**30
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
        """Yield each row. Raises: BundleBroken."""
        with self._refused():
            for batch in pq.ParquetFile(pa.BufferReader(self.data)).iter_batches(_BATCH_ROWS):
                batch.validate(full=True)
                yield from batch.to_pylist()

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
            return {name: _coded(self._read(file, name)) for name in names}

    def _with_dictionaries(self) -> pq.ParquetFile:
        texts = [one.name for one in self.schema if one.type == pa.string()]
        return pq.ParquetFile(pa.BufferReader(self.data), read_dictionary=texts)

    def _column(self, file: pq.ParquetFile, name: str) -> Column:
        column = self._read(file, name)
        if pa.types.is_dictionary(column.type):
            codes, texts = _coded(column)
            return Texts(codes=codes, texts=texts)
        return _lists(column) if pa.types.is_list(column.type) else _numbers(column)

    def _read(self, file: pq.ParquetFile, name: str) -> pa.ChunkedArray:
        column = file.read(columns=[name], use_threads=False).column(0)
        column.validate(full=True)
        if len(column) != file.metadata.num_rows:
            raise ValueError(f"column {name} has {len(column)} rows")
        return column

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """Turn what the library raises about a hostile file into a finding."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise broken(self.code, f"{self.name}: not readable as Parquet: {error}") from error


def open_table(data: bytes, name: str) -> Table:
    """Open a table after looking at what it claims to hold.

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
    if rows > MAX_ROWS or values > MAX_VALUES or unpacked > MAX_UNPACKED_BYTES:
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


def _coded(column: pa.ChunkedArray) -> tuple[IntArray, tuple[Any, ...]]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    code: dict[Any, int] = {}
    codes = []
    for chunk in column.chunks:
        chunk.dictionary.validate(full=True)
        # Where there is no value the index is null, and stands for the None added last.
        values = [*chunk.dictionary.to_pylist(), None]
        of = np.array([code.setdefault(value, len(code)) for value in values], dtype=np.int64)
        codes.append(of[chunk.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)])
    return _joined(codes, np.int64), tuple(code)


def _numbers(column: pa.ChunkedArray) -> Numbers:
    values = [chunk.fill_null(0).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return Numbers(values=_joined(values, np.int64), known=_known(column))


def _lists(column: pa.ChunkedArray) -> Lists:
    lengths = _joined(
        [
            pc.list_value_length(chunk).fill_null(0).to_numpy(zero_copy_only=False)
            for chunk in column.chunks
        ],
        np.int64,
    )
    # `flatten` leaves out what lies under a null, and what lies outside of a slice.
    values = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return Lists(
        values=narrowed(_joined(values, np.int64)),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        known=_known(column),
    )


def _known(column: pa.ChunkedArray) -> BoolArray | None:
    if column.null_count == 0:
        return None
    known: BoolArray = pc.is_valid(column).to_numpy()
    return known


def _joined(parts: Iterable[np.ndarray[Any, Any]], kind: type[np.integer[Any]]) -> Any:
    arrays = [part.astype(kind, copy=False) for part in parts]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
