"""A second run against the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from specseal.compare import Side, Verdict, judge_pair, not_judged, overall
from specseal.spec.model import Tolerance
from unit.compare.sides import draw_prompts, draw_sample, side
from unit.compare.test_claims import launches

LENGTHS = ("acceptance_length", "acceptance_length_harness")


def by_metric(verdicts: tuple[Verdict, ...]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.claim.metric, []).append(verdict)
    return found


def test_run_that_gives_the_same_tokens_again_is_reproduced_in_everything():
    one, again = side("one", launches(1)), side("again", launches(1))
    verdicts = judge_pair(one, again)
    assert overall(verdicts) == "reproduced"
    found = by_metric(verdicts)
    for name in LENGTHS:
        places = [verdict.claim.where.get("category") for verdict in found[name]]
        assert places == [None, "coding", "math"]
    assert [verdict.claim.where["speculation"] for verdict in found["outputs"]] == ["none", "ngram"]
    assert all(verdict.measured == 1 for verdict in found["outputs"])


def test_one_prompt_a_category_is_compared_by_launches():
    one, again = side("one", launches(1, prompts=2)), side("again", launches(1, prompts=2))
    verdicts = judge_pair(one, again)
    assert overall(verdicts) == "reproduced"
    assert {verdict.over for verdict in verdicts if verdict.claim.metric in LENGTHS} == {
        "over 2 launches or more on each side"
    }


def test_one_prompt_a_category_in_one_launch_is_inconclusive():
    one, again = (side(name, launches(1, prompts=2, count=1)) for name in ("one", "again"))
    found = by_metric(judge_pair(one, again))
    assert {verdict.answer for verdict in found["acceptance_length"]} == {"inconclusive"}
    assert {verdict.answer for verdict in found["outputs"]} == {"reproduced"}
    drafted = found["acceptance_length_drafted"][0]
    assert "repeats: 2" in drafted.reasons[0]
    assert drafted.more_launches == 1


def test_prompts_are_paired_so_that_hard_ones_do_not_widen_the_interval():
    generator = np.random.default_rng(1)
    pace = draw_prompts(generator, (1, 80))
    decode, steps = draw_sample(generator, pace)[0]
    more = np.minimum(steps + generator.integers(0, 2, 80), decode)
    one = side("one", [(decode, steps)])
    same_rows, others = (side("again", [(decode, more)], others=others) for others in (False, True))
    paired, unpaired = (
        next(v for v in judge_pair(one, again, metrics=LENGTHS) if "category" not in v.claim.where)
        for again in (same_rows, others)
    )
    assert "prompt by prompt, over 80 conversations" in paired.over
    assert paired.answer == "reproduced"
    assert unpaired.answer == "not comparable"
    assert any(line.startswith("prompts:") for line in unpaired.differs)


def test_other_draft_length_is_not_reproduced_and_named():
    one, again = side("one", launches(1)), side("again", launches(1), draft_length=5)
    verdicts = judge_pair(one, again)
    assert overall(verdicts) == "not reproduced"
    drafted = [verdict for verdict in verdicts if verdict.claim.where["speculation"] == "ngram"]
    assert {verdict.differs for verdict in drafted} == {
        ("drafter.draft_length: claimed 3, measured 5",)
    }


def test_other_model_is_not_comparable_and_named():
    files = [{"path": "model.gguf", "bytes": 7, "sha256": "b" * 64}]
    one, again = (
        side("one", launches(1)),
        side("again", launches(1), lock={"model": {"files": files}}),
    )
    verdicts = judge_pair(one, again)
    assert {verdict.answer for verdict in verdicts} == {"not comparable"}
    assert all(verdict.differs[0].startswith("model:") for verdict in verdicts)


def test_what_takes_more_prompts_takes_them_in_both_runs():
    generator = np.random.default_rng(2)
    pace = draw_prompts(generator, (1, 12))
    one, again = (side(name, [draw_sample(generator, pace)[0]]) for name in ("one", "again"))
    lengths = by_metric(judge_pair(one, again))["acceptance_length"]
    unsure = [one for one in lengths if one.more_requests]
    assert unsure
    assert all(one.reasons[0].startswith("more are needed in both runs") for one in unsure)


def test_figure_that_is_not_valid_in_the_original_is_left_out_and_in_the_second_inconclusive():
    one, again = side("one", launches(1)), side("again", launches(1), engine_version_found="0.9")
    assert by_metric(judge_pair(again, one)).keys() == {"outputs"}
    lengths = by_metric(judge_pair(one, again))["acceptance_length"]
    assert {verdict.answer for verdict in lengths} == {"inconclusive"}
    assert {verdict.codes for verdict in lengths} == {("engine_not_as_locked",)}


def test_what_is_not_judged_is_named_with_why_it_proves_nothing():
    one = side("one", launches(1, prompts=2), engine_version_found="0.9")
    expected = "not valid in the original, at least in part: acceptance_length: "
    assert f"{expected}engine_not_as_locked" in not_judged(one)


def test_figure_that_is_not_valid_at_one_level_only_is_judged_over_all_of_them():
    one = side("one", launches(1))
    metrics = tuple(
        replace(metric, valid=metric.valid and "concurrency" not in metric.where)
        for metric in one.result.metrics
    )
    partly = replace(one, result=replace(one.result, metrics=metrics))
    assert not_judged(partly) == not_judged(one)
    assert len(judge_pair(partly, one)) == len(judge_pair(one, one))


def test_share_of_equal_outputs_is_told_turn_by_turn():
    decode, steps = launches(1)[0]
    changed = steps + (np.arange(len(steps)) < 5)
    one, again = side("one", [(decode, steps)] * 2), side("again", [(decode, changed)] * 2)
    found = {
        verdict.claim.where["speculation"]: verdict
        for verdict in by_metric(judge_pair(one, again))["outputs"]
    }
    assert found["none"].answer == "reproduced"
    assert found["ngram"].answer == "not reproduced"
    assert found["ngram"].measured == 15 / 20
    assert found["ngram"].reasons == ("5 of 20 turns have other tokens",)


def test_outputs_that_launches_do_not_agree_on_prove_nothing():
    decode, steps = launches(1)[0]
    changed = steps + (np.arange(len(steps)) < 5)
    one = side("one", [(decode, steps)] * 2)
    again = side("again", [(decode, steps), (decode, changed)])
    (_, verdict) = by_metric(judge_pair(one, again))["outputs"]
    assert verdict.answer == "inconclusive"
    assert verdict.reasons[0].startswith("5 of 20 turns have no one output")


def test_sampled_outputs_are_not_asked_to_be_the_same():
    one = side("one", launches(1))
    jobs = tuple(
        replace(job, phases=tuple(replace(phase, temperature=1.0) for phase in job.phases))
        for job in one.run.jobs
    )
    sampled = replace(one, run=replace(one.run, jobs=jobs))
    assert "outputs" not in by_metric(judge_pair(sampled, sampled))


def pace(original: Side, again: Side) -> list[Verdict]:
    verdicts = judge_pair(
        original, again, metrics=["output_tps"], tolerance=Tolerance(relative=0.1)
    )
    return [one for one in verdicts if one.claim.where["speculation"] == "ngram"]


def test_pace_is_judged_only_where_a_tolerance_is_given():
    seconds = [1.0, 1.01, 0.99]
    one, again = (side(name, launches(1, count=3), seconds=seconds) for name in ("one", "again"))
    assert "output_tps" not in by_metric(judge_pair(one, again))
    assert judge_pair(one, again, metrics=["output_tps"]) == ()
    assert [verdict.answer for verdict in pace(one, again)] == ["reproduced"]


def test_pace_of_single_launches_is_inconclusive_however_near_it_is():
    one, again = (side(name, launches(1, count=1)) for name in ("one", "again"))
    verdicts = judge_pair(one, again, metrics=["latency_mean"], tolerance=Tolerance(relative=0.1))
    assert {verdict.answer for verdict in verdicts} == {"inconclusive"}
    assert {verdict.more_launches for verdict in verdicts} == {1}
    assert all(verdict.reasons[0].startswith("launches_may_differ: ") for verdict in verdicts)


def test_figure_whose_parts_are_withheld_is_inconclusive_and_says_so():
    one = side("one", launches(1))
    withheld = replace(one, run=replace(one.run, jobs=()))
    lengths = by_metric(judge_pair(one, withheld))["acceptance_length"]
    assert {verdict.answer for verdict in lengths} == {"inconclusive"}
    assert {verdict.reasons for verdict in lengths} == {
        ("the parts that the figure was made of are not in the bundle",)
    }


def test_pace_on_another_machine_is_not_comparable_and_acceptance_is():
    seconds = [1.0, 1.01, 0.99]
    one, again = (side(name, launches(1, count=3), seconds=seconds) for name in ("one", "again"))
    again = replace(again, environment={"machine": {"cpu": "another processor"}})
    (verdict,) = pace(one, again)
    assert verdict.answer == "not comparable"
    assert verdict.differs == (
        "environment.machine.cpu: claimed a processor, measured on another processor",
    )
    assert overall(judge_pair(one, again)) == "reproduced"
