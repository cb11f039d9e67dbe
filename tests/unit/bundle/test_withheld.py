"""Restricted data sets: hashes and counts leave the machine, and nothing else of them."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks.builder import (
    NOW,
    SPEC,
    GoodBundle,
    alter_records,
    as_recorded,
    codes,
    inputs_of,
    make_run,
)
from attacks.test_contents import edit, verify_run
from locks import CONVERSATIONS, make_lock
from specseal.bundle import SealInputs, seal
from specseal.bundle.withheld import STAND_IN, Outputs, Quotes, withhold_ids
from specseal.errors import InputError
from specseal.record_table import OUTPUT_SHA256, table_of
from specseal.records import Record
from specseal.spec import parse_spec
from specseal.spec.locked import parse_lock

OWN = SPEC.replace(
    b"{source: builtin, name: speed-mini, split: qualitative}", b"{source: path, path: own.jsonl}"
)
PROMPT = (
    'Dear examiner, write a "short" proof that √2 is irrational.\n'
    "Then explain\tit to a child of seven years, without a formula."
)
IDS = list(range(40_000, 40_032))
SHORT = "Name the tallest mountain"
ECHOES = [
    f"bad request: {PROMPT}",
    json.dumps({"prompt": PROMPT}),
    repr(PROMPT),
    f"prompt_token_ids: {IDS}",
    f"ids {','.join(map(str, IDS[5:25]))}",
    SHORT.upper(),
    f"truncated: {PROMPT[20:75]}...",
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {"id": row["id"], "category": "math", "turns": [PROMPT, SHORT]} for row in CONVERSATIONS
    ]
    rows.append({"id": "encoded", "category": "math", "first": IDS, "between": []})
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def restricted(folder: Path, prompts: Path) -> SealInputs:
    """A run of a restricted data set whose engine quotes prompts wherever it can."""
    spec = parse_spec(OWN, path="spec.yaml")
    source = {"kind": "path", "path": "own.jsonl"}
    lock = make_lock(
        spec={"name": spec.name, "sha256": spec.digest, "dataset": source},
        dataset={"restricted": True},
    )
    run = alter_records(make_run(lock), lambda one: replace(one, error=None))
    job = run.jobs[1]
    records = tuple(job.phases[1].records)
    broken = replace(records[0], finish="error", error=f"the engine reported: {PROMPT}")
    second = as_recorded(replace(job.phases[1], records=(broken, *records[1:])))
    phases = (job.phases[0], second)
    jobs = (run.jobs[0], replace(job, phases=phases))
    inputs = inputs_of(OWN, lock, replace(run, jobs=jobs), folder)
    lines = "".join(f"{number} ready\n{echo}\n" for number, echo in enumerate(ECHOES))
    next(iter(inputs.logs.values())).write_text(lines, encoding="utf-8")
    environment = {**inputs.environment, "machine": {"last_words": PROMPT}}
    return replace(inputs, environment=environment, prompts=(prompts,))


def edited(good: GoodBundle, bundle: Path, change: Callable[[dict[str, Any]], None]) -> set[str]:
    """The findings of a bundle whose result was changed, and which was signed again."""
    edit(bundle / "result.json", change)
    lock = parse_lock((bundle / "lock.json").read_bytes(), path="lock.json")
    good.sign_again(bundle, inputs=replace(good.inputs, lock=lock))
    return codes(good.verify(bundle))


@pytest.fixture
def sealed(good: GoodBundle, tmp_path: Path, prompts: Path) -> Path:
    inputs = restricted(tmp_path, prompts)
    return seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)


def texts_of(bundle: Path) -> dict[str, str]:
    """Every file of a bundle as text: tables by value, logs unpacked."""
    found = {}
    for path in bundle.rglob("*"):
        if path.suffix == ".parquet":
            found[path.name] = json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False)
        elif path.suffix == ".gz":
            found[path.name] = gzip.decompress(path.read_bytes()).decode()
        elif path.is_file():
            found[path.name] = path.read_text(encoding="utf-8")
    return found


def test_no_prompt_is_in_any_file_of_a_bundle_as_words_or_as_ids(sealed: Path) -> None:
    for name, text in texts_of(sealed).items():
        squeezed = "".join(filter(str.isalnum, text.replace("\\n", "").replace("\\t", "")))
        for words in ("proofthat", "isirrational", "achildofseven", "withoutaformula"):
            assert words not in squeezed.casefold(), name
        assert "tallest mountain" not in text.casefold(), name
        for separator in (", ", ",", " "):
            assert separator.join(map(str, IDS[8:16])) not in text, name


def test_what_quotes_no_prompt_stays_in_the_log(sealed: Path) -> None:
    log = gzip.decompress((sealed / "logs" / "r1-ngram.engine.log.gz").read_bytes()).decode()
    kept = [line for line in log.splitlines() if line != STAND_IN]
    assert kept == [f"{number} ready" for number in range(len(ECHOES))]


def test_generated_ids_are_hashes_and_what_they_tell_is_attested(
    good: GoodBundle, sealed: Path
) -> None:
    rows = pq.read_table(sealed / "records.parquet").to_pylist()
    assert all(row["output_ids"] is None for row in rows)
    assert {len(row["output_sha256"]) for row in rows} == {64}
    report = good.verify(sealed)
    assert report.intact, report.to_text()
    metrics = json.loads((sealed / "result.json").read_bytes())["metrics"]
    attested = {one["name"] for one in metrics if "attested" in one["reasons"]}
    told = {one["name"] for one in metrics if one["name"] == "identical_output_share"}
    assert told
    assert attested <= {"first_difference_tokens_p50", "drafter_vocabulary_coverage"}


def differing(inputs: SealInputs) -> SealInputs:
    """The same run, but every drafted output differs from the baseline's."""
    job = inputs.run.jobs[1]

    def other(record: Record) -> Record:
        return replace(record, output_ids=(100, 101, 9, 9, 9))

    jobs = alter_records(replace(inputs.run, jobs=(job,)), other).jobs
    return replace(inputs, run=replace(inputs.run, jobs=(inputs.run.jobs[0], *jobs)))


