from __future__ import annotations

import json

import pytest

from specseal.analysis import Failure, Result, analyse
from unit.analysis.builders import baseline, job, phase, plain, record, run


def full_run():
    conversations = [f"q{i}" for i in range(6)]

    def levels(made):
        return [phase([made(c) for c in conversations], concurrency=n) for n in (1, 2)]

    return run(
        baseline(*levels(plain)),
        job(*levels(record)),
        job(failure="the engine never became healthy", repeat=1),
        baseline(failure="the engine ran out of memory", repeat=1),
    )


def test_result_survives_its_own_json():
    result = analyse(full_run())

    assert result.choices
    assert result.crossovers
    assert result.failures
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_failed_jobs_are_named_with_their_reason():
    assert analyse(full_run()).failures == (
        Failure(
            where={"speculation": "ngram", "draft_length": 4, "repeat": 1, "job": "1-ngram"},
            reason="the engine never became healthy",
        ),
        Failure(
            where={"speculation": "none", "repeat": 1, "job": "1-none"},
            reason="the engine ran out of memory",
        ),
    )


@pytest.mark.parametrize("part", ["metrics", "choices", "crossovers", "failures"])
def test_field_that_is_not_known_is_refused(part):
    data = analyse(full_run()).to_dict()
    data[part][0]["surprise"] = 1

    with pytest.raises(TypeError, match="surprise"):
        Result.from_dict(data)
