"""Random inputs: the shape of the prompts they stand in for, and nothing of their content."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.digests import sha256_bytes
from specseal.errors import LockError
from specseal.lock.random_inputs import random_inputs
from specseal.lock.vocabulary import Vocabulary

GOLDEN = "f91ac35088a5a8c5ad2189520beca8ba423ce7d726bd78b16fda85a29bbd26b6"
SMALL = Vocabulary(size=100, special_ids=(0, 1, 2, 99))
TOKENS = st.lists(st.integers(0, 99), max_size=20)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=8),
            "category": st.sampled_from(["coding", "qa"]),
            "first": TOKENS,
            "between": st.lists(TOKENS, max_size=3),
        }
    ),
    max_size=5,
    unique_by=lambda row: row["id"],
)


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def row(name, first=8, between=()):
    return {
        "id": name,
        "category": "qa",
        "first": list(range(first)),
        "between": [list(range(count)) for count in between],
    }


def made(*rows, vocabulary=SMALL, seed=0):
    return [json.loads(line) for line in random_inputs(lines(*rows), vocabulary, seed=seed).split()]


def shape(rows):
    return [
        (one["id"], one["category"], len(one["first"]), [len(part) for part in one["between"]])
        for one in rows
    ]


@given(rows=ROWS, seed=st.integers(0, 2**32))
def test_every_conversation_keeps_its_id_category_turns_and_lengths(rows, seed):
    found = [
        json.loads(line) for line in random_inputs(lines(*rows), SMALL, seed=seed).split(b"\n")[:-1]
    ]
    assert shape(found) == shape(rows)


@given(rows=ROWS, seed=st.integers(0, 2**32))
def test_no_special_token_is_ever_drawn(rows, seed):
    for line in random_inputs(lines(*rows), SMALL, seed=seed).split(b"\n")[:-1]:
        drawn = json.loads(line)
        tokens = {*drawn["first"], *(token for part in drawn["between"] for token in part)}
        assert tokens <= set(SMALL.ordinary_ids())


def test_every_ordinary_token_is_drawn_sooner_or_later():
    (drawn,) = made(row("long", first=5000))
    assert set(drawn["first"]) == set(SMALL.ordinary_ids())


def test_bytes_are_the_same_on_every_machine_and_python():
    prompts = lines(row("a", 40, (5, 0, 7)), row("ü", 3))
    found = random_inputs(prompts, Vocabulary(size=49152, special_ids=tuple(range(17))), seed=7)
    assert sha256_bytes(found) == GOLDEN


def test_conversation_does_not_change_with_the_others_in_the_set():
    alone, among = made(row("b")), made(row("a"), row("b"), row("c"))
    assert alone[0] == among[1]


def test_tokens_do_not_depend_on_what_was_said():
    other = {**row("a"), "first": [50] * 8}
    assert made(row("a")) == made(other)


def test_another_seed_or_another_id_gives_other_tokens():
    first = made(row("a"))[0]["first"]
    assert made(row("a"), seed=1)[0]["first"] != first
    assert made(row("b"))[0]["first"] != first


def test_state_of_the_global_generator_is_neither_used_nor_moved():
    random.seed(1)
    state = random.getstate()
    first = made(row("a"))
    assert random.getstate() == state
    random.seed(2)
    assert made(row("a")) == first


def test_prompt_that_is_sent_as_text_is_refused_by_name():
    with pytest.raises(LockError, match="q1 is sent as text"):
        made({"id": "q1", "category": "qa", "turns": ["Why?"]})


def test_vocabulary_of_special_tokens_only_is_refused():
    with pytest.raises(LockError, match="all 2 tokens of the model are special"):
        made(row("a"), vocabulary=Vocabulary(size=2, special_ids=(0, 1)))
