"""Claims against a result: every answer, and what is said with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from specseal.analysis.outputs import outputs_digest
from specseal.compare import Side, Verdict, judge_claims, overall
from specseal.compare.settling import tolerance_in_units
from specseal.digests import sha256_value
from specseal.spec.model import Claim, ClaimSource, Dataset, Hardware, Tolerance
from unit.compare.sides import draw_prompts, draw_sample, judge, side

LENGTH = "acceptance_length"
PAPER = ClaimSource(title="A paper", definition="D ÷ S")
NGRAM = {"speculation": "ngram", "draft_length": 3, "input": "dataset"}


def launches(seed: int, prompts: int = 20, count: int = 2, noise: float = 0.0):
    """So many launches of the same prompts, which give the same but for the noise in steps."""
    generator = np.random.default_rng(seed)
    decode, steps = draw_sample(generator, draw_prompts(generator, (1, prompts)))[0]
    return [
        (decode, np.clip(np.round(steps * (1 + noise * number)), 1, decode))
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def measured() -> Side:
    return side("measured", launches(1, noise=0.01))


def of_bundle(original: Side, **others: str) -> ClaimSource:
    """The source of a claim on an earlier bundle with the inputs of a result, but for some."""
    return ClaimSource(
        title="A bundle",
        definition="D ÷ S",
        bundle=sha256_value("an earlier one"),
        inputs={**original.lock.input_digests(), **others},
    )


def value(measured: Side, metric: str = LENGTH, **where: Any) -> float:
    (found,) = (
        one.value
        for one in measured.result.metrics
        if one.name == metric and one.where == {**NGRAM, **where}
    )
    assert found is not None
    return found


def claim(measured: Side, **changes: Any) -> Claim:
    """A claim on the very rows that were measured, which holds."""
    values = {"metric": LENGTH, "value": value(measured), "source": of_bundle(measured)}
    return Claim(**{**values, **changes})


def pace(measured: Side, metric: str = "output_tps", **changes: Any) -> Claim:
    """A claim on the pace of drafting, for which there is no tolerance by itself."""
    values = {
        "metric": metric,
        "where": {"speculation": "ngram"},
        "value": value(measured, metric),
        "tolerance": Tolerance(relative=0.1),
    }
    return claim(measured, **{**values, **changes})


# Yes, no, and neither


def test_claim_on_the_same_rows_is_reproduced_over_launches(measured: Side):
    verdict = judge(claim(measured), measured)
    assert verdict.answer == "reproduced"
    assert verdict.low < verdict.measured < verdict.high
    assert "2 launches" in verdict.over
    assert (verdict.reasons, verdict.differs) == ((), ())


def test_claim_that_is_off_is_not_reproduced(measured: Side):
    verdict = judge(claim(measured, value=1.2 * value(measured)), measured)
    assert verdict.answer == "not reproduced"
    assert verdict.differs == ()


def test_claim_in_a_category_is_held_against_that_category(measured: Side):
    of_math = value(measured, category="math")
    where = {"category": "math"}
    verdict = judge(claim(measured, where=where, value=of_math), measured)
    assert (verdict.answer, verdict.measured) == ("reproduced", of_math)


def test_same_rows_in_one_launch_are_inconclusive_and_say_how_to_go_on():
    once = side("once", launches(1, count=1))
    verdict = judge(claim(once), once)
    assert verdict.answer == "inconclusive"
    assert "repeats: 2" in verdict.reasons[0]
    assert verdict.more_launches == 1


def test_launches_that_agree_in_every_token_are_evidence_enough():
    twice = side("twice", launches(1))
    verdict = judge(claim(twice), twice)
    assert (verdict.answer, verdict.low, verdict.high) == (
        "reproduced", value(twice), value(twice),
    )  # fmt: skip


def test_launches_that_disagree_are_inconclusive_with_how_many_more_it_takes():
    unsteady = side("unsteady", launches(1, noise=0.06))
    verdict = judge(claim(unsteady), unsteady)
    assert verdict.answer == "inconclusive"
    assert verdict.more_launches >= 1
    assert verdict.more_requests is None


def test_other_rows_are_judged_over_conversations(measured: Side):
    few = judge(claim(measured, source=PAPER), measured)
    assert few.answer == "inconclusive"
    assert "20 conversations" in few.over
    assert few.more_requests > 0
    # All that the data set has was sent.
    assert few.reasons[-1].startswith("the data set has 0 more conversations of these")
    many = side("many", launches(1, prompts=880, count=1))
    assert judge(claim(many, source=PAPER), many).answer == "reproduced"


def test_subset_of_the_claims_prompts_is_another_sample(measured: Side):
    source = of_bundle(measured, conversations="0" * 64)
    verdict = judge(claim(measured, source=source), measured)
    assert "conversations:" in verdict.differs[0]
    assert "20 conversations" in verdict.over


def test_other_rows_of_too_few_conversations_say_how_many_it_takes_to_begin_with():
    few = side("few", launches(1, prompts=4))
    verdict = judge(claim(few, source=PAPER), few)
    assert verdict.answer == "inconclusive"
    assert verdict.more_requests == 1


def test_data_set_that_has_as_many_more_as_it_takes_is_not_mentioned():
    few = side("few", launches(1, prompts=4))
    prompts = few.lock.prompts["conversations"]
    more = [*prompts, {**prompts[0], "id": "coding-4"}]
    lock = replace(few.lock, prompts={**few.lock.prompts, "conversations": more})
    one = judge(claim(few, source=PAPER), replace(few, lock=lock))
    assert (one.more_requests, len(one.reasons)) == (1, 1)
    # The one more is of coding, and none of math.
    math = {"category": "math"}
    one = judge(
        claim(few, value=value(few, **math), where=math, source=PAPER), replace(few, lock=lock)
    )
    assert one.reasons[-1].startswith("the data set has 0 more")


def test_counters_tell_nothing_of_what_other_prompts_would_give(measured: Side):
    drafted = "acceptance_length_drafted"
    verdict = judge(
        claim(measured, metric=drafted, value=value(measured, drafted), source=PAPER), measured
    )
    assert verdict.answer == "inconclusive"
    assert "not told by prompt" in verdict.reasons[0]


def speed_bench(measured: Side, **changes: Any) -> Side:
    dataset = Dataset(kind="speed-bench", config="qualitative")
    workload = replace(measured.spec.workload, dataset=dataset)
    return replace(measured, spec=replace(measured.spec, workload=workload), **changes)


def test_whole_part_of_speed_bench_is_taken_for_the_papers_own_rows_and_that_is_said(
    measured: Side,
):
    verdict = judge(claim(measured, source=PAPER), speed_bench(measured))
    assert (verdict.answer, verdict.over) == (
        "reproduced",
        "over 2 launches: the prompts are taken for the claim's own (the source names no revision "
        "of the data set), so only launches vary",
    )
    assert "the prompts are the claim's own" in judge(claim(measured), measured).over


@pytest.mark.parametrize(("named", "over"), [("1", "2 launches"), ("2", "20 conversations")])
def test_copy_of_speed_bench_that_both_specs_name_must_be_the_same(
    measured: Side, named: str, over: str
):
    one = speed_bench(measured)
    dataset = replace(one.spec.workload.dataset, sha256="1" * 64)
    pinned = replace(one.spec, workload=replace(one.spec.workload, dataset=dataset))
    dataset = replace(dataset, sha256=named * 64)
    of = replace(one.spec, workload=replace(one.spec.workload, dataset=dataset))
    verdict = judge(claim(measured, source=PAPER), replace(one, spec=pinned), of=of)
    assert over in verdict.over


def test_some_rows_of_speed_bench_are_the_papers_own_only_in_whole_categories(measured: Side):
    sent = [name for name in measured.lock.points["conversations"] if name != "coding-0"]
    lock = replace(measured.lock, points={**measured.lock.points, "conversations": sent})
    some = speed_bench(measured, lock=lock)
    over = {
        category: judge(claim(measured, source=PAPER, where={"category": category}), some).over
        for category in ("coding", "math")
    }
    assert "conversations" in over["coding"]
    assert "launches" in over["math"]


def test_phase_that_ends_with_its_time_may_not_come_to_all_of_the_claims_prompts(measured: Side):
    load = {**measured.lock.points["load"], "duration_s": 5}
    lock = replace(measured.lock, points={**measured.lock.points, "load": load})
    assert "conversations" in judge(claim(measured), replace(measured, lock=lock)).over


def test_pace_on_other_prompts_varies_by_prompt_and_by_launch():
    paced = side("paced", launches(1, count=3))
    verdict = judge(pace(paced, "latency_mean", source=PAPER), paced)
    assert "20 conversations" in verdict.over
    assert "3 launches" in verdict.over
    once = side("once", launches(1, count=1))
    assert judge(pace(once, "latency_mean", source=PAPER), once).more_launches == 1


# What makes it another question, or another answer


def test_other_draft_length_is_not_reproduced_and_named_even_where_the_value_is_the_same(
    measured: Side,
):
    other = side("other", launches(1, noise=0.01), draft_length=5)
    verdict = judge(claim(measured), other, of=measured.spec)
    assert verdict.answer == "not reproduced"
    assert verdict.differs == ("drafter.draft_length: claimed 3, measured 5",)
    assert verdict.measured == pytest.approx(value(measured), rel=1e-9)
    assert "although the value is within the tolerance" in verdict.reasons[0]


def test_draft_length_that_a_claim_names_counts_whatever_its_spec_says(measured: Side):
    verdict = judge(claim(measured, where={"draft_length": 4}), measured)
    assert verdict.differs == ("drafter.draft_length: claimed 4, measured 3",)
    assert verdict.answer == "not reproduced"


@pytest.mark.parametrize("section", ["model", "dataset", "prompts", "sampling"])
def test_other_inputs_are_not_comparable_and_named(measured: Side, section: str):
    source = of_bundle(measured, **{section: "0" * 64})
    verdict = judge(claim(measured, source=source), measured)
    assert verdict.answer == "not comparable"
    assert [line.partition(":")[0] for line in verdict.differs] == [section]
    assert verdict.measured == value(measured)


@pytest.mark.parametrize("section", ["engine", "client", "drafter"])
def test_other_programs_are_judged_and_named(measured: Side, section: str):
    source = of_bundle(measured, **{section: "0" * 64})
    verdict = judge(claim(measured, source=source), measured)
    assert verdict.answer == "reproduced"
    assert [line.partition(":")[0] for line in verdict.differs] == [section]


def test_changed_model_file_is_not_comparable_whatever_else_was_changed(measured: Side):
    files = [{"path": "model.gguf", "bytes": 7, "sha256": "b" * 64}]
    other = side("other", launches(1), draft_length=5, lock={"model": {"files": files}})
    verdict = judge(claim(measured), other, of=measured.spec)
    assert verdict.answer == "not comparable"
    assert verdict.differs[0].startswith("model: other files")
    assert "drafter.draft_length: claimed 3, measured 5" in verdict.differs


def test_category_that_was_not_measured_is_not_comparable_with_those_that_were(measured: Side):
    verdict = judge(claim(measured, where={"category": "poetry"}), measured)
    assert verdict.answer == "not comparable"
    assert verdict.differs == ("category: claimed poetry, measured coding, math",)
    assert verdict.measured is None


def test_load_level_that_was_not_measured_is_not_comparable(measured: Side):
    verdict = judge(claim(measured, where={"concurrency": 32}), measured)
    assert verdict.answer == "not comparable"
    assert verdict.differs == ("workload.load.concurrency: claimed 32, measured 1",)


def test_metric_that_no_result_has_is_not_comparable(measured: Side):
    verdict = judge(claim(measured, metric="goodput"), measured)
    assert verdict.answer == "not comparable"
    assert verdict.differs == ("metric: there is no goodput in this result",)


def test_pace_on_another_accelerator_is_not_comparable_and_acceptance_is(measured: Side):
    of = replace(measured.spec, hardware=Hardware(accelerator="nvidia/h100-sxm-80gb"))
    verdict = judge(pace(measured), measured, of=of)
    assert verdict.answer == "not comparable"
    assert verdict.differs == (
        "hardware.accelerator: claimed nvidia/h100-sxm-80gb, measured on cpu",
    )
    assert judge(claim(measured), measured, of=of).answer == "reproduced"


def asking(measured: Side, **changes: Any) -> Any:
    """The spec of a claim that asks for something else than was measured."""
    return replace(measured.spec, **changes)


def test_papers_claim_on_another_model_is_not_comparable_whatever_the_value(measured: Side):
    of = asking(measured, model=replace(measured.spec.model, path="another.gguf"))
    verdict = judge(claim(measured, source=PAPER), measured, of=of)
    assert verdict.answer == "not comparable"
    assert verdict.differs == ("model.path: claimed another.gguf, measured model.gguf",)


def test_papers_claim_at_another_temperature_is_not_comparable(measured: Side):
    workload = measured.spec.workload
    sampling = replace(workload.sampling, temperature=1.0)
    of = asking(measured, workload=replace(workload, sampling=sampling))
    verdict = judge(claim(measured, source=PAPER), measured, of=of)
    assert verdict.answer == "not comparable"
    assert verdict.differs == ("workload.sampling.temperature: claimed 1, measured 0",)


def test_what_the_paper_leaves_open_may_be_set_otherwise_and_is_said(measured: Side):
    workload = measured.spec.workload
    sampling = replace(workload.sampling, max_tokens=1024)
    of = asking(
        measured,
        workload=replace(workload, sampling=sampling),
        assumptions={"workload.sampling.max_tokens": "not told"},
    )
    verdict = judge(claim(measured, source=PAPER), speed_bench(measured), of=of)
    assert verdict.answer == "not comparable"  # of other rows
    verdict = judge(claim(measured, source=PAPER), measured, of=of)
    assert verdict.answer == "inconclusive"
    assert verdict.differs == ("workload.sampling.max_tokens: claimed 1024, measured 4096",)


def test_digests_that_a_claim_names_count_more_than_what_was_asked_for(measured: Side):
    of = asking(measured, model=replace(measured.spec.model, path="the-same-file.gguf"))
    assert judge(claim(measured), measured, of=of).answer == "reproduced"


def test_papers_claim_on_another_engine_is_judged_and_the_engine_named(measured: Side):
    of = asking(measured, engine=replace(measured.spec.engine, name="vllm", version="0.13.0"))
    verdict = judge(claim(measured, source=PAPER), measured, of=of)
    assert verdict.answer == "inconclusive"
    assert verdict.differs[0] == "engine.name: claimed vllm, measured llamacpp"


def test_acceptance_at_another_load_is_judged_and_pace_is_not_comparable(measured: Side):
    workload = measured.spec.workload
    load = replace(workload.load, concurrency=(32,))
    of = asking(measured, workload=replace(workload, load=load))
    said = "workload.load.concurrency: claimed [32], measured [1]"
    verdict = judge(claim(measured), measured, of=of)
    assert (verdict.answer, verdict.differs) == ("reproduced", (said,))
    verdict = judge(pace(measured), measured, of=of)
    assert (verdict.answer, verdict.differs) == ("not comparable", (said,))


def test_devices_that_were_found_count_and_not_those_that_were_asked_for(measured: Side):
    jobs = tuple(
        replace(
            job, accelerator="nvidia/h100-sxm-80gb", accelerators_found=("nvidia/l4-pcie-24gb",)
        )
        for job in measured.run.jobs
    )
    of = replace(measured.spec, hardware=Hardware(accelerator="nvidia/h100-sxm-80gb"))
    elsewhere = replace(measured, run=replace(measured.run, jobs=jobs))
    verdict = judge(pace(measured, "tpot_mean", value=0.01), elsewhere, of=of)
    assert verdict.answer == "not comparable"
    assert "measured on nvidia/l4-pcie-24gb" in verdict.differs[0]


def test_figure_that_is_not_valid_is_inconclusive_with_its_codes_in_words():
    other = side("other", launches(1), engine_version_found="0.9")
    verdict = judge(claim(other), other)
    assert verdict.answer == "inconclusive"
    assert verdict.codes == ("engine_not_as_locked",)
    assert verdict.reasons == (
        "engine_not_as_locked: The engine says that it is another version than the one locked.",
    )


def test_claim_without_any_tolerance_is_inconclusive(measured: Side):
    verdict = judge(pace(measured, "ttft_mean", tolerance=None), measured)
    assert verdict.answer == "inconclusive"
    assert "give the claim a tolerance" in verdict.reasons[0]


# Outputs


def outputs(measured: Side, **changes: Any) -> Claim:
    where = {"speculation": "ngram", "draft_length": 3, "concurrency": 1}
    digest = outputs_digest(measured.run, where)
    return claim(
        measured, **{"metric": "outputs", "where": where, "value": None, "sha256": digest} | changes
    )


def test_outputs_are_reproduced_where_all_ids_are_the_same_and_not_where_one_differs():
    one = side("one", launches(1))
    assert judge(outputs(one), one).answer == "reproduced"
    (decode, steps), _ = launches(1)
    steps = steps + (np.arange(len(steps)) == 0)
    other = side("other", [(decode, steps)] * 2)
    verdict = judge(outputs(one), other)
    assert verdict.answer == "not reproduced"
    assert "a digest does not tell" in verdict.reasons[0]


def test_outputs_that_differ_among_launches_are_inconclusive(measured: Side):
    one = side("one", launches(1))
    verdict = judge(outputs(one), measured)
    assert verdict.answer == "inconclusive"
    assert "launches or load levels differ" in verdict.reasons[0]


def test_outputs_of_other_prompts_are_not_comparable():
    one = side("one", launches(1))
    source = of_bundle(one, conversations="0" * 64)
    verdict = judge(outputs(one, source=source), one)
    assert verdict.answer == "not comparable"
    assert verdict.differs == ("conversations: others of the prompts were sent than the claim's",)


def test_outputs_with_another_draft_length_are_not_reproduced_although_they_are_the_same():
    one, other = side("one", launches(1)), side("other", launches(1), draft_length=5)
    verdict = judge(outputs(one), other, of=one.spec)
    assert verdict.answer == "not reproduced"
    assert verdict.differs == ("drafter.draft_length: claimed 3, measured 5",)
    assert "although the outputs are the same" in verdict.reasons[0]


# Tolerances, and what goes with every verdict


def test_default_tolerance_is_a_twentieth_and_half_of_the_last_digit_printed():
    one = Claim(metric=LENGTH, value=2.4, decimals=1, source=PAPER)
    assert tolerance_in_units(one) == pytest.approx(0.12 + 0.05)
    assert tolerance_in_units(replace(one, decimals=None)) == pytest.approx(0.12)


def test_tolerance_that_is_given_counts_and_rounding_beside_it():
    one = Claim(
        metric="speedup_output_tps",
        value=1.9,
        decimals=2,
        tolerance=Tolerance(absolute=0.1),
        source=PAPER,
    )
    assert tolerance_in_units(one) == pytest.approx(0.105)
    relative = replace(one, tolerance=Tolerance(relative=0.1))
    assert tolerance_in_units(relative) == pytest.approx(0.195)
    assert tolerance_in_units(replace(one, tolerance=None)) is None


def test_assumptions_go_with_every_verdict(measured: Side):
    assumed = {"workload.load.concurrency": "the paper says batch 32"}
    of = asking(measured, claims=(claim(measured),) * 2, assumptions=assumed)
    verdicts = judge_claims(of, measured)
    assert [verdict.assumptions for verdict in verdicts] == [tuple(assumed.items())] * 2
    assert verdicts[0].to_dict()["assumptions"] == assumed


def test_all_claims_together_have_the_worst_answer(measured: Side):
    def of(*answers: str) -> str:
        verdict = judge(claim(measured), measured)
        return overall([replace(verdict, answer=answer) for answer in answers])

    assert of("reproduced", "reproduced") == "reproduced"
    assert of("reproduced", "inconclusive") == "inconclusive"
    assert of("inconclusive", "not reproduced", "reproduced") == "not reproduced"
    assert of("not reproduced", "not comparable") == "not comparable"
    assert of() == "inconclusive"


def test_verdict_is_plain_json(measured: Side):
    document = judge(claim(measured), measured).to_dict()
    assert sha256_value(document)
    assert set(document) == set(Verdict.__slots__)
