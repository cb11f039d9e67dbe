"""Questions in SQL over several bundles."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from attacks.builder import NOW, GoodBundle, make_signer
from attacks.test_contents import edit
from specseal.bundle import Signer, query, seal
from specseal.bundle.envelope import unwrap_by_one_of, wrap
from specseal.bundle.keys import parse_public_key
from specseal.bundle.layout import KEYS, RESULT_ATTESTATION, key_path
from specseal.bundle.manifest import MANIFEST
from specseal.bundle.statement import read_result_statement
from specseal.cli.main import group
from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError, MachineLacks, VerificationFailed

Ask = Callable[..., Result]
SWEEP = Path(__file__).parents[2] / "fixtures" / "bundles" / "v1-added" / "whole.zip"


@pytest.fixture(scope="module")
def folder(good: GoodBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two different bundles, in folders of their own, and one of them a second time."""
    folder = tmp_path_factory.mktemp("bundles")
    good.copy(folder / "a" / "bundle")
    good.copy(folder / "again")
    later = replace(good.inputs, finished="2026-11-23T11:31:00Z")
    seal(later, folder / "b" / "deep" / "bundle", signer=good.signer, now=NOW)
    return folder


def ask(*words: object) -> Result:
    return CliRunner().invoke(group, ["query", *map(str, words)])


def test_each_different_bundle_below_a_folder_is_one_row(good: GoodBundle, folder: Path) -> None:
    answer = query("SELECT name, engine, method, signer, isolation FROM bundles", [folder])
    row = ("tiny", "llamacpp", "ngram", good.signer.public.digest, "none")
    assert answer.columns == ("name", "engine", "method", "signer", "isolation")
    assert answer.rows == (row, row)
    assert answer.bundles == 2


def test_records_of_all_bundles_are_asked_at_once(good: GoodBundle, folder: Path) -> None:
    requests = [len(phase.records) for job in good.inputs.run.jobs for phase in job.phases]
    answer = query(
        "SELECT bundle, count(*), min(len(chunk_ns)) FROM records JOIN bundles USING (bundle)"
        " GROUP BY bundle",
        [folder],
    )
    assert [row[1:] for row in answer.rows] == [(sum(requests), 5)] * 2


def test_metrics_have_what_they_are_of_as_columns(folder: Path) -> None:
    answer = query(
        "SELECT DISTINCT concurrency, speculation, value, valid, setting FROM metrics"
        " WHERE name = 'output_tokens' AND category IS NULL AND concurrency IS NOT NULL"
        " ORDER BY ALL",
        [folder],
    )
    assert [row[:2] for row in answer.rows] == [
        (1, "ngram"),
        (1, "none"),
        (2, "ngram"),
        (2, "none"),
    ]
    assert {row[3:] for row in answer.rows} == {(True, "{}")}


def test_metrics_of_a_sweep_have_what_it_varies_as_json(tmp_path: Path) -> None:
    with zipfile.ZipFile(SWEEP) as packed:
        packed.extractall(tmp_path / "sweep")
    (every,) = query("SELECT count(*), count(name), count(tier) FROM metrics", [tmp_path]).rows
    answer = query("SELECT setting, count(*) FROM metrics GROUP BY ALL ORDER BY ALL", [tmp_path])
    assert [json.loads(row[0]) for row in answer.rows] == [
        {"workload.sampling.temperature": value} for value in (0, 0.5)
    ]
    assert every == (sum(row[1] for row in answer.rows),) * 2 + (0,)