@pytest.fixture
def attested(good: GoodBundle, tmp_path: Path, prompts: Path) -> Path:
    inputs = differing(restricted(tmp_path, prompts))
    return seal(inputs, tmp_path / "attested", signer=good.signer, now=NOW)


def first_difference(bundle: Path) -> dict[str, Any]:
    metrics = json.loads((bundle / "result.json").read_bytes())["metrics"]
    found: dict[str, Any] = next(
        one for one in metrics if one["name"] == "first_difference_tokens_p50"
    )
    return found


def test_where_outputs_differ_is_kept_as_the_signers_word(good: GoodBundle, attested: Path) -> None:
    assert first_difference(attested)["value"] == 2
    assert "attested" in first_difference(attested)["reasons"]
    report = good.verify(attested)
    assert report.intact, report.to_text()


def test_share_of_equal_outputs_is_recomputed_from_hashes(good: GoodBundle, attested: Path) -> None:
    def change(result: dict[str, Any]) -> None:
        for metric in result["metrics"]:
            if metric["name"] == "identical_output_share":
                assert metric["value"] == 0
                metric["value"] = 1.0

    assert "recompute.metrics" in edited(good, attested, change)


def test_other_metric_can_not_be_called_attested(good: GoodBundle, attested: Path) -> None:
    def change(result: dict[str, Any]) -> None:
        metric = next(one for one in result["metrics"] if one["name"] == "acceptance_length")
        metric.update(value=9.0, reasons=[*metric["reasons"], "attested"])

    assert "recompute.metrics" in edited(good, attested, change)


def test_ids_withheld_without_need_are_refused(good: GoodBundle, bundle: Path) -> None:
    report = verify_run(good, bundle, withhold_ids(good.inputs.run))
    assert "recompute.withheld" in codes(report)


def test_spec_that_quotes_a_prompt_is_not_sealed(
    good: GoodBundle, tmp_path: Path, prompts: Path
) -> None:
    inputs = restricted(tmp_path, prompts)
    inputs = replace(inputs, spec_bytes=inputs.spec_bytes + f"# {SHORT}\n".encode())
    with pytest.raises(InputError, match="quotes a prompt"):
        seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert not (tmp_path / "bundle").exists()


def told_of(good: GoodBundle, folder: Path, inputs: SealInputs) -> tuple[str, str]:
    """The log, and the reason of the one record with an error, of a bundle sealed from a run."""
    bundle = seal(inputs, folder / "bundle", signer=good.signer, now=NOW)
    log = gzip.decompress((bundle / "logs" / "r1-ngram.engine.log.gz").read_bytes()).decode()
    rows = pq.read_table(bundle / "records.parquet").to_pylist()
    (error,) = {row["error"] for row in rows} - {None}
    return log, error


def generating(inputs: SealInputs, ids: list[int]) -> SealInputs:
    """A run that generates these ids, and quotes them in its log and in an error."""

    def generate(one: Record) -> Record:
        error = one.error and f"chunk can't be read: {ids}"
        return replace(one, output_ids=tuple(ids), output_tokens=len(ids), error=error)

    next(iter(inputs.logs.values())).write_text(f"ready\noutput_ids: {ids}\ndone\n")
    return replace(inputs, run=alter_records(inputs.run, generate))


def test_ids_that_were_generated_are_found_where_they_may_not_be_passed_on(
    good: GoodBundle, tmp_path: Path, prompts: Path
) -> None:
    inputs = generating(restricted(tmp_path, prompts), list(range(700, 720)))
    assert told_of(good, tmp_path, inputs) == (f"ready\n{STAND_IN}\ndone\n", STAND_IN)


def test_ids_that_were_generated_stay_where_they_may_be_passed_on(
    good: GoodBundle, tmp_path: Path, prompts: Path
) -> None:
    ids = list(range(700, 720))
    inputs = generating(restricted(tmp_path, prompts), ids)
    inputs = replace(inputs, lock=good.inputs.lock)
    log, error = told_of(good, tmp_path, inputs)
    assert str(ids) in log
    assert str(ids) in error


