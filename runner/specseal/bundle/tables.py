"""The Parquet files of a bundle: one row a request, and one row a sample of telemetry.

Equal input gives equal bytes: nothing in the files depends on the time or the place of writing. A
prompt's text is never in them; its hash and its number of tokens are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle.counts import COUNTS, decode_counts, encode_counts
from specseal.bundle.findings import broken
from specseal.digests import canonical
from specseal.records import Record

RECORDS = "records.parquet"
TELEMETRY = "telemetry.parquet"
MAX_ROWS = 10_000_000
MAX_VALUES = 2**28
"""In all cells of a table, those of lists and those that are null counted too."""
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
    _column("load_mode", pa.string()),
    _column("concurrency", pa.int64(), nullable=True),
    _column("rate", pa.float64(), nullable=True),
    _column("input", pa.string()),
    _column("setting", pa.string()),
)
_RECORD_COLUMNS = (
    _column("phase", pa.string()),
    _column("conversation", pa.string()),
    _column("category", pa.string()),
    _column("turn", pa.int64()),
    _column("cycle", pa.int64()),
    _column("due_ns", pa.int64(), nullable=True),
    _column("connect_ns", pa.int64()),
    _column("submit_ns", pa.int64()),
    _column("chunk_ns", _list_of(pa.int64())),
    _column("chunk_tokens", _list_of(pa.int64()), nullable=True),
    _column("end_ns", pa.int64()),
    _column("input_tokens", pa.int64()),
    _column("engine_input_tokens", pa.int64(), nullable=True),
    _column("input_sha256", pa.string()),
    _column("output_tokens", pa.int64()),
    _column("output_ids", _list_of(pa.int64()), nullable=True),
    _column("finish", pa.string()),
    _column("error", pa.string(), nullable=True),
    _column("draft_tokens", pa.int64(), nullable=True),
    _column("accepted_tokens", pa.int64(), nullable=True),
    _column("verify_steps", pa.int64(), nullable=True),
    _column("cached_tokens", pa.int64(), nullable=True),
)
RECORDS_SCHEMA = pa.schema([*_JOB_COLUMNS, *_RECORD_COLUMNS])
_RECORD_FIELDS = [field.name for field in fields(Record)]
_SAMPLE_COLUMNS = (_column("time_ns", pa.int64()), _column("job", pa.string()))
_SAMPLE_KINDS = (pa.int64(), pa.float64(), pa.bool_(), pa.string())
_BATCH_ROWS = 4096


def write_run(run: RunData, folder: Path) -> None:
    """Write a run as its two tables and `counts.json`. Raises: InputError, OSError."""
    (folder / RECORDS).write_bytes(encode_records(run))
    (folder / TELEMETRY).write_bytes(encode_telemetry(run))
    (folder / COUNTS).write_bytes(encode_counts(run))


def read_run(folder: Path) -> RunData:
    """Read back exactly what `write_run` was given. Raises: BundleBroken, OSError."""
    return decode_run({name: (folder / name).read_bytes() for name in (COUNTS, RECORDS, TELEMETRY)})


def decode_run(files: Mapping[str, bytes]) -> RunData:
    """Read a run from the bytes of its three files, by name. Raises: BundleBroken."""
    run = decode_records(files[RECORDS], decode_counts(files[COUNTS]))
    return decode_telemetry(files[TELEMETRY], run)


def encode_records(run: RunData) -> bytes:
    """Return `records.parquet`: the requests of all jobs and phases, in the run's order."""
    batches = [
        pa.RecordBatch.from_pylist(
            [{**described, **_record_columns(record)} for record in phase.records],
            schema=RECORDS_SCHEMA,
        )
        for job in run.jobs
        for phase in job.phases
        for described in (_job_columns(job, phase),)
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
    for number, row in enumerate(_rows(_open(data, RECORDS, RECORDS_SCHEMA), RECORDS)):
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


def encode_telemetry(run: RunData) -> bytes:
    """Return `telemetry.parquet`: `time_ns`, `job` (its key), then the union of all fields.

    A sample that lacks a field has null there.
    """
    rows = [(job.key, sample) for job in run.jobs for sample in job.telemetry]
    others = sorted({name for _, sample in rows for name in sample} - {"time_ns"})
    times = pa.array([sample["time_ns"] for _, sample in rows], pa.int64())
    jobs = pa.array([key for key, _ in rows], pa.string())
    measured = [pa.array([sample.get(name) for _, sample in rows]) for name in others]
    schema = pa.schema([*_SAMPLE_COLUMNS, *map(_nullable, others, measured)])
    return _to_parquet(pa.Table.from_arrays([times, jobs, *measured], schema=schema))


def decode_telemetry(data: bytes, run: RunData) -> RunData:
    """Return `run` with the telemetry of its jobs.

    Args:
        data: `telemetry.parquet`.
        run: what `decode_counts` gave.

    Raises:
        BundleBroken: not Parquet, columns that no telemetry has, or a sample of a job that `run`
            lacks.
    """
    file = _open(data, TELEMETRY)
    columns = list(file.schema_arrow)
    if tuple(columns[:2]) != _SAMPLE_COLUMNS or any(
        column.type not in _SAMPLE_KINDS for column in columns[2:]
    ):
        raise broken(
            "schemas.telemetry",
            f"{TELEMETRY}: the columns are not time_ns, job, and then numbers and texts",
        )
    samples: dict[str, list[dict[str, Any]]] = {job.key: [] for job in run.jobs}
    for number, row in enumerate(_rows(file, TELEMETRY)):
        job = row.pop("job")
        if job not in samples:
            raise broken(
                "schemas.telemetry", f"{TELEMETRY}: row {number}: {COUNTS} has no job {job!r}"
            )
        samples[job].append({name: value for name, value in row.items() if value is not None})
    return replace(
        run, jobs=tuple(replace(job, telemetry=tuple(samples[job.key])) for job in run.jobs)
    )


def _nullable(name: str, values: pa.Array) -> pa.Field:
    return _column(name, values.type, nullable=True)


def _job_columns(job: JobData, phase: PhaseData) -> dict[str, Any]:
    return {
        "job": job.key,
        "repeat": job.repeat,
        "speculation": job.speculation,
        "draft_length": job.draft_length,
        "load_mode": phase.load.mode,
        "concurrency": phase.load.concurrency,
        "rate": phase.load.rate,
        "input": phase.input,
        "setting": canonical(phase.setting).decode(),
    }


def _record_columns(record: Record) -> dict[str, Any]:
    # `Record.to_dict` would copy every chunk's time one by one.
    return {name: getattr(record, name) for name in _RECORD_FIELDS}


def _with_records(job: JobData, records: dict[tuple[str, str], list[Record]]) -> JobData:
    phases = tuple(
        replace(phase, records=tuple(records[job.key, phase.status.phase])) for phase in job.phases
    )
    return replace(job, phases=phases)


def _to_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return bytes(sink.getvalue())


def _open(data: bytes, name: str, schema: pa.Schema | None = None) -> pq.ParquetFile:
    """Open a table after looking at what it claims to hold: a small file may unpack to very much.

    Raises:
        BundleBroken: not Parquet, too large, or not of `schema`, where one is given.
    """
    with _refused(name):
        file = pq.ParquetFile(pa.BufferReader(data))
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        values = sum(
            group.column(index).num_values for group in groups for index in range(group.num_columns)
        )
        unpacked = sum(group.total_byte_size for group in groups)
        rows = file.metadata.num_rows
        columns = file.schema_arrow
    if rows > MAX_ROWS or values > MAX_VALUES or unpacked > MAX_UNPACKED_BYTES:
        raise broken(_code(name), f"{name}: unpacks to more than a bundle may hold")
    if schema is not None and not columns.equals(schema):
        raise broken(_code(name), f"{name}: has other columns than this version's")
    return file


def _rows(file: pq.ParquetFile, name: str) -> Iterator[dict[str, Any]]:
    with _refused(name):
        for batch in file.iter_batches(_BATCH_ROWS):
            batch.validate(full=True)
            yield from batch.to_pylist()


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Turn what the library raises about a hostile file into a finding."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise broken(_code(name), f"{name}: not readable as Parquet: {error}") from error


def _code(name: str) -> str:
    return f"schemas.{name.removesuffix('.parquet')}"
