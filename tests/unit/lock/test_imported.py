"""SPEED-Bench comes in whole or not at all, is the same in both forms, and is found by specs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from specseal.digests import Digest, sha256_file, sha256_value
from specseal.errors import InputError, LockError, MachineLacks, SpecError
from specseal.lock import (
    ImportedCopy,
    NotCounted,
    Store,
    TokenCounter,
    as_locked,
    choose_copy,
    find_official,
    import_files,
    imported_copies,
    remove_copy,
)
from specseal.lock.datasets import DatasetPin, load_rows
from specseal.lock.rows import PLACEHOLDER
from specseal.settings import Settings
from specseal.spec.model import Dataset
from speedbench import WORDS, Rows, good_rows, write_json_lines, write_lines, write_parquet

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
NONE_COUNTS = NotCounted(reason="tiktoken is not installed")
QUALITATIVE, THROUGHPUT = "qualitative", "throughput_1k"
Break = Callable[[Rows], None]


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache", config_dir=tmp_path, runs_dir=tmp_path,
        signing_key=tmp_path / "key",
    )  # fmt: skip


def bring(
    path: Path,
    site: Settings,
    config: str | None = None,
    *,
    counter: TokenCounter | NotCounted = WORDS,
    now: datetime = NOW,
) -> list[ImportedCopy]:
    return import_files(find_official(path, config), settings=site, counter=counter, now=now)


def load(site: Settings, config: str = QUALITATIVE, sha256: str | None = None) -> DatasetPin:
    digest = None if sha256 is None else Digest(sha256)
    dataset = Dataset(kind="speed-bench", config=config, sha256=digest)
    return load_rows(dataset, spec_folder=site.config_dir, settings=site)


def in_both_forms(folder: Path, config: str, rows: Rows) -> tuple[Path, Path]:
    parquet = write_parquet(folder / "parquet", config, rows)
    return parquet, write_json_lines(folder / "lines", config, rows)


def test_both_official_forms_of_the_same_rows_are_one_copy(tmp_path: Path, site: Settings) -> None:
    parquet, lines = in_both_forms(tmp_path, QUALITATIVE, good_rows(QUALITATIVE))
    ((first,), (second,)) = bring(parquet, site), bring(lines, site)
    assert first.sha256 == second.sha256
    assert (first.form, second.form) == ("parquet", "json-lines")
    assert (first.file_sha256, second.file_sha256) == (sha256_file(parquet), sha256_file(lines))
    assert [copy.form for copy in imported_copies(site)] == ["json-lines"]


def test_imported_rows_are_what_a_spec_gets_restricted_and_pinned(
    tmp_path: Path, site: Settings
) -> None:
    rows = good_rows(QUALITATIVE)
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, rows), site)
    pin = load(site)
    assert pin.source == {"kind": "speed-bench", "config": QUALITATIVE}
    assert pin.restricted
    assert (pin.file_sha256, pin.revision) == (copy.sha256, None)
    assert [row.id for row in pin.rows] == [row["question_id"] for row in rows]
    assert pin.rows[1].turns == tuple(rows[1]["turns"])
    assert pin.rows[1].sha256 == sha256_value(rows[1])


def test_every_configuration_of_a_folder_comes_in(tmp_path: Path, site: Settings) -> None:
    for config in (THROUGHPUT, QUALITATIVE):
        write_parquet(tmp_path / "data" / "speed", config, good_rows(config))
    bring(tmp_path, site)
    assert [copy.config for copy in imported_copies(site)] == [QUALITATIVE, THROUGHPUT]
    assert [row.category for row in load(site, THROUGHPUT).rows[:4]] == [
        "low_entropy", "mixed", "high_entropy", "low_entropy",
    ]  # fmt: skip


def spoil(change: dict[str, Any]) -> Break:
    return lambda rows: rows[6].update(change)


BROKEN: list[tuple[Break, str]] = [
    (spoil({"turns": [f"{PLACEHOLDER}\n\n{{question}}"]}), ":7:1: turns: holds SPEED-Bench's pla"),
    (spoil({"turns": ["Fine.", PLACEHOLDER]}), ":7:1: turns: holds SPEED-Bench's placeholder"),
    (spoil({"question_id": "qualitative-coding-000"}), ":7:1: question_id: 'qualitative-coding-0"),
    (spoil({"question_id": ""}), ":7:1: question_id: expected a text that is not empty"),
    (spoil({"category": "cooking"}), ":7:1: category: 'cooking' is not one of coding, humanities"),
    (spoil({"category": "coding"}), ":870:1: category: row 81 of coding; qualitative has 80 of e"),
    (spoil({"multiturn": None}), ":7:1: multiturn: expected true or false"),
    (spoil({"turns": ["a turn"] * 6}), ":7:1: turns: 6 turns; qualitative has 5 at most"),
    (lambda rows: rows.__delitem__(6), ":879:1: category: 79 rows of reasoning in all; qualitati"),
    (lambda rows: rows.__delitem__(slice(80, None)), ":80:1: category: 8 rows of coding in all;"),
    (lambda rows: [row.pop("src_id") for row in rows] and None, ":1:1: src_id: missing"),
    (lambda rows: [row.update(extra="1") for row in rows] and None, ":1:1: extra: not a column"),
]


@pytest.mark.parametrize("form", [write_parquet, write_json_lines])
@pytest.mark.parametrize(("spoiled", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_wrong_row_is_named_and_nothing_is_kept(
    spoiled: Break, said: str, form: Callable[[Path, str, Rows], Path], tmp_path: Path,
    site: Settings,
) -> None:  # fmt: skip
    rows = good_rows(QUALITATIVE)
    spoiled(rows)
    path = form(tmp_path, QUALITATIVE, rows)
    with pytest.raises(SpecError) as caught:
        bring(path, site)
    assert any(str(one).startswith(f"{path}{said}") for one in caught.value.problems), caught.value
    assert imported_copies(site) == []


@pytest.mark.parametrize("turns", [[], ["Fine.", " \n"], ["half a character: \ud83d"]])
def test_empty_turn_is_refused_in_both_forms(
    turns: list[str], tmp_path: Path, site: Settings
) -> None:
    rows = good_rows(QUALITATIVE)
    rows[6]["turns"] = turns
    with pytest.raises(SpecError, match=r":7:1: messages: expected a list of \{role: user"):
        bring(write_json_lines(tmp_path, QUALITATIVE, rows), site)
    if "\ud83d" not in "".join(turns):  # Parquet has no such texts
        with pytest.raises(SpecError, match=":7:1: turns: expected a list of texts"):
            bring(write_parquet(tmp_path, QUALITATIVE, rows), site)


@pytest.mark.parametrize(
    "messages",
    [
        None,
        "Fine.",
        ["Fine."],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Fine."}],
        [{"role": "user", "content": "Fine."}, {"role": "assistant", "content": "Is it?"}],
        [{"role": "user", "content": "Fine.", "name": "me"}],
        [{"role": "user"}],
        [{"role": "user", "content": [{"type": "text", "text": "Fine."}]}],
    ],
)
def test_messages_that_are_not_just_what_the_user_says_are_refused_by_row(
    messages: Any, tmp_path: Path, site: Settings
) -> None:
    path = write_json_lines(tmp_path, QUALITATIVE, good_rows(QUALITATIVE))
    lines = path.read_text().splitlines()
    lines[6] = json.dumps({**json.loads(lines[6]), "messages": messages})
    write_lines(path, lines)
    with pytest.raises(SpecError) as caught:
        bring(path, site)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{path}:7:1: messages: expected a list of {{role: user")


def test_turns_in_json_lines_are_no_official_form(tmp_path: Path, site: Settings) -> None:
    rows = [json.dumps(row) for row in good_rows(QUALITATIVE)]
    with pytest.raises(SpecError, match=r":1:1: messages: expected .*, in place of turns"):
        bring(write_lines(tmp_path / "qualitative.jsonl", rows), site)


def test_line_that_is_no_json_is_named_and_what_is_missing_is_not_guessed(
    tmp_path: Path, site: Settings
) -> None:
    path = write_json_lines(tmp_path, QUALITATIVE, good_rows(QUALITATIVE))
    write_lines(path, ["{", *path.read_text().splitlines()[1:]])
    with pytest.raises(SpecError) as caught:
        bring(path, site)
    assert [problem.line for problem in caught.value.problems] == [1]


@pytest.mark.parametrize("words", [10, 991, 1009, 32_000])
def test_row_that_is_not_as_long_as_its_bucket_is_named(
    words: int, tmp_path: Path, site: Settings
) -> None:
    rows = good_rows(THROUGHPUT)
    rows[6]["turns"] = good_rows(THROUGHPUT, words=words)[6]["turns"]
    with pytest.raises(SpecError) as caught:
        bring(write_parquet(tmp_path, THROUGHPUT, rows), site)
    (problem,) = caught.value.problems
    assert (problem.line, problem.where) == (7, "turns")
    assert problem.message.startswith(f"{words} tokens; expected ")


def test_rows_a_few_tokens_off_their_bucket_are_right(tmp_path: Path, site: Settings) -> None:
    # The prepare step leaves rows of one token more; its cuts fall inside words, too.
    rows = good_rows(THROUGHPUT)
    for number, words in ((6, 1001), (7, 992), (8, 1008)):
        rows[number]["turns"] = good_rows(THROUGHPUT, words=words)[number]["turns"]
    (copy,) = bring(write_parquet(tmp_path, THROUGHPUT, rows), site)
    assert copy.lengths.checked_by == "words"
    assert copy.lengths.by_category == {
        "low_entropy": (1000, 1001), "mixed": (992, 1000), "high_entropy": (1000, 1008),
    }  # fmt: skip


def test_lengths_that_nobody_can_count_are_noted_as_not_checked(
    tmp_path: Path, site: Settings
) -> None:
    path = write_parquet(tmp_path, THROUGHPUT, good_rows(THROUGHPUT, words=3))
    (copy,) = bring(path, site, counter=NONE_COUNTS)
    assert copy.lengths.checked_by is None
    assert copy.lengths.reason == "tiktoken is not installed"
    assert imported_copies(site)[0].lengths == copy.lengths


def test_lengths_that_were_checked_once_stay_checked(tmp_path: Path, site: Settings) -> None:
    path = write_parquet(tmp_path, THROUGHPUT, good_rows(THROUGHPUT))
    bring(path, site)
    (copy,) = bring(path, site, counter=NONE_COUNTS)
    assert copy.lengths.checked_by == "words"


def test_what_a_copy_was_made_of_stays_known_when_its_rows_are_handed_over_again(
    tmp_path: Path, site: Settings
) -> None:
    path = write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE))
    made_of = {"commit": "a" * 40}
    import_files(find_official(path), settings=site, counter=WORDS, now=NOW, prepared_by=made_of)
    (copy,) = bring(path, site)
    assert copy.prepared_by == made_of
    assert imported_copies(site) == [copy]


def test_one_bad_configuration_keeps_out_the_good_ones(tmp_path: Path, site: Settings) -> None:
    write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE))
    bad = write_parquet(tmp_path, THROUGHPUT, good_rows(THROUGHPUT)[1:])
    with pytest.raises(SpecError, match=f"{bad}:1535:1: category: 511 rows of low_entropy in all"):
        bring(tmp_path, site)
    assert imported_copies(site) == []
    (copy,) = bring(tmp_path, site, QUALITATIVE)
    assert copy.config == QUALITATIVE


def test_copy_that_is_not_there_is_told_with_how_to_get_it(site: Settings) -> None:
    with pytest.raises(MachineLacks, match="SPEED-Bench's qualitative is not on this") as caught:
        load(site)
    for command in ("specseal data import PATH", "specseal data prepare speed-bench"):
        assert command in caught.value.mend


def test_of_several_copies_a_spec_must_name_one(tmp_path: Path, site: Settings) -> None:
    one, other = good_rows(QUALITATIVE), good_rows(QUALITATIVE, words=7)
    copies = [
        bring(write_parquet(tmp_path / str(number), QUALITATIVE, rows), site)[0]
        for number, rows in enumerate((one, other))
    ]
    with pytest.raises(InputError, match="stands for 2 imported copies") as caught:
        load(site)
    assert all(copy.sha256 in caught.value.message for copy in copies)
    for copy in copies:
        pin = load(site, sha256=copy.sha256)
        assert pin.file_sha256 == copy.sha256
        assert pin.source["sha256"] == copy.sha256


def test_lock_goes_on_with_its_own_copy_when_another_comes_in(
    tmp_path: Path, site: Settings
) -> None:
    (first,) = bring(write_parquet(tmp_path / "1", QUALITATIVE, good_rows(QUALITATIVE)), site)
    bring(write_parquet(tmp_path / "2", QUALITATIVE, good_rows(QUALITATIVE, words=7)), site)
    asked = Dataset(kind="speed-bench", config=QUALITATIVE)
    locked = as_locked(asked, {"revision": None, "file_sha256": first.sha256})
    assert load(site, sha256=locked.sha256).file_sha256 == first.sha256


def test_named_copy_that_is_not_there_is_told_beside_those_that_are(
    tmp_path: Path, site: Settings
) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    with pytest.raises(MachineLacks, match=f"{'0' * 64} is not on .*there is {copy.sha256}"):
        load(site, sha256="0" * 64)


def test_rows_altered_in_the_store_are_refused(tmp_path: Path, site: Settings) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    kept = Store(site.cache_dir).get(copy.sha256)
    kept.chmod(0o644)
    kept.write_bytes(kept.read_bytes().replace(b"go", b"no"))
    with pytest.raises(MachineLacks, match="altered in the store") as caught:
        load(site)
    assert "specseal data import" in caught.value.mend


def test_rows_are_checked_again_when_a_spec_takes_them(tmp_path: Path, site: Settings) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    short = Store(site.cache_dir).get(copy.sha256).read_bytes().split(b"\n", 1)[1]
    wrong = replace(copy, sha256=Store(site.cache_dir).put(short))
    note = site.cache_dir / "imported" / f"{wrong.sha256}.json"
    note.write_text(json.dumps(wrong.to_dict()))
    with pytest.raises(SpecError, match="category: 79 rows of coding in all"):
        load(site, sha256=wrong.sha256)


def test_copies_are_named_by_configuration_digest_or_its_beginning(
    tmp_path: Path, site: Settings
) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    for named in (QUALITATIVE, copy.sha256, f"sha256:{copy.sha256}", copy.sha256[:8]):
        assert choose_copy(named, site) == copy
    with pytest.raises(InputError, match="'qualitativ' is no configuration"):
        choose_copy("qualitativ", site)
    with pytest.raises(InputError, match="'abc' is no configuration"):
        choose_copy("abc", site)
    with pytest.raises(MachineLacks, match="00000000 is not on this machine"):
        choose_copy("00000000", site)


def test_removed_copy_is_gone_with_its_rows(tmp_path: Path, site: Settings) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    remove_copy(copy, site)
    assert imported_copies(site) == []
    assert not Store(site.cache_dir).has(copy.sha256)


def test_import_that_dies_before_its_note_leaves_no_copy(
    tmp_path: Path, site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    path = write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE))
    monkeypatch.setattr("specseal.lock.imported.write_atomically", die)
    with pytest.raises(KeyboardInterrupt):
        bring(path, site)
    monkeypatch.undo()
    assert imported_copies(site) == []
    (copy,) = bring(path, site)
    assert load(site).file_sha256 == copy.sha256


def test_copies_are_listed_by_configuration_then_by_time(tmp_path: Path, site: Settings) -> None:
    for hours, (config, words) in enumerate(
        [(THROUGHPUT, None), (QUALITATIVE, 7), (QUALITATIVE, 6)]
    ):
        path = write_parquet(tmp_path / str(hours), config, good_rows(config, words=words))
        bring(path, site, now=NOW + timedelta(hours=hours))
    told = [(copy.config, copy.imported_at[11:13]) for copy in imported_copies(site)]
    assert told == [(QUALITATIVE, "10"), (QUALITATIVE, "11"), (THROUGHPUT, "09")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "specseal/imported/9"}'])
def test_note_that_can_not_be_read_is_refused_by_name(text: str, site: Settings) -> None:
    note = site.cache_dir / "imported" / f"{'1' * 64}.json"
    note.parent.mkdir(parents=True)
    note.write_text(text)
    with pytest.raises(LockError, match=f"{note}: what was noted of imported data"):
        imported_copies(site)


def test_note_of_something_else_is_refused(tmp_path: Path, site: Settings) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    note = site.cache_dir / "imported" / f"{copy.sha256}.json"
    note.rename(note.with_name(f"{'1' * 64}.json"))
    with pytest.raises(LockError, match="is a note of something else"):
        imported_copies(site)


def test_note_holds_no_prompt_and_no_path(tmp_path: Path, site: Settings) -> None:
    (copy,) = bring(write_parquet(tmp_path, QUALITATIVE, good_rows(QUALITATIVE)), site)
    note = (site.cache_dir / "imported" / f"{copy.sha256}.json").read_text()
    assert "go go" not in note
    assert str(tmp_path) not in note
