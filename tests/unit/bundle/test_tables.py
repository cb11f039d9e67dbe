import json
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.builder import make_lock, make_run
from specseal.analysis import JobData, MissingPhase, Objectives, PhaseData, RunData
from specseal.bundle import parquet, tables
from specseal.bundle.counts import COUNTS, decode_counts, encode_counts
from specseal.bundle.findings import BundleBroken
from specseal.bundle.strict import _schema
from specseal.bundle.tables import (
    RECORDS,
    TELEMETRY,
    decode_records,
    decode_run,
    decode_telemetry,
    encode_records,
    encode_telemetry,
    read_run,
    write_run,
)
from specseal.digests import canonical
from specseal.records import Load, PhaseStatus, Record, Snapshot

RUN = make_run(make_lock())

clock = st.integers(0, 2**63 - 1)
count = st.integers(0, 2**40)
maybe = st.none() | count
limit = st.none() | st.floats(0, 1e30, allow_nan=False)
text = st.text(max_size=8)
number = st.floats(0, 1e30, allow_nan=False)


load = st.builds(
    Load,
    mode=st.sampled_from(["closed", "open", "burst", "ramp"]), concurrency=maybe, rate=limit,
    arrival=st.sampled_from([None, "poisson", "constant"]), duration_s=limit,
)  # fmt: skip
PLACE: dict[str, Any] = {
    "load": load,
    "input": st.sampled_from(["dataset", "random"]),
    "setting": st.dictionaries(text, text | count | number | st.booleans(), max_size=2),
}
missing = st.builds(MissingPhase, **PLACE)


@st.composite
def phases(draw: st.DrawFn, name: str) -> PhaseData:
    record = st.builds(
        Record,
        phase=st.just(name), conversation=text, category=text, turn=count, cycle=count,
        due_ns=st.none() | clock, connect_ns=clock, submit_ns=clock,
        chunk_ns=st.lists(clock, max_size=3).map(tuple),
        chunk_tokens=st.none() | st.lists(count, max_size=3).map(tuple),
        end_ns=clock, input_tokens=count, engine_input_tokens=maybe, input_sha256=text,
        output_tokens=count,
        output_ids=st.none() | st.lists(count, max_size=3).map(tuple),
        finish=text, error=st.none() | text, draft_tokens=maybe, accepted_tokens=maybe,
        verify_steps=maybe, cached_tokens=maybe,
    )  # fmt: skip
    snapshot = st.none() | st.builds(
        Snapshot,
        phase=text, moment=st.sampled_from(["before", "after"]), time_ns=clock,
        settled=st.booleans(), drafts=maybe, draft_tokens=maybe, accepted_tokens=maybe,
        accepted_per_position=st.none() | st.lists(count, max_size=3).map(tuple),
        output_tokens=maybe, prompt_tokens=maybe, cached_tokens=maybe,
    )  # fmt: skip
    status = st.builds(
        PhaseStatus,
        phase=st.just(name), measured=st.booleans(), start_ns=clock, end_ns=clock,
        requests=count, failed=count, loop_lag_p99_ns=count, loop_lag_max_ns=count,
        send_lag_p99_ns=count, send_lag_max_ns=count, client_cpu_share=number,
        client_cpu_total=number, client_cpus=st.integers(1, 2**31),
        client_memory_bytes=count, client_processes=st.integers(1, 64),
    )  # fmt: skip
    return draw(
        st.builds(
            PhaseData,
            **PLACE,
            max_tokens=count,
            temperature=number,
            ignore_eos=st.booleans(),
            history_not_rewritten=st.booleans(),
            bos_doubled=st.booleans(),
            status=status,
            records=st.lists(record, max_size=3).map(tuple),
            before=snapshot,
            after=snapshot,
        )
    )


samples = st.fixed_dictionaries(
    {"time_ns": clock},
    optional={
        "cpu_percent": number,
        "engine_memory_bytes": count,
        "accelerator0_throttle": st.sampled_from(["", "power", "power,thermal"]),
    },
)


