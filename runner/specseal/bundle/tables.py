"""The Parquet files of a bundle: one row a request, and one row a sample of telemetry.

Equal input gives equal bytes: nothing in the files depends on the time or the place of writing. A
prompt's text is never in them; its hash and its number of tokens are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle.counts import COUNTS, decode_counts, encode_counts
from specseal.bundle.findings import broken
from specseal.records import Record

RECORDS = "records.parquet"
TELEMETRY = "telemetry.parquet"
MAX_ROWS = 10_000_000
MAX_UNPACKED_BYTES = 8 * 2**30


def _column(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_column("element", kind))


_JOB_COLUMNS = (
    _column("job", pa.string()),
    _column("repeat", pa.int64()),
    _column("speculation", pa.string()),
    _column("draft_length", pa.int64()),
    _column("concurrency", pa.int64()),
)
_RECORD_COLUMNS = (
    _column("phase", pa.string()),
    _column("conversation", pa.string()),
    _column("category", pa.string()),
    _column("turn", pa.int64()),
    _column("submit_ns", pa.int64()),
    _column("chunk_ns", _list_of(pa.int64())),
    _column("chunk_tokens", _list_of(pa.int64())),
    _column("end_ns", pa.int64()),
    _column("input_tokens", pa.int64()),
    _column("input_sha256", pa.string()),
    _column("output_tokens", pa.int64()),
    _column("output_ids", _list_of(pa.int64()), nullable=True),
    _column("finish", pa.string()),
    _column("error", pa.string(), nullable=True),
    _column("draft_tokens", pa.int64(), nullable=True),
    _column("accepted_tokens", pa.int64(), nullable=True),
    _column("cached_tokens", pa.int64(), nullable=True),
)
RECORDS_SCHEMA = pa.schema([*_JOB_COLUMNS, *_RECORD_COLUMNS])
_RECORD_FIELDS = [field.name for field in fields(Record)]
_BATCH_ROWS = 4096


def write_run(run: RunData, folder: Path) -> None:
    """Write a run as `records.parquet` and `counts.json`. Raises: InputError, OSError."""
    (folder / RECORDS).write_bytes(encode_records(run))
    (folder / COUNTS).write_bytes(encode_counts(run))


def read_run(folder: Path) -> RunData:
    """Read back exactly what `write_run` was given. Raises: BundleBroken, OSError."""
    run = decode_counts((folder / COUNTS).read_bytes())
    return decode_records((folder / RECORDS).read_bytes(), run)


def encode_records(run: RunData) -> bytes:
    """Return `records.parquet`: the requests of all jobs and phases, in the run's order."""
    batches = [
        pa.RecordBatch.from_pylist(
            [{**_job_columns(job, phase), **record.to_dict()} for record in phase.records],
            schema=RECORDS_SCHEMA,
        )
        for job in run.jobs
        for phase in job.phases
    ]
    return _to_parquet(pa.Table.from_batches(batches, schema=RECORDS_SCHEMA))


def decode_records(data: bytes, run: RunData) -> RunData:
    """Return `run` with the records of its phases.

    Args:
        data: `records.parquet`.
        run: what `decode_counts` gave.

    Raises:
        BundleBroken: not Parquet, other columns, or a row of a job and phase that `run` lacks or
            describes in another way.
    """
    phases = {
        (job.key, phase.status.phase): _job_columns(job, phase)
        for job in run.jobs
        for phase in job.phases
    }
    records: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for number, row in enumerate(_rows(data, RECORDS, RECORDS_SCHEMA)):
        place = (row["job"], row["phase"])
        described = {field.name: row[field.name] for field in _JOB_COLUMNS}
        if phases.get(place) != described:
            raise broken(
                "schemas.records",
                f"{RECORDS}: row {number}: job {place[0]!r}, phase {place[1]!r} is not described "
                f"so in {COUNTS}",
            )
        records[place].append(Record.from_dict({name: row[name] for name in _RECORD_FIELDS}))
    return replace(run, jobs=tuple(_with_records(job, records) for job in run.jobs))


def encode_telemetry(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return `telemetry.parquet`: `time_ns`, `job`, then the union of the rows' other keys.

    A row that lacks a key has null there.
    """
    others = sorted({key for row in rows for key in row} - {"time_ns", "job"})
    columns: dict[str, pa.Array] = {
        "time_ns": pa.array([row["time_ns"] for row in rows], pa.int64()),
        "job": pa.array([row["job"] for row in rows], pa.string()),
        **{key: pa.array([row.get(key) for row in rows]) for key in others},
    }
    return _to_parquet(pa.table(columns))


def decode_telemetry(data: bytes) -> list[dict[str, Any]]:
    """Read `telemetry.parquet`. Raises: BundleBroken."""
    rows = list(_rows(data, TELEMETRY, None))
    if rows and not {"time_ns", "job"} <= rows[0].keys():
        raise broken("schemas.telemetry", f"{TELEMETRY}: lacks the columns time_ns and job")
    return rows


def _job_columns(job: JobData, phase: PhaseData) -> dict[str, Any]:
    return {
        "job": job.key,
        "repeat": job.repeat,
        "speculation": job.speculation,
        "draft_length": job.draft_length,
        "concurrency": phase.concurrency,
    }


def _with_records(job: JobData, records: dict[tuple[str, str], list[Record]]) -> JobData:
    phases = tuple(
        replace(phase, records=tuple(records[job.key, phase.status.phase])) for phase in job.phases
    )
    return replace(job, phases=phases)


def _to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return bytes(sink.getvalue())


def _rows(data: bytes, name: str, schema: pa.Schema | None) -> Iterator[dict[str, Any]]:
    code = f"schemas.{name.removesuffix('.parquet')}"
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        # Before a page is unpacked: a small file may claim to be a very large one.
        unpacked = sum(
            file.metadata.row_group(index).total_byte_size
            for index in range(file.metadata.num_row_groups)
        )
        if file.metadata.num_rows > MAX_ROWS or unpacked > MAX_UNPACKED_BYTES:
            raise broken(code, f"{name}: unpacks to more than a bundle may hold")
        if schema is not None and not file.schema_arrow.equals(schema):
            raise broken(code, f"{name}: has other columns than this version's")
        for batch in file.iter_batches(_BATCH_ROWS):
            batch.validate(full=True)
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise broken(code, f"{name}: not readable as Parquet: {error}") from error
