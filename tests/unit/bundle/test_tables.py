from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.builder import make_lock, make_run
from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle import tables
from specseal.bundle.counts import decode_counts, encode_counts
from specseal.bundle.findings import BundleBroken
from specseal.bundle.strict import _validator
from specseal.bundle.tables import (
    decode_records,
    decode_telemetry,
    encode_records,
    encode_telemetry,
    read_run,
    write_run,
)
from specseal.records import PhaseStatus, Record, Snapshot

RUN = make_run(make_lock())

clock = st.integers(0, 2**63 - 1)
count = st.integers(0, 2**40)
maybe = st.none() | count
text = st.text(max_size=8)
number = st.floats(0, 1e30, allow_nan=False)


@st.composite
def phases(draw: st.DrawFn, name: str) -> PhaseData:
    record = st.builds(
        Record,
        phase=st.just(name), conversation=text, category=text, turn=count, submit_ns=clock,
        chunk_ns=st.lists(clock, max_size=3).map(tuple),
        chunk_tokens=st.lists(count, max_size=3).map(tuple),
        end_ns=clock, input_tokens=count, input_sha256=text, output_tokens=count,
        output_ids=st.none() | st.lists(count, max_size=3).map(tuple),
        finish=text, error=st.none() | text, draft_tokens=maybe, accepted_tokens=maybe,
        cached_tokens=maybe,
    )  # fmt: skip
    snapshot = st.none() | st.builds(
        Snapshot,
        phase=text, moment=st.sampled_from(["before", "after"]), time_ns=clock,
        settled=st.booleans(), drafts=maybe, draft_tokens=maybe, accepted_tokens=maybe,
        accepted_per_position=st.none() | st.lists(count, max_size=3).map(tuple),
        output_tokens=maybe, prompt_tokens=maybe,
    )  # fmt: skip
    status = st.builds(
        PhaseStatus,
        phase=st.just(name), measured=st.booleans(), concurrency=count, start_ns=clock,
        end_ns=clock, requests=count, failed=count, loop_lag_p99_ns=count, loop_lag_max_ns=count,
        client_cpu_share=number,
    )  # fmt: skip
    return draw(
        st.builds(
            PhaseData,
            concurrency=count,
            status=status,
            records=st.lists(record, max_size=3).map(tuple),
            before=snapshot,
            after=snapshot,
        )
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
                phases=tuple(draw(phases(name)) for name in names),
            )
        )
    return RunData(
        jobs=tuple(jobs),
        max_tokens=draw(count),
        temperature=draw(number),
        devices=draw(count),
        seed=draw(count),
    )


@given(runs())
@settings(max_examples=50, deadline=None)
def test_any_run_is_read_back_exactly_and_written_the_same_again(run: RunData) -> None:
    counts, records = encode_counts(run), encode_records(run)
    assert decode_records(records, decode_counts(counts)) == run
    assert (encode_counts(run), encode_records(run)) == (counts, records)


def test_run_written_to_a_folder_is_read_back(tmp_path: Path) -> None:
    write_run(RUN, tmp_path)
    assert read_run(tmp_path) == RUN


def test_columns_are_the_fields_of_a_record() -> None:
    names = [column.name for column in tables._RECORD_COLUMNS]
    assert names == [field.name for field in fields(Record)]


@pytest.mark.parametrize(
    ("place", "kind"),
    [("job", JobData), ("phase", PhaseData), ("status", PhaseStatus), ("snapshot", Snapshot)],
)
def test_schema_of_the_counts_has_the_fields_of_the_values(place: str, kind: type) -> None:
    properties = _validator("counts").schema["$defs"][place]["properties"]
    names = {field.name for field in fields(kind)} - {"records"}
    assert set(properties) == names


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


def test_records_of_a_job_that_is_described_otherwise_are_refused() -> None:
    records = encode_records(RUN)
    table = table_of(records)
    for name, value in (("job", "another"), ("phase", "c9"), ("draft_length", 9), ("repeat", 9)):
        column = pa.array([value] * table.num_rows, table.schema.field(name).type)
        index = table.schema.get_field_index(name)
        other = table.set_column(index, table.schema.field(name), column)
        with pytest.raises(BundleBroken, match="is not described so"):
            decode_records(parquet_of(other), decode_counts(encode_counts(RUN)))


def test_file_that_claims_to_unpack_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 1)
    with pytest.raises(BundleBroken, match="unpacks to more"):
        decode_records(encode_records(RUN), RUN)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"key":"key-r1-ngram"', b'"key":"key-r1-none"', "job 'key-r1-none' comes twice"),
        (b'"phase":"c2","requests"', b'"phase":"c1","requests"', "phase of one job 'c1'"),
        (b'"time_ns":"0"', b'"time_ns":0', "0 is not of type 'string'"),
        (b'"drafts":0', b'"drafts":"0"', "is not of type"),
        (b'"cut_at_limit":false', b'"cut_at_limit":0', "not of type 'boolean'"),
        (b'"devices":1,', b"", "'devices' is a required property"),
        (b"specseal/counts/1", b"specseal/counts/2", "was expected"),
    ],
)
def test_counts_of_another_shape_are_refused(old: bytes, new: bytes, reason: str) -> None:
    data = encode_counts(RUN)
    assert old in data
    with pytest.raises(BundleBroken) as caught:
        decode_counts(data.replace(old, new))
    assert reason in caught.value.message


def test_telemetry_has_the_union_of_its_rows_columns() -> None:
    rows = [
        {"time_ns": 1, "job": "a", "cpu_percent": 1.5},
        {"time_ns": 2, "job": "a", "memory_bytes": 2**40, "cpu_percent": 2},
    ]
    again = decode_telemetry(encode_telemetry(rows))
    assert again == [
        {"time_ns": 1, "job": "a", "cpu_percent": 1.5, "memory_bytes": None},
        {"time_ns": 2, "job": "a", "cpu_percent": 2.0, "memory_bytes": 2**40},
    ]
    assert decode_telemetry(encode_telemetry([])) == []


def test_telemetry_without_times_is_refused() -> None:
    data = parquet_of(pa.table({"job": ["a"]}))
    with pytest.raises(BundleBroken, match="lacks the columns"):
        decode_telemetry(data)