@st.composite
def runs(draw: st.DrawFn) -> RunData:
    jobs = []
    for key in draw(st.lists(text, max_size=2, unique=True)):
        names = draw(st.lists(text, max_size=2, unique=True))
        jobs.append(
            JobData(
                key=key,
                speculation=draw(text),
                draft_length=draw(count),
                repeat=draw(count),
                session=draw(text),
                cut_at_limit=draw(st.booleans()),
                one_chunk_a_step=draw(st.booleans()),
                every_step_drafts=draw(st.booleans()),
                drafted_a_step=draw(st.none() | st.integers(1, 64)),
                prefix_cache=draw(st.booleans()),
                drafter_remembers=draw(st.booleans()),
                devices=draw(count),
                accelerator=draw(text),
                accelerators_found=draw(st.none() | st.lists(text, max_size=2).map(tuple)),
                engine_version=draw(text),
                engine_version_found=draw(st.none() | text),
                method_found=draw(st.none() | text),
                draft_length_found=draw(maybe),
                telemetry=draw(st.lists(samples, max_size=3).map(tuple)),
                failure=draw(text),
                phases=tuple(draw(phases(name)) for name in names),
                missing=draw(st.lists(missing, max_size=2).map(tuple)),
            )
        )
    return RunData(
        jobs=tuple(jobs),
        objectives=Objectives(ttft_s=draw(limit), tpot_s=draw(limit)),
        draftable=draw(st.none() | st.binary(min_size=1, max_size=8).map(bytes.hex)),
        seed=draw(count),
    )


def encode_run(run: RunData) -> dict[str, bytes]:
    return {
        COUNTS: encode_counts(run),
        RECORDS: encode_records(run),
        TELEMETRY: encode_telemetry(run),
    }


@given(runs())
@settings(max_examples=50, deadline=None)
def test_any_run_is_read_back_exactly_and_written_the_same_again(run: RunData) -> None:
    files = encode_run(run)
    assert decode_run(files) == run
    assert encode_run(decode_run(files)) == files


def test_run_written_to_a_folder_is_read_back(tmp_path: Path) -> None:
    write_run(RUN, tmp_path)
    assert read_run(tmp_path) == RUN


def test_columns_are_the_fields_of_a_record() -> None:
    names = [column.name for column in tables._RECORD_COLUMNS]
    assert names == [field.name for field in fields(Record)]


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("job", JobData),
        ("phase", PhaseData),
        ("missing", MissingPhase),
        ("load", Load),
        ("status", PhaseStatus),
        ("snapshot", Snapshot),
    ],
)
def test_schema_of_the_counts_has_the_fields_of_the_values(place: str, kind: type) -> None:
    properties = _schema("counts").document["$defs"][place]["properties"]
    names = {field.name for field in fields(kind)} - {"records", "telemetry"}
    assert set(properties) == names


def test_schema_of_the_counts_has_the_fields_of_a_run() -> None:
    properties = _schema("counts").document["properties"]["run"]["properties"]
    assert set(properties) == {field.name for field in fields(RunData)} - {"jobs"}
    limits = properties["objectives"]["properties"]
    assert set(limits) == {field.name for field in fields(Objectives)}


