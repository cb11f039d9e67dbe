from __future__ import annotations

import json

import pytest

from specseal.analysis import Failure, MissingPhase, Result, analyse
from specseal.records import Load
from unit.analysis.builders import baseline, job, phase, plain, record, run


def at(concurrency):
    load = Load(mode="closed", concurrency=concurrency)
    return MissingPhase(load=load, input="dataset", setting={"engine.threads": 2})


def full_run():
    conversations = [f"q{i}" for i in range(6)]

    def levels(made):
        return [phase([made(c) for c in conversations], concurrency=n) for n in (1, 2)]

    return run(
        baseline(*levels(plain)),
        job(*levels(record), engine_version_found=None),
        job(failure="the engine never became healthy", repeat=1, missing=(at(1), at(2))),
        baseline(failure="the engine ran out of memory", repeat=1, missing=(at(2),)),
    )


def test_result_survives_its_own_json():
    result = analyse(full_run())

    assert result.choices
    assert result.crossovers
    assert result.failures
    assert result.notes
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


SHARED = {"input": "dataset", "engine.threads": 2}


def test_failed_jobs_are_named_with_what_they_lack_and_their_reason():
    assert analyse(full_run()).failures == (
        Failure(
            where={
                "speculation": "ngram",
                "draft_length": 4,
                **SHARED,
                "repeat": 1,
                "job": "1-ngram",
            },
            missing=({**SHARED, "concurrency": 1}, {**SHARED, "concurrency": 2}),
            reason="the engine never became healthy",
        ),
        Failure(
            where={
                "speculation": "none",
                **SHARED,
                "concurrency": 2,
                "repeat": 1,
                "job": "1-none",
            },
            missing=({**SHARED, "concurrency": 2},),
            reason="the engine ran out of memory",
        ),
    )


@pytest.mark.parametrize("part", ["metrics", "choices", "crossovers", "failures", "notes"])
def test_field_that_is_not_known_is_refused(part):
    data = analyse(full_run()).to_dict()
    data[part][0]["surprise"] = 1

    with pytest.raises(TypeError, match="surprise"):
        Result.from_dict(data)
