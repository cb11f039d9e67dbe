"""Hold speed-mini's throughput splits to their description, but for the lengths in tokens.

Those need the tokenizer: `tests/contract/test_speed_mini_lengths.py` counts them.
"""

import json
import random
from collections import Counter
from importlib.resources import files
from itertools import islice, pairwise, takewhile
from typing import Any

import pytest

from cuts import LEAST_SHARE, find_cut, repeated_sentences
from specseal.data import BUILTIN
from specseal.data.throughput import ROWS, SPLITS, TIERS, make_prompt, throughput_lines
from specseal.digests import sha256_bytes

Row = dict[str, Any]

# Written by hand when a text, a name list or the cuts have changed on purpose.
GOLDEN = {
    "throughput_1k": "7c8b3a9aa940080c1dc514b8de0f6165f81028e3ab9f58e553a54bb355e92dad",
    "throughput_2k": "2f78e1558cf3ae0ae41da4a02686271c488433c09bc1edca3bb3121b60ac6ef2",
    "throughput_8k": "567f54fe863e10072c79c691de295e6488f4be6e8c867286820d0f473d0556b6",
}
# Shorter than the blocks in which engines share prompts: 16 tokens in vLLM.
LONGEST_SHARED_START = 48
# Few where there are many digits, each of which is a token.
CHARACTERS_PER_TOKEN = (1.2, 5.0)
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return {
        split: [json.loads(line) for line in throughput_lines(split).splitlines()]
        for split in SPLITS
    }


def shared_starts(texts: list[str]) -> list[str]:
    """Return what two neighbours in the order of the alphabet begin alike with, where too long."""
    found = (shared_start(*pair) for pair in pairwise(sorted(texts)))
    return [start for start in found if len(start) > LONGEST_SHARED_START]


def shared_start(one: str, other: str) -> str:
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(character for character, _ in alike)


@pytest.mark.parametrize("split", SPLITS)
def test_bytes_of_a_split_are_the_same_on_every_machine_and_python(split: str) -> None:
    assert sha256_bytes(throughput_lines(split)) == GOLDEN[split]


def test_state_of_the_global_generator_is_neither_used_nor_moved() -> None:
    random.seed(1)
    state = random.getstate()
    throughput_lines("throughput_1k")
    assert random.getstate() == state


@pytest.mark.parametrize("split", SPLITS)
def test_split_has_24_prompts_a_tier_in_the_columns_of_the_set(
    rows: dict[str, list[Row]], split: str
) -> None:
    qualitative = json.loads(BUILTIN["speed-mini"]["qualitative"]().splitlines()[0])
    assert Counter(row["category"] for row in rows[split]) == dict.fromkeys(TIERS, ROWS)
    for row in rows[split]:
        assert list(row) == list(qualitative)
        assert row["question_id"] == f"speed-mini-{split}-{row['category']}-{row['src_id']}"
        assert row["sub_category"] in TIERS[row["category"]]
        assert (len(row["turns"]), row["multiturn"]) == (1, False)


@pytest.mark.parametrize("split", SPLITS)
def test_every_kind_of_a_tier_has_the_same_number_of_prompts(
    rows: dict[str, list[Row]], split: str
) -> None:
    for tier, kinds in TIERS.items():
        found = Counter(row["sub_category"] for row in rows[split] if row["category"] == tier)
        assert found == dict.fromkeys(kinds, ROWS // len(kinds))


def test_ids_are_unique_over_all_splits(rows: dict[str, list[Row]]) -> None:
    ids = Counter(row["question_id"] for split in rows.values() for row in split)
    assert set(ids.values()) == {1}


def test_no_two_prompts_begin_alike_so_that_a_prefix_cache_gains_nothing(
    rows: dict[str, list[Row]],
) -> None:
    texts = [row["turns"][0] for split in rows.values() for row in split]
    assert shared_starts(texts) == []
    assert len({text[:200] for text in texts}) == len(texts)


def test_shared_start_is_found_wherever_the_two_prompts_stand() -> None:
    start = "x" * (LONGEST_SHARED_START + 1)
    assert shared_starts([f"{start}b", "a", f"{start}a", "y"]) == [start]


@pytest.mark.parametrize("split", SPLITS)
def test_no_sentence_of_papers_or_notes_stands_twice_in_a_prompt(
    rows: dict[str, list[Row]], split: str
) -> None:
    for row in rows[split]:
        if row["category"] != "low_entropy":
            assert repeated_sentences(row["turns"][0]) == [], row["question_id"]


def test_repeated_sentence_is_found_and_named() -> None:
    twice = "The tide gauge read 5 inches over the mark."
    assert repeated_sentences(f"{twice} Snow in May.\n- {twice} Snow in May.") == [twice]


@pytest.mark.parametrize("split", SPLITS)
def test_each_prompt_is_about_as_long_as_its_split_says(
    rows: dict[str, list[Row]], split: str
) -> None:
    fewest, most = (SPLITS[split] * characters for characters in CHARACTERS_PER_TOKEN)
    for row in rows[split]:
        assert fewest <= len(row["turns"][0]) <= most, row["question_id"]


@pytest.mark.parametrize("tier", TIERS)
def test_cut_that_is_found_fills_the_length_and_does_not_pass_it(tier: str) -> None:
    def tokens(text: str) -> int:
        return len(text) // 4

    variant, units = find_cut("throughput_1k", tier, 0, tokens)
    text = make_prompt("throughput_1k", tier, 0, variant).text(units)
    assert LEAST_SHARE * 1000 <= tokens(text) <= 1000
    assert tokens(make_prompt("throughput_1k", tier, 0, variant).text(units + 1)) > 1000


@pytest.mark.parametrize("tier", TIERS)
def test_longer_prompt_of_one_name_keeps_all_units_of_the_shorter(tier: str) -> None:
    units = [
        set(islice(make_prompt("throughput_1k", tier, 0, 0).units, count)) for count in (10, 20)
    ]
    assert units[0] < units[1]


def test_what_is_asked_for_stands_once_in_the_papers_and_away_from_their_ends(
    rows: dict[str, list[Row]],
) -> None:
    for row in (row for split in rows.values() for row in split if row["category"] == "mixed"):
        lines = row["turns"][0].split("\n")
        notes = [place for place, line in enumerate(lines) if line.startswith("Note. ")]
        assert len(notes) == 2
        for place in notes:
            assert row["turns"][0].count(lines[place]) == 1
            assert 0.2 < place / len(lines) < 0.8


def test_another_variant_or_row_or_split_makes_another_text() -> None:
    names = [
        ("throughput_1k", "mixed", 0, 0),
        ("throughput_1k", "mixed", 0, 1),
        ("throughput_1k", "mixed", 4, 0),
        ("throughput_2k", "mixed", 0, 0),
    ]
    assert len({make_prompt(*name).text(5) for name in names}) == len(names)


def test_package_carries_texts_and_cuts_not_megabytes() -> None:
    folder = files("specseal") / "data" / "speed-mini"
    sizes = [len(file.read_bytes()) for file in (folder / "texts").iterdir()]
    sizes += [len(file.read_bytes()) for file in folder.iterdir() if file.is_file()]
    assert sum(sizes) < MOST_BYTES