def table_of(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def parquet_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def test_records_that_are_not_parquet_are_refused() -> None:
    good = encode_records(RUN)
    for data in (b"", b"rubbish", good[:-1], good[: len(good) // 2], b"PAR1" + good[40:]):
        with pytest.raises(BundleBroken, match=r"records\.parquet: not readable"):
            decode_records(data, RUN)


def test_records_with_other_columns_are_refused() -> None:
    table = table_of(encode_records(RUN))
    for other in (table.drop_columns(["turn"]), table.append_column("more", table["turn"])):
        with pytest.raises(BundleBroken, match="other columns"):
            decode_records(parquet_of(other), RUN)


OTHERWISE = {
    "job": "another", "phase": "c9", "speculation": "another", "draft_length": 9, "repeat": 9,
    "load_mode": "burst", "concurrency": 9, "rate": 0.5, "input": "random",
    "setting": '{"drafter.args.num":3}',
}  # fmt: skip
"""What no row of the run says of its job and phase."""


def described_otherwise(name: str, rows: slice) -> bytes:
    """The records of the run, some rows of which say something else in one column."""
    table = table_of(encode_records(RUN))
    index, column = table.schema.get_field_index(name), table.schema.field(name)
    values = table[name].to_pylist()
    values[rows] = [OTHERWISE[name]] * len(values[rows])
    return parquet_of(table.set_column(index, column, pa.array(values, column.type)))


@pytest.mark.parametrize("name", OTHERWISE)
def test_records_of_a_job_that_is_described_otherwise_are_refused(name: str) -> None:
    for rows in (slice(None), slice(1, 2), slice(-1, None)):
        with pytest.raises(BundleBroken, match="is not described so"):
            decode_records(described_otherwise(name, rows), decode_counts(encode_counts(RUN)))


def test_row_of_one_job_that_is_passed_off_as_anothers_is_refused() -> None:
    table = table_of(encode_records(RUN))
    index, column = table.schema.get_field_index("job"), table.schema.field("job")
    jobs = table["job"].to_pylist()
    jobs[1] = jobs[-1]
    forged = table.set_column(index, column, pa.array(jobs, column.type))
    with pytest.raises(BundleBroken, match="is not described so"):
        decode_records(parquet_of(forged), decode_counts(encode_counts(RUN)))


@given(seed=st.randoms(use_true_random=False))
def test_each_phase_has_its_records_however_their_rows_are_mixed(seed: Random) -> None:
    table = table_of(encode_records(RUN))
    rows = list(range(table.num_rows))
    seed.shuffle(rows)
    counts = decode_counts(encode_counts(RUN))
    mixed = decode_records(parquet_of(table.take(pa.array(rows))), counts)
    told = table.select(["job", "phase", "submit_ns"]).to_pylist()
    for job in mixed.jobs:
        for phase in job.phases:
            place = (job.key, phase.status.phase)
            assert [record.submit_ns for record in phase.records] == [
                told[row]["submit_ns"]
                for row in rows
                if (told[row]["job"], told[row]["phase"]) == place
            ]


def test_file_that_claims_to_unpack_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "MAX_ROWS", 1)
    with pytest.raises(BundleBroken, match="unpacks to more"):
        decode_records(encode_records(RUN), RUN)


def test_file_of_few_bytes_and_very_many_empty_cells_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = pa.nulls(2**12, pa.int64())
    data = parquet_of(pa.table({f"column{number}": nothing for number in range(17)}))
    assert len(data) < 2**14
    for module, most, decode in (
        (parquet, "MAX_VALUES", decode_records),
        (tables, "MAX_SAMPLE_VALUES", decode_telemetry),
    ):
        monkeypatch.setattr(module, most, 2**16)
        with pytest.raises(BundleBroken, match="unpacks to more"):
            decode(data, RUN)


def telemetry_with_notes(job: str, notes: pa.Array) -> bytes:
    """Samples of one job, each with a note."""
    schema = pa.schema(
        [
            pa.field("time_ns", pa.int64(), nullable=False),
            pa.field("job", pa.string(), nullable=False),
            pa.field("note", notes.type),
        ]
    )
    rows = len(notes)
    columns = [pa.array(range(rows), pa.int64()), pa.array([job] * rows), notes]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(columns, schema=schema)
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return bytes(sink.getvalue())


def repeated(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))


def test_long_text_that_comes_in_every_sample_is_one_text_in_memory() -> None:
    job = RUN.jobs[0]
    data = telemetry_with_notes(job.key, repeated("x" * 2**14, 5_000))
    assert len(data) < 2**14
    samples = decode_telemetry(data, RUN).jobs[0].telemetry
    assert len(samples) == 5_000
    assert len({id(sample["note"]) for sample in samples}) == 1


def test_text_longer_than_any_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = telemetry_with_notes(RUN.jobs[0].key, repeated("x" * 65, 3))
    monkeypatch.setattr(parquet, "MAX_TEXT_BYTES", 64)
    with pytest.raises(BundleBroken, match="a text has more than 64 bytes"):
        decode_telemetry(data, RUN)
    with pytest.raises(BundleBroken, match="a text has more than 64 bytes"):
        parquet.open_table(data, TELEMETRY).whole()
    monkeypatch.setattr(parquet, "MAX_TEXT_BYTES", 65)
    assert decode_telemetry(data, RUN).jobs[0].telemetry[2]["note"] == "x" * 65


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"key":"key-r1-ngram"', b'"key":"key-r1-none"', "job 'key-r1-none' comes twice"),
        (b'"phase":"c2","requests"', b'"phase":"c1","requests"', "phase of one job 'c1'"),
        (b'"time_ns":"0"', b'"time_ns":0', "0 is not of type 'string'"),
        (b'"drafts":0', b'"drafts":"0"', "is not of type"),
        (b'"cut_at_limit":false', b'"cut_at_limit":0', "not of type 'boolean'"),
        (b'"devices":1,', b"", "'devices' is a required property"),
        (b'"setting":{}', b'"setting":{"a":[1]}', "is not of type"),
        (b'"mode":"closed"', b'"mode":"other"', "is not one of"),
        (b'"client_processes":1', b'"client_processes":0', "less than the minimum"),
        (b'"draftable":null', b'"draftable":"0"', "does not match"),
        (
            b"specseal/counts/2",
            b"specseal/counts/1",
            "this version of specseal reads specseal/counts/2",
        ),
        (b"specseal/counts/2", b"specseal/count/2", "was expected"),
    ],
)
def test_counts_of_another_shape_are_refused(old: bytes, new: bytes, reason: str) -> None:
    data = encode_counts(RUN)
    assert old in data
    with pytest.raises(BundleBroken) as caught:
        decode_counts(data.replace(old, new))
    assert reason in caught.value.message
    assert {finding.code for finding in caught.value.findings} == {"schemas.counts"}