def test_telemetry_is_there_too(folder: Path) -> None:
    answer = query("SELECT max(package_energy_j) FROM telemetry", [folder])
    assert answer.rows == ((140.0,),)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM records", "nothing"),
        ("SELECT 1; SELECT 2", "expected one SELECT"),
        ("DROP VIEW records", "expected one SELECT"),
        ("COPY records TO 'here.csv'", "expected one SELECT"),
        ("SELECT * FROM records, read_text('/etc/hostname')", "disabled by configuration"),
        ("SELECT * FROM folder, records", "folder does not exist"),
        ("SELEKT", "syntax error"),
    ],
)
def test_sql_that_is_not_a_question_about_the_tables_is_refused(
    sql: str, said: str, folder: Path
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        query(sql, [folder])
    assert "bundles, metrics, records, telemetry" in str(caught.value)


def test_a_folder_without_bundles_is_named(tmp_path: Path) -> None:
    (tmp_path / ".b.in-progress").mkdir()
    (tmp_path / ".b.in-progress" / "MANIFEST.sha256").touch()
    with pytest.raises(InputError, match="there is no bundle in it"):
        query("SELECT * FROM bundles", [tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        query("SELECT * FROM bundles", [tmp_path / "absent"])


def alter_records(bundle: Path, good: GoodBundle) -> None:
    with (bundle / "records.parquet").open("ab") as file:
        file.write(b"\0")


def alter_manifest(bundle: Path, good: GoodBundle) -> None:
    text = (bundle / "MANIFEST.sha256").read_text()
    (bundle / "MANIFEST.sha256").write_text(text.replace("a", "b"))


def sign_rubbish(bundle: Path, good: GoodBundle) -> None:
    (bundle / RESULT_ATTESTATION).write_bytes(wrap(b"{}", good.signer))


def remove_key(bundle: Path, good: GoodBundle) -> None:
    shutil.rmtree(bundle / "attestations" / "keys")


def link_records(bundle: Path, good: GoodBundle) -> None:
    (bundle / "records.parquet").unlink()
    (bundle / "records.parquet").symlink_to(good.path / "records.parquet")


def leave_out_records(bundle: Path, good: GoodBundle) -> None:
    (bundle / "records.parquet").unlink()


@pytest.mark.parametrize(
    "spoil",
    [alter_records, alter_manifest, sign_rubbish, remove_key, link_records, leave_out_records],
)
def test_what_is_not_as_it_was_signed_is_no_answer(
    spoil: Callable[[Path, GoodBundle], None], good: GoodBundle, tmp_path: Path
) -> None:
    bundle = good.copy(tmp_path / "bundle")
    spoil(bundle, good)
    with pytest.raises(VerificationFailed, match=r"bundle: not intact"):
        query("SELECT count(*) FROM records", [tmp_path])


@pytest.mark.parametrize("name", ["records.parquet", "result.json", "lock.json"])
def test_files_that_were_signed_and_are_of_another_form_are_no_answer(
    name: str, good: GoodBundle, tmp_path: Path
) -> None:
    bundle = good.copy(tmp_path / "bundle")
    (bundle / name).write_bytes(b'{"metrics": 1}\n')
    good.sign_again(bundle)
    with pytest.raises(VerificationFailed, match=r"not what a bundle holds"):
        query("SELECT * FROM records, metrics, bundles", [tmp_path])


def test_the_command_prints_a_table_csv_or_json(folder: Path) -> None:
    sql = "SELECT name, created FROM bundles LIMIT 1"
    assert ask(sql, folder).output.splitlines()[0].split() == ["name", "created"]
    lines = ask(sql, folder, "--format", "csv").output.splitlines()
    assert lines == ["name,created", "tiny,2026-11-23 12:00:00+00:00"]
    document = json.loads(ask(sql, folder, "--json").output)
    assert document["rows"] == [["tiny", "2026-11-23 12:00:00+00:00"]]
    assert r"\toprule" in ask(sql, folder, "--format", "latex").output


def test_a_bundle_that_others_have_reproduced_is_asked_as_before(
    good: GoodBundle, tmp_path: Path
) -> None:
    bundle, other = good.copy(tmp_path / "bundle"), make_signer()
    key = other.public
    (bundle / "attestations" / "keys" / f"{key.digest}.pem").write_bytes(key.pem)
    answer = query("SELECT signer, supersedes FROM bundles", [tmp_path])
    assert answer.rows == ((good.signer.public.digest, None),)


def test_without_duckdb_it_is_said_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MachineLacks) as caught:
        query("SELECT * FROM bundles", [folder])
    assert "specseal[query]" in str(caught.value)


# What anybody may have signed


def signed_as(bundle: Path, signer: Signer, **changes: Any) -> Path:
    """Sign the manifest of a bundle again, with a statement that says something else."""
    manifest = sha256_bytes((bundle / MANIFEST).read_bytes())
    envelope = (bundle / RESULT_ATTESTATION).read_bytes()
    keys = [parse_public_key(path.read_bytes(), path="") for path in bundle.glob(f"{KEYS}/*.pem")]
    _, payload = unwrap_by_one_of(envelope, path="", keys=keys)
    said = read_result_statement(payload, manifest=manifest, now=NOW)
    for path in bundle.glob(f"{KEYS}/*.pem"):
        path.unlink()
    (bundle / key_path(signer.public.digest)).write_bytes(signer.public.pem)
    statement = replace(said, **changes).to_bytes(manifest)
    (bundle / RESULT_ATTESTATION).write_bytes(wrap(statement, signer))
    return bundle


@pytest.mark.parametrize("names", [("a", "z"), ("z", "a")])
def test_copy_that_another_key_signed_does_not_take_the_place_of_the_bundle(
    good: GoodBundle, tmp_path: Path, names: tuple[str, str]
) -> None:
    good.copy(tmp_path / names[0])
    signed_as(good.copy(tmp_path / names[1]), make_signer())
    with pytest.raises(VerificationFailed, match=r"the same contents as .* signed by another key"):
        query("SELECT signer FROM bundles", [tmp_path])


def test_copy_that_says_something_else_does_not_take_the_place_of_the_bundle(
    good: GoodBundle, tmp_path: Path
) -> None:
    good.copy(tmp_path / "a")
    signed_as(good.copy(tmp_path / "z"), good.signer, supersedes=Digest("a" * 64))
    with pytest.raises(VerificationFailed, match="the same contents as"):
        query("SELECT count(*) FROM metrics", [tmp_path])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "renamed"}, "the statement's name is 'renamed'"),
        ({"recipe": Digest("e" * 64)}, "the statement's recipe is not the lock's"),
        ({"lock": Digest("e" * 64)}, r"lock\.json: not the one that the statement names"),
        ({"result": Digest("e" * 64)}, r"result\.json: not the one that the statement names"),
    ],
)
def test_statement_that_is_not_of_the_lock_and_the_result_is_no_answer(
    good: GoodBundle, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    signed_as(good.copy(tmp_path / "bundle"), good.signer, **changes)
    for columns in ("name, recipe, lock", "*"):
        with pytest.raises(VerificationFailed, match=said):
            query(f"SELECT {columns} FROM bundles", [tmp_path])


def version_of_another_type(bundle: Path) -> None:
    edit(bundle / "environment.json", lambda value: value.update(specseal_version={"a": 1}))


def value_of_another_type(bundle: Path) -> None:
    edit(bundle / "result.json", lambda value: value["metrics"][0].update(value="x"))


def place_of_another_type(bundle: Path) -> None:
    edit(bundle / "result.json", lambda value: value["metrics"][0]["where"].update(turn={"a": 1}))


def records_with_another_column(bundle: Path) -> None:
    add_column(bundle / "records.parquet", "more")


def sample_of_another_bundle(bundle: Path) -> None:
    add_column(bundle / "telemetry.parquet", "bundle")


def sample_with_one_column_twice(bundle: Path) -> None:
    add_column(bundle / "telemetry.parquet", "CPU_percent")


def add_column(path: Path, name: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column(name, pa.array(["x"] * len(table))), path)


@pytest.mark.parametrize(
    ("spoil", "table"),
    [
        (version_of_another_type, "bundles"),
        (value_of_another_type, "metrics"),
        (place_of_another_type, "metrics"),
        (records_with_another_column, "records"),
        (sample_of_another_bundle, "telemetry"),
        (sample_with_one_column_twice, "telemetry"),
    ],
)
def test_bundle_that_fits_no_other_is_named(
    good: GoodBundle, tmp_path: Path, spoil: Callable[[Path], None], table: str
) -> None:
    good.copy(tmp_path / "good")
    spoilt = good.copy(tmp_path / "spoilt")
    spoil(spoilt)
    good.sign_as_is(spoilt)
    for order in (["good", "spoilt"], ["spoilt", "good"]):
        with pytest.raises(VerificationFailed, match=r"^\S+/spoilt: not what a bundle holds"):
            query(f"SELECT * FROM {table}", [tmp_path / name for name in order])


def test_telemetry_that_others_measure_otherwise_is_named(good: GoodBundle, tmp_path: Path) -> None:
    good.copy(tmp_path / "good")
    other = good.copy(tmp_path / "other")
    table = pq.read_table(other / "telemetry.parquet")
    at = table.schema.get_field_index("cpu_percent")
    words = table.set_column(at, "cpu_percent", pa.array(["much"] * len(table)))
    pq.write_table(words, other / "telemetry.parquet")
    good.sign_as_is(other)
    with pytest.raises(VerificationFailed, match=r"other: its columns do not fit .*cpu_percent"):
        query("SELECT avg(cpu_percent) FROM telemetry", [tmp_path])


def test_what_a_terminal_would_obey_is_shown_and_passed_on_to_programs(
    good: GoodBundle, tmp_path: Path
) -> None:
    bundle = good.copy(tmp_path / "bundle")
    evil = "\x1b]0;owned\x07"
    edit(bundle / "environment.json", lambda value: value.update(specseal_version=evil))
    good.sign_as_is(bundle)
    sql = f'SELECT specseal_version AS "{evil}" FROM bundles'
    for form in ("simple", "github", "markdown", "latex"):
        shown = ask(sql, bundle, "--format", form).output
        assert "\x1b" not in shown
        assert shown.count("owned") == 2
    assert evil in ask(sql, bundle, "--format", "csv").output
    assert json.loads(ask(sql, bundle, "--json").output)["rows"] == [[evil]]
