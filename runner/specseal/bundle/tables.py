"""The Parquet files of a bundle: one row a request, and one row a sample of telemetry.

Equal input gives equal bytes: nothing in the files depends on the time or the place of writing. A
prompt's text is never in them; its hash and its number of tokens are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle.counts import COUNTS, decode_counts, encode_counts
from specseal.bundle.findings import broken
from specseal.bundle.parquet import (
    Column,
    Table,
    field,
    list_of,
    open_table,
    to_arrow,
    to_parquet,
)
from specseal.digests import canonical
from specseal.record_columns import IntArray, Lists, Numbers, Rows, Texts
from specseal.record_table import LISTS, NUMBERS, OUTPUT_SHA256, TEXTS, RecordTable, table_of

RECORDS = "records.parquet"
TELEMETRY = "telemetry.parquet"
MAX_SAMPLE_VALUES = 2**23
"""In all samples of telemetry, which are read as objects: a day of eight accelerators, each second.
It takes about a tenth of a gigabyte a million."""


_JOB_COLUMNS = (
    field("job", pa.string()),
    field("repeat", pa.int64()),
    field("speculation", pa.string()),
    field("draft_length", pa.int64()),
    field("load_mode", pa.string()),
    field("concurrency", pa.int64(), nullable=True),
    field("rate", pa.float64(), nullable=True),
    field("input", pa.string()),
    field("setting", pa.string()),
)
_RECORD_COLUMNS = (
    field("phase", pa.string()),
    field("conversation", pa.string()),
    field("category", pa.string()),
    field("turn", pa.int64()),
    field("cycle", pa.int64()),
    field("due_ns", pa.int64(), nullable=True),
    field("connect_ns", pa.int64()),
    field("submit_ns", pa.int64()),
    field("chunk_ns", list_of(pa.int64())),
    field("chunk_tokens", list_of(pa.int64()), nullable=True),
    field("end_ns", pa.int64()),
    field("input_tokens", pa.int64()),
    field("engine_input_tokens", pa.int64(), nullable=True),
    field("input_sha256", pa.string()),
    field("output_tokens", pa.int64()),
    field("output_ids", list_of(pa.int64()), nullable=True),
    field("finish", pa.string()),
    field("error", pa.string(), nullable=True),
    field("draft_tokens", pa.int64(), nullable=True),
    field("accepted_tokens", pa.int64(), nullable=True),
    field("verify_steps", pa.int64(), nullable=True),
    field("cached_tokens", pa.int64(), nullable=True),
)
_OF_A_RECORD = {*TEXTS, *NUMBERS, *LISTS}
_OUTPUT_SHA256 = field(OUTPUT_SHA256, pa.string(), nullable=True)
_NAME = b"schema"
_RECORDS_NAME = b"specseal/records/2"
RECORDS_SCHEMA = pa.schema(
    [*_JOB_COLUMNS, *_RECORD_COLUMNS, _OUTPUT_SHA256], metadata={_NAME: _RECORDS_NAME}
)
_FIRST_RECORDS_SCHEMA = pa.schema([*_JOB_COLUMNS, *_RECORD_COLUMNS])
"""Of version 1, whose files do not name it."""
_TELEMETRY_NAME = b"specseal/telemetry/1"
_SAMPLE_COLUMNS = (field("time_ns", pa.int64()), field("job", pa.string()))
_SAMPLE_KINDS = (pa.int64(), pa.float64(), pa.bool_(), pa.string())


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
        _to_batch(_job_columns(job, phase), table_of(phase.records))
        for job in run.jobs
        for phase in job.phases
        if phase.records
    ]
    return to_parquet(pa.Table.from_batches(batches, schema=RECORDS_SCHEMA))


def decode_records(data: bytes, run: RunData) -> RunData:
    """Return `run` with the records of its phases, as columns.

    Args:
        data: `records.parquet`.
        run: what `decode_counts` gave.

    Raises:
        BundleBroken: not Parquet, other columns, or a row of a job and phase that `run` lacks or
            describes in another way.
    """
    table = open_table(data, RECORDS)
    refuse_other_records(table)
    rows_of = _rows_by_place(table, run)
    records = _read_records(table)

    def with_records(job: JobData, phase: PhaseData) -> PhaseData:
        rows = rows_of.get((job.key, phase.status.phase), slice(0, 0))
        return replace(phase, records=records.take(rows))

    return replace(
        run,
        jobs=tuple(
            replace(job, phases=tuple(with_records(job, phase) for phase in job.phases))
            for job in run.jobs
        ),
    )


def encode_telemetry(run: RunData) -> bytes:
    """Return `telemetry.parquet`: `time_ns`, `job` (its key), then the union of all fields.

    A sample that lacks a field has null there.
    """
    rows = [(job.key, sample) for job in run.jobs for sample in job.telemetry]
    others = sorted({name for _, sample in rows for name in sample} - {"time_ns"})
    times = pa.array([sample["time_ns"] for _, sample in rows], pa.int64())
    jobs = pa.array([key for key, _ in rows], pa.string())
    measured = [pa.array([sample.get(name) for _, sample in rows]) for name in others]
    schema = pa.schema(
        [*_SAMPLE_COLUMNS, *map(_nullable, others, measured)], metadata={_NAME: _TELEMETRY_NAME}
    )
    return to_parquet(pa.Table.from_arrays([times, jobs, *measured], schema=schema))


def decode_telemetry(data: bytes, run: RunData) -> RunData:
    """Return `run` with the telemetry of its jobs.

    Args:
        data: `telemetry.parquet`.
        run: what `decode_counts` gave.

    Raises:
        BundleBroken: not Parquet, columns that no telemetry has, or a sample of a job that `run`
            lacks.
    """
    table = open_table(data, TELEMETRY, most_values=MAX_SAMPLE_VALUES)
    refuse_other_telemetry(table)
    samples: dict[str, list[dict[str, Any]]] = {job.key: [] for job in run.jobs}
    for number, row in enumerate(table.rows()):
        job = row.pop("job")
        if job not in samples:
            raise broken(table.code, f"{TELEMETRY}: row {number}: {COUNTS} has no job {job!r}")
        samples[job].append({name: value for name, value in row.items() if value is not None})
    return replace(
        run, jobs=tuple(replace(job, telemetry=tuple(samples[job.key])) for job in run.jobs)
    )


def _nullable(name: str, values: pa.Array) -> pa.Field:
    return field(name, values.type, nullable=True)


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


def _to_batch(described: Mapping[str, Any], records: RecordTable) -> pa.RecordBatch:
    columns: dict[str, Column] = {**records.texts, **records.numbers, **records.lists}
    arrays = [
        pa.array([described[one.name]] * len(records), one.type)
        if one.name in described
        else to_arrow(columns[one.name])
        for one in RECORDS_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORDS_SCHEMA)


def refuse_other_records(table: Table) -> None:
    """Take the columns of both versions; those that a newer minor adds stand behind the others.

    Raises:
        BundleBroken: there are others.
    """
    is_newer = _refuse_other_major(table, _RECORDS_NAME)
    if is_newer and list(table.schema)[: len(RECORDS_SCHEMA)] == list(RECORDS_SCHEMA):
        return
    if any(table.schema.equals(one) for one in (RECORDS_SCHEMA, _FIRST_RECORDS_SCHEMA)):
        return
    raise broken(table.code, f"{RECORDS}: has other columns than this version's")


def refuse_other_telemetry(table: Table) -> None:
    """Take columns of numbers and texts, of which no two have one name, in whichever letters.

    Raises:
        BundleBroken: there are others.
    """
    _refuse_other_major(table, _TELEMETRY_NAME)
    columns = list(table.schema)
    if tuple(columns[:2]) != _SAMPLE_COLUMNS or any(
        column.type not in _SAMPLE_KINDS for column in columns[2:]
    ):
        raise broken(
            table.code,
            f"{TELEMETRY}: the columns are not time_ns, job, and then numbers and texts",
        )
    # SQL does not tell letters apart; and `bundle` is what a question calls the bundle itself.
    names = ["bundle", *(column.name.casefold() for column in columns)]
    if len(set(names)) < len(names):
        raise broken(table.code, f"{TELEMETRY}: two columns have one name, or one is `bundle`")


def _refuse_other_major(table: Table, known: bytes) -> bool:
    """Say whether a table is of a newer minor version.

    Raises:
        BundleBroken: of another major version.
    """
    said: bytes = (table.schema.metadata or {}).get(_NAME, known)
    if said != known and not said.startswith(known + b"."):
        raise broken(
            table.code,
            f"{table.name}: is {said.decode(errors='replace')[:40]!r}; this version of specseal "
            f"reads {known.decode()}",
        )
    return said != known


def _read_records(table: Table) -> RecordTable:
    columns = table.columns([name for name in table.schema.names if name in _OF_A_RECORD])
    if OUTPUT_SHA256 not in columns:
        codes = np.zeros(len(columns["turn"].values), np.int64)  # type: ignore[union-attr]
        columns[OUTPUT_SHA256] = Texts(codes=codes, texts=(None,))
    return RecordTable(
        texts={name: one for name in TEXTS if isinstance(one := columns[name], Texts)},
        numbers={name: one for name in NUMBERS if isinstance(one := columns[name], Numbers)},
        lists={name: one for name in LISTS if isinstance(one := columns[name], Lists)},
    )


def _rows_by_place(table: Table, run: RunData) -> dict[tuple[str, str], Rows]:
    """Return which rows are of which job and phase, each described as `run` has it.

    Raises:
        BundleBroken: a row is not.
    """
    expected = {
        (job.key, phase.status.phase): _job_columns(job, phase)
        for job in run.jobs
        for phase in job.phases
    }
    columns = table.coded([*(one.name for one in _JOB_COLUMNS), "phase"])
    found: dict[tuple[str, str], Rows] = {}
    for rows in _alike([codes for codes, _ in columns.values()]):
        first = int(rows[0])
        row = {name: values[codes[first]] for name, (codes, values) in columns.items()}
        place = (row["job"], row.pop("phase"))
        if expected.get(place) != row:
            raise broken(
                table.code,
                f"{RECORDS}: row {first}: job {place[0]!r}, phase {place[1]!r} is not described "
                f"so in {COUNTS}",
            )
        is_in_a_row = int(rows[-1]) - first == len(rows) - 1
        found[place] = slice(first, first + len(rows)) if is_in_a_row else rows
    return found


def _alike(columns: list[IntArray]) -> Iterator[IntArray]:
    """Yield the rows that have the same code in every column, in the order of their first."""
    code = columns[0]
    for column in columns[1:]:
        # Made small before each product, so that none passes 64 bits.
        code = np.unique(code, return_inverse=True)[1]
        code = code * (int(column.max(initial=0)) + 1) + column
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    by_group = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=len(first))
    ends = np.cumsum(sizes)
    for one in np.argsort(first).tolist():
        yield by_group[ends[one] - sizes[one] : ends[one]]