def test_however_much_is_generated_prompts_are_found_as_before(
    monkeypatch: pytest.MonkeyPatch, good: GoodBundle, prompts: Path
) -> None:
    monkeypatch.setattr("specseal.bundle.withheld._MOST_WINDOWS", 40)
    quotes = Quotes((prompts,), Outputs(good.inputs.run))
    assert quotes.withhold(f"ids {IDS[3:20]}") == STAND_IN


@given(st.integers(0, 40), st.integers(0, 30))
@settings(deadline=None)
def test_long_quotation_is_found_wherever_it_begins(start: int, before: int) -> None:
    quotes = Quotes(())
    assert quotes.withhold("x" * before + PROMPT[start : start + 70]) != STAND_IN
    quotes = _quotes_of([{"turns": [PROMPT]}])
    line = "x" * before + " " + PROMPT[start : start + 70].replace("\n", "\\n")
    assert quotes.withhold(line) == STAND_IN


def test_quotation_over_the_border_of_two_blocks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specseal.bundle.withheld._BLOCK_LINES", 4)
    monkeypatch.setattr("specseal.bundle.withheld._OVERLAP_LINES", 3)
    quotes = _quotes_of([{"turns": [PROMPT]}])
    words = PROMPT.split()
    pieces = [" ".join(words[start : start + 3]) for start in range(0, len(words), 3)]
    for before in range(6):
        lines = ["ready"] * before + pieces + ["done"] * 5
        kept = quotes.withhold("\n".join(lines)).split("\n")
        assert kept == ["ready"] * before + [STAND_IN] * len(pieces) + ["done"] * 5


def _quotes_of(rows: list[dict[str, Any]]) -> Quotes:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("".join(f"{json.dumps(row)}\n" for row in rows))
        file.flush()
        return Quotes((Path(file.name),))


RUSSIAN = "Докажите, что корень из двух иррационален, и объясните это ребёнку семи лет."


@pytest.mark.parametrize(
    "line",
    [
        RUSSIAN,
        json.dumps(RUSSIAN),
        json.dumps(json.dumps(RUSSIAN)).replace("\\\\u", "\\u"),
        "".join(f"\\x{ord(letter):02x}" for letter in "Dear examiner, write a short proof of it."),
    ],
    ids=["plain", "escaped", "escaped twice", "in hex"],
)
def test_quotation_in_escapes_is_found_in_any_script(line: str) -> None:
    quotes = _quotes_of([{"turns": [RUSSIAN, "Dear examiner, write a short proof of it."]}])
    assert quotes.withhold(f"error: {line}") == STAND_IN
    assert quotes.withhold("error: out of memory") == "error: out of memory"


def test_ids_between_turns_are_found_as_those_of_the_first_are() -> None:
    quotes = _quotes_of([{"first": IDS, "between": [[7], list(range(900, 920))]}])
    assert quotes.withhold(f"ids: {list(range(900, 920))}") == STAND_IN
    assert quotes.withhold(f"ids: {list(range(500, 520))}") != STAND_IN


def test_number_that_no_vocabulary_has_is_looked_at_however_long_it_is() -> None:
    quotes = _quotes_of([{"first": IDS, "between": []}])
    line = f"{'9' * 5000} {IDS}"
    assert quotes.withhold(line) == STAND_IN
    assert quotes.withhold("9" * 5000) == "9" * 5000


def test_hash_of_ids_is_that_of_their_json_and_none_of_what_is_not_known() -> None:
    def hashes(ids: tuple[int, ...] | None) -> set[str | None]:
        run = alter_records(make_run(make_lock()), lambda one: replace(one, output_ids=ids))
        tables = [table_of(one.records) for job in withhold_ids(run).jobs for one in job.phases]
        return {digest for table in tables for digest in table.texts[OUTPUT_SHA256].to_list()}

    ids = (100, 101, 102, 103, 104)
    assert hashes(ids) == {hashlib.sha256(b"[100,101,102,103,104]").hexdigest()}
    assert hashes(None) == {None}


@pytest.mark.parametrize("length", [*range(10, 50)])
def test_short_prompt_is_found_whole_whatever_its_length(length: int) -> None:
    letters = "".join(filter(str.isalnum, PROMPT))[:length]
    quotes = _quotes_of([{"turns": [letters]}])
    assert quotes.withhold(f"bad: {letters}.") == STAND_IN
    assert quotes.withhold(letters[:9]) == letters[:9]


def test_line_with_the_last_letter_of_a_quotation_is_part_of_it() -> None:
    quotes = _quotes_of([{"turns": [SHORT]}])
    assert quotes.withhold(f"{SHORT[:-1]}\n{SHORT[-1]}\nx") == f"{STAND_IN}\n{STAND_IN}\nx"
    assert quotes.withhold(f"x\n{SHORT[0]}\n{SHORT[1:]}") == f"x\n{STAND_IN}\n{STAND_IN}"


def test_prompts_too_many_for_all_pieces_have_fewer_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("specseal.bundle.withheld._MOST_WINDOWS", 4)
    quotes = _quotes_of([{"turns": [PROMPT]}])
    assert quotes.withhold(PROMPT.replace("\n", " ")) == STAND_IN
