from dataclasses import replace

import pytest

from attacks.builder import make_lock, make_run
from specseal.analysis import Failure, Result, analyse
from specseal.bundle import demand_outcome
from specseal.errors import RunFailed

RESULT = analyse(make_run(make_lock()))


def spoilt(*codes: str) -> Result:
    first, *others = RESULT.metrics
    return replace(RESULT, metrics=(replace(first, valid=False, reasons=codes), *others))


def test_good_run_is_a_good_outcome_even_if_strict() -> None:
    demand_outcome(RESULT, strict=True)


def test_codes_that_only_say_what_there_is_not_are_no_fault() -> None:
    demand_outcome(spoilt("no_counters", "fewer_than_3_launches"), strict=True)


def test_check_that_fired_is_a_failure_only_if_strict() -> None:
    result = spoilt("machine_busy", "no_counters", "client_bottleneck")
    demand_outcome(result, strict=False)
    with pytest.raises(RunFailed, match="valid: client_bottleneck, machine_busy") as caught:
        demand_outcome(result, strict=True)
    assert caught.value.exit_code == 4
    assert "specseal show" in caught.value.mend


@pytest.mark.parametrize("part", ["choices", "crossovers"])
def test_check_that_spoils_a_choice_counts_too(part: str) -> None:
    (first, *others) = getattr(RESULT, part)
    bad = replace(first, valid=False, reasons=("machine_busy",))
    with pytest.raises(RunFailed, match="machine_busy"):
        demand_outcome(replace(RESULT, **{part: (bad, *others)}), strict=True)


@pytest.mark.parametrize("strict", [True, False])
def test_failed_job_is_a_failure_always_and_named(strict: bool) -> None:
    where = {"speculation": "ngram", "draft_length": 4, "repeat": 1, "job": "key"}
    result = replace(RESULT, failures=(Failure(where=where, missing=(), reason="the engine died"),))
    with pytest.raises(RunFailed, match="1 job failed") as caught:
        demand_outcome(result, strict=strict)
    assert "ngram 4, repeat 2: the engine died" in caught.value.message
    assert caught.value.exit_code == 4
