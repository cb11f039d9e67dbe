"""The truth itself: a schedule must add up before anything is held against it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truth.behaviour import Behaviour, read_behaviours
from truth.ledger import Ledger
from truth.schedule import Step, chunks, finish

behaviours = st.builds(
    Behaviour,
    draft_length=st.integers(0, 8),
    drafting=st.sampled_from(["whole", "shortened"]),
    draft_share=st.floats(0, 1),
    merged=st.integers(1, 6),
    stop_after=st.none() | st.integers(1, 80),
)
limits = st.integers(1, 80)
seeds = st.integers(0, 2**32 - 1)


@given(behaviours, limits, seeds)
def test_steps_and_chunks_add_up_to_the_tokens_that_were_sent(
    behaviour: Behaviour, max_tokens: int, seed: int
) -> None:
    plan = list(chunks(behaviour, max_tokens=max_tokens, seed=seed))
    steps = [step for chunk in plan for step in chunk.steps]
    sent = sum(chunk.tokens for chunk in plan)
    cut = sum(step.accepted + 1 - step.tokens for step in steps)
    assert sent == min(max_tokens, behaviour.stop_after or max_tokens)
    # S = D + cut − A, as the analysis has it.
    assert len(steps) == (sent - 1) + cut - sum(step.accepted for step in steps)
    assert all(step.accepted <= step.drafted <= behaviour.draft_length for step in steps)
    assert all(step.tokens == step.accepted + 1 for step in steps[:-1])
    assert all(len(chunk.steps) <= behaviour.merged for chunk in plan)


@given(behaviours, limits, seeds)
def test_same_seed_gives_the_same_schedule_and_times_only_go_on(
    behaviour: Behaviour, max_tokens: int, seed: int
) -> None:
    plan = list(chunks(behaviour, max_tokens=max_tokens, seed=seed))
    assert plan == list(chunks(behaviour, max_tokens=max_tokens, seed=seed))
    times = [chunk.after_ns for chunk in plan]
    assert times == sorted(set(times))


@given(limits, seeds)
def test_shortened_draft_never_verifies_past_the_limit(max_tokens: int, seed: int) -> None:
    behaviour = Behaviour(draft_length=8, drafting="shortened")
    for chunk in chunks(behaviour, max_tokens=max_tokens, seed=seed):
        assert all(step.tokens == step.accepted + 1 for step in chunk.steps)


def test_stop_token_beyond_the_limit_is_no_stop() -> None:
    assert finish(Behaviour(stop_after=9), max_tokens=8) == "length"
    assert finish(Behaviour(stop_after=8), max_tokens=8) == "stop"


def test_step_without_a_draft_is_in_no_counter() -> None:
    ledger = Ledger()
    ledger.count([Step(3, 2, 3), Step(0, 0, 1), Step(3, 0, 1)])
    assert (ledger.totals["drafts"], ledger.totals["draft_tokens"]) == (2, 6)
    assert ledger.totals["accepted_tokens"] == 2
    assert ledger.per_position == [1, 1, 0]


@pytest.mark.parametrize(
    "data",
    [
        {"usual": {"ttft": 1}},
        {"usual": {"fault": "explode"}},
        {"usual": {"drafting": "wild"}},
        {"by_first": {"7": {"merged": 0}}},
        {"counters": "sglang"},
        {"speed": 1},
    ],
)
def test_behaviour_that_is_misspelt_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        read_behaviours(data)