def test_whole_numbers_among_shares_and_temperatures_are_read_as_fractions() -> None:
    """Canonical JSON writes 1.0 as 1; in tables and reports it is the number that it was."""
    job = RUN.jobs[0]
    phase = replace(
        job.phases[0],
        temperature=1.0,
        status=replace(job.phases[0].status, client_cpu_share=1.0, client_cpu_total=1.0),
    )
    run = replace(RUN, jobs=(replace(job, phases=(phase,)),))
    (read,) = decode_counts(encode_counts(run)).jobs[0].phases
    assert (repr(read.status), repr(read.temperature)) == (repr(phase.status), "1.0")


def test_telemetry_has_the_union_of_its_samples_fields() -> None:
    samples = (
        {"time_ns": 1, "cpu_percent": 1.5},
        {"time_ns": 2, "engine_memory_bytes": 2**40, "cpu_percent": 2.0, "capped": True},
    )
    run = replace(RUN, jobs=(replace(RUN.jobs[0], telemetry=samples),))
    data = encode_telemetry(run)
    key = run.jobs[0].key
    assert table_of(data).to_pylist() == [
        {
            "time_ns": 1, "job": key, "capped": None, "cpu_percent": 1.5,
            "engine_memory_bytes": None,
        },
        {
            "time_ns": 2, "job": key, "capped": True, "cpu_percent": 2.0,
            "engine_memory_bytes": 2**40,
        },
    ]  # fmt: skip
    assert decode_telemetry(data, run) == run


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"job": ["key-r1-none"]}, "the columns are not"),
        ({"job": ["key-r1-none"], "time_ns": [1]}, "the columns are not"),
        ({"time_ns": [1], "job": ["key-r1-none"], "load": [[1.0]]}, "the columns are not"),
        ({"time_ns": [1], "job": ["another"]}, "has no job 'another'"),
        ({"time_ns": [1], "job": ["key-r1-none"], "Bundle": [1]}, "or one is `bundle`"),
        ({"time_ns": [1], "job": ["key-r1-none"], "a": [1], "A": [1]}, "two columns have one name"),
    ],
)
def test_telemetry_of_another_form_is_refused(columns: dict[str, list[Any]], reason: str) -> None:
    arrays = [pa.array(values) for values in columns.values()]
    schema = pa.schema(
        [
            pa.field(name, array.type, nullable=name not in ("time_ns", "job"))
            for name, array in zip(columns, arrays, strict=True)
        ]
    )
    with pytest.raises(BundleBroken, match=reason):
        decode_telemetry(parquet_of(pa.Table.from_arrays(arrays, schema=schema)), RUN)


def as_version(data: bytes, version: bytes, *more: str) -> bytes:
    table = table_of(data).replace_schema_metadata({b"schema": version})
    for name in more:
        table = table.append_column(name, table["turn"])
    return parquet_of(table)


def test_records_of_the_first_version_are_read() -> None:
    first = table_of(encode_records(RUN)).drop_columns(["output_sha256"])
    data = parquet_of(first.replace_schema_metadata(None))
    assert decode_records(data, decode_counts(encode_counts(RUN))).jobs[0].phases == tuple(
        RUN.jobs[0].phases
    )


def test_records_of_a_newer_minor_version_are_read_without_what_is_new_in_them() -> None:
    data = as_version(encode_records(RUN), b"specseal/records/2.1", "more")
    assert decode_records(data, decode_counts(encode_counts(RUN))).jobs[0].phases == tuple(
        RUN.jobs[0].phases
    )
    with pytest.raises(BundleBroken, match="other columns"):
        decode_records(as_version(encode_records(RUN), b"specseal/records/2", "more"), RUN)


@pytest.mark.parametrize("version", [b"specseal/records/3", b"specseal/records/20", b"other", b""])
def test_records_of_another_major_version_are_refused_by_name(version: bytes) -> None:
    with pytest.raises(BundleBroken, match="reads specseal/records/2"):
        decode_records(as_version(encode_records(RUN), version), RUN)


def test_telemetry_of_another_major_version_is_refused_by_name() -> None:
    table = table_of(encode_telemetry(RUN)).replace_schema_metadata({b"schema": b"specseal/x/1"})
    with pytest.raises(BundleBroken, match=r"is 'specseal/x/1'; .* reads specseal/telemetry/1"):
        decode_telemetry(parquet_of(table), RUN)


def test_counts_of_a_newer_minor_version_are_read_without_what_is_new_in_them() -> None:
    value = json.loads(encode_counts(RUN))
    value["schema"] = "specseal/counts/2.7"
    value["jobs"][0]["news"] = {"a": [1]}
    value["jobs"][0]["phases"][0]["status"]["news"] = 3
    data = canonical(value) + b"\n"
    assert decode_counts(data) == decode_counts(encode_counts(RUN))
    value["schema"] = "specseal/counts/2"
    with pytest.raises(BundleBroken, match="news"):
        decode_counts(canonical(value) + b"\n")
