"""Questions in SQL over several bundles."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from attacks.builder import NOW, GoodBundle, make_signer
from specseal.bundle import query, seal
from specseal.bundle.envelope import wrap
from specseal.bundle.layout import RESULT_ATTESTATION
from specseal.cli.main import group
from specseal.errors import InputError, MachineLacks, VerificationFailed

Ask = Callable[..., Result]


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
