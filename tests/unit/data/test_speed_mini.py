"""Hold the built-in data set to its description.

`problems` takes the decoded rows and returns one sentence for each way in which they differ from
what `data/speed-mini/README.md` promises; no sentence means a good set. The tests run it over the
file that ships, then break a good set in each way and see the break named.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

Row = dict[str, Any]

CATEGORIES = frozenset(
    {
        "coding",
        "humanities",
        "math",
        "multilingual",
        "qa",
        "rag",
        "reasoning",
        "roleplay",
        "stem",
        "summarization",
        "writing",
    }
)
WITH_CONTEXT = frozenset({"rag", "summarization"})
COLUMNS = (
    "question_id",
    "category",
    "sub_category",
    "source",
    "src_id",
    "difficulty",
    "turns",
    "multiturn",
)
TEXT_COLUMNS = COLUMNS[:6]
DIFFICULTIES = frozenset({"easy", "medium", "hard"})
ROWS_PER_CATEGORY = 8
MULTITURN_PER_CATEGORY = 2
MOST_TURNS = 4
FEWEST_LANGUAGES = 8
# A word count stands in for 300 to 1,500 tokens, so that the test needs no tokenizer.
CONTEXT_WORDS = (200, 1200)
PROMPT_WORDS = (15, 250)
# SPEED-Bench's hub copy has this sentence in place of prompts it may not redistribute.
PLACEHOLDER = "FULL BENCHMARK DATA SHOULD BE FETCHED"
# Chinese and Japanese do not put spaces between words: each character counts as one.
WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\s\u3040-\u30ff\u4e00-\u9fff]+")

FILE = files("specseal") / "data" / "speed-mini" / "qualitative.jsonl"


def problems(rows: list[Row]) -> list[str]:
    """Name everything that is wrong with the rows.

    Where a row lacks the right columns or types, only that is reported, as the other checks
    could not be relied on.
    """
    malformed = [found for number, row in enumerate(rows, 1) for found in _malformed(number, row)]
    if malformed:
        return malformed
    return [found for check in CHECKS for found in check(rows)]


def _malformed(number: int, row: Row) -> list[str]:
    if tuple(row) != COLUMNS:
        return [f"row {number}: columns are {', '.join(row)}"]
    found = [
        f"row {number}: {column} is not a non-empty string"
        for column in TEXT_COLUMNS
        if not (isinstance(row[column], str) and row[column].strip())
    ]
    turns = row["turns"]
    if not (isinstance(turns, list) and turns):
        found.append(f"row {number}: turns is not a non-empty list")
    elif not all(isinstance(turn, str) and turn.strip() for turn in turns):
        found.append(f"row {number}: a turn is not a non-empty string")
    if not isinstance(row["multiturn"], bool):
        found.append(f"row {number}: multiturn is not a bool")
    return found


def _labels(rows: list[Row]) -> list[str]:
    found = []
    for row in rows:
        name = row["question_id"]
        if name != f"speed-mini-{row['category']}-{row['src_id']}":
            found.append(f"{name}: question_id does not agree with category and src_id")
        if row["src_id"] not in {str(n) for n in range(1, ROWS_PER_CATEGORY + 1)}:
            found.append(f"{name}: src_id {row['src_id']} is out of range")
        if row["source"] != "specseal":
            found.append(f"{name}: source is {row['source']}")
        if row["difficulty"] not in DIFFICULTIES:
            found.append(f"{name}: unknown difficulty {row['difficulty']}")
    return found


def _categories(rows: list[Row]) -> list[str]:
    counts = Counter(row["category"] for row in rows)
    unknown = [f"unknown category {name}" for name in sorted(counts.keys() - CATEGORIES)]
    return unknown + [
        f"{name}: {counts[name]} rows, expected {ROWS_PER_CATEGORY}"
        for name in sorted(CATEGORIES)
        if counts[name] != ROWS_PER_CATEGORY
    ]


def _multiturn(rows: list[Row]) -> list[str]:
    found = []
    for row in rows:
        if row["multiturn"] != (len(row["turns"]) > 1):
            found.append(f"{row['question_id']}: multiturn does not agree with turns")
        if len(row["turns"]) > MOST_TURNS:
            found.append(f"{row['question_id']}: more than {MOST_TURNS} turns")
    counts = Counter(row["category"] for row in rows if row["multiturn"])
    found += [
        f"{name}: {counts[name]} multi-turn rows, expected {MULTITURN_PER_CATEGORY}"
        for name in sorted(CATEGORIES)
        if counts[name] != MULTITURN_PER_CATEGORY
    ]
    expected = MULTITURN_PER_CATEGORY * len(CATEGORIES)
    if counts.total() != expected:
        found.append(f"{counts.total()} multi-turn rows, expected {expected}")
    return found


def _repeats(rows: list[Row]) -> list[str]:
    ids = Counter(row["question_id"] for row in rows)
    first_turns = Counter(row["turns"][0] for row in rows)
    return [f"{name}: question_id is repeated" for name, count in ids.items() if count > 1] + [
        f"first turn is repeated: {turn[:40]}" for turn, count in first_turns.items() if count > 1
    ]


def _languages(rows: list[Row]) -> list[str]:
    names = [row["sub_category"] for row in rows if row["category"] == "multilingual"]
    found = [
        f"multilingual: {name} does not end in a language code"
        for name in names
        if not re.search(r"-[a-z]{2}$", name)
    ]
    languages = {name.rpartition("-")[2] for name in names}
    if len(languages) < FEWEST_LANGUAGES:
        found.append(f"multilingual: {len(languages)} languages, expected {FEWEST_LANGUAGES}")
    return found


def _lengths(rows: list[Row]) -> list[str]:
    found = []
    for row in rows:
        for position, turn in enumerate(row["turns"], 1):
            has_context = position == 1 and row["category"] in WITH_CONTEXT
            fewest, most = CONTEXT_WORDS if has_context else PROMPT_WORDS
            words = len(WORD.findall(turn))
            if not fewest <= words <= most:
                found.append(
                    f"{row['question_id']}: turn {position} has {words} words, "
                    f"expected {fewest} to {most}"
                )
    return found


def _placeholders(rows: list[Row]) -> list[str]:
    return [
        f"{row['question_id']}: turn {position} is a placeholder"
        for row in rows
        for position, turn in enumerate(row["turns"], 1)
        if PLACEHOLDER in turn
    ]


CHECKS: tuple[Callable[[list[Row]], list[str]], ...] = (
    _labels,
    _categories,
    _multiturn,
    _repeats,
    _languages,
    _lengths,
    _placeholders,
)


@pytest.fixture(scope="module")
def shipped() -> list[Row]:
    """Decode the file once for all tests of this module."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def rows(shipped: list[Row]) -> list[Row]:
    """Give each test a copy that it may break."""
    return copy.deepcopy(shipped)


def test_shipped_set_has_no_problems(shipped: list[Row]) -> None:
    assert problems(shipped) == []


def test_shipped_set_has_88_rows_of_which_22_are_multiturn(shipped: list[Row]) -> None:
    assert len(shipped) == 88
    assert sum(row["multiturn"] for row in shipped) == 22


def test_shipped_file_is_written_in_the_one_agreed_form(shipped: list[Row]) -> None:
    written = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shipped)
    assert FILE.read_bytes() == written.encode("utf-8")


def _row(rows: list[Row], question_id: str) -> Row:
    return next(row for row in rows if row["question_id"] == question_id)


def _edit(name: str, /, **changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: _row(rows, name).update(changes)


def _drop_column(rows: list[Row]) -> None:
    del rows[0]["difficulty"]


def _drop_row(rows: list[Row]) -> None:
    rows.remove(_row(rows, "speed-mini-qa-1"))


def _make_third_multiturn(rows: list[Row]) -> None:
    row = _row(rows, "speed-mini-qa-1")
    row["turns"].append(_row(rows, "speed-mini-qa-2")["turns"][0])
    row["multiturn"] = True


def _make_long_conversation(rows: list[Row]) -> None:
    _row(rows, "speed-mini-rag-8")["turns"].append(_row(rows, "speed-mini-qa-1")["turns"][0])


def _repeat_first_turn(rows: list[Row]) -> None:
    _row(rows, "speed-mini-qa-2")["turns"] = _row(rows, "speed-mini-qa-1")["turns"]


def _repeat_row(rows: list[Row]) -> None:
    rows.append(_row(rows, "speed-mini-qa-1"))


def _put_placeholder(rows: list[Row]) -> None:
    row = _row(rows, "speed-mini-qa-1")
    row["turns"][0] = f"{PLACEHOLDER} FROM THE SOURCE USING SPECDEC_BENCH {row['turns'][0]}"


QA = "speed-mini-qa-1"

BREAKS: list[tuple[str, Callable[[list[Row]], None], str]] = [
    ("column missing", _drop_column, "row 1: columns are"),
    ("column added", _edit("speed-mini-coding-1", note="x"), "row 1: columns are"),
    ("src_id as a number", _edit("speed-mini-coding-1", src_id=1), "row 1: src_id is not"),
    (
        "sub_category empty",
        _edit("speed-mini-coding-1", sub_category=" "),
        "row 1: sub_category is not",
    ),
    ("no turns", _edit("speed-mini-coding-1", turns=[]), "row 1: turns is not"),
    ("turns as one string", _edit("speed-mini-coding-1", turns="Hello"), "row 1: turns is not"),
    ("empty turn", _edit("speed-mini-coding-1", turns=["Hello", ""]), "row 1: a turn is not"),
    ("multiturn as a number", _edit("speed-mini-coding-1", multiturn=0), "row 1: multiturn is not"),
    (
        "id of another row's kind",
        _edit(QA, question_id="speed-mini-math-x"),
        "speed-mini-math-x: question_id does not agree",
    ),
    ("src_id too high", _edit(QA, src_id="9"), "src_id 9 is out of range"),
    ("source foreign", _edit(QA, source="elsewhere"), "source is elsewhere"),
    ("difficulty unknown", _edit(QA, difficulty="tricky"), "unknown difficulty tricky"),
    ("category unknown", _edit(QA, category="poetry"), "unknown category poetry"),
    ("row missing", _drop_row, "qa: 7 rows, expected 8"),
    ("multiturn untrue", _edit(QA, multiturn=True), f"{QA}: multiturn does not agree"),
    ("third multi-turn row", _make_third_multiturn, "qa: 3 multi-turn rows, expected 2"),
    ("one multi-turn row too many", _make_third_multiturn, "23 multi-turn rows, expected 22"),
    ("five turns", _make_long_conversation, "speed-mini-rag-8: more than 4 turns"),
    ("id repeated", _repeat_row, f"{QA}: question_id is repeated"),
    ("first turn repeated", _repeat_first_turn, "first turn is repeated: Which countries"),
    (
        "language repeated",
        _edit("speed-mini-multilingual-1", sub_category="translation-fr"),
        "multilingual: 7 languages, expected 8",
    ),
    (
        "language not named",
        _edit("speed-mini-multilingual-1", sub_category="translation"),
        "translation does not end in a language code",
    ),
    (
        "context too short",
        _edit("speed-mini-rag-1", turns=["word " * 199]),
        "speed-mini-rag-1: turn 1 has 199 words, expected 200 to 1200",
    ),
    (
        "context too long",
        _edit("speed-mini-summarization-1", turns=["word " * 1201]),
        "speed-mini-summarization-1: turn 1 has 1201 words, expected 200 to 1200",
    ),
    (
        "prompt too short",
        _edit(QA, turns=["Why is the sky blue?"]),
        f"{QA}: turn 1 has 5 words, expected 15 to 250",
    ),
    (
        "prompt too long",
        _edit(QA, turns=["word " * 251]),
        f"{QA}: turn 1 has 251 words, expected 15 to 250",
    ),
    ("placeholder", _put_placeholder, f"{QA}: turn 1 is a placeholder"),
]


@pytest.mark.parametrize(
    ("break_it", "named"), [case[1:] for case in BREAKS], ids=[case[0] for case in BREAKS]
)
def test_broken_set_is_refused_and_the_break_is_named(
    rows: list[Row], break_it: Callable[[list[Row]], None], named: str
) -> None:
    break_it(rows)
    assert any(named in found for found in problems(rows)), problems(rows)


def test_every_break_in_a_set_is_reported_not_only_the_first(rows: list[Row]) -> None:
    _put_placeholder(rows)
    _edit("speed-mini-stem-1", difficulty="tricky")(rows)
    assert len(problems(rows)) == 2


def test_empty_set_lacks_every_category() -> None:
    assert {f"{name}: 0 rows, expected 8" for name in CATEGORIES} <= set(problems([]))
