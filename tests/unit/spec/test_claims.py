"""Claims: which can be made of a spec, and every way in which one can't."""

import json
from dataclasses import replace

import pytest

from specseal.analysis.metrics import definitions
from specseal.analysis.overestimate import ACROSS_INPUTS
from specseal.engines import CAPABILITIES
from specseal.plan import make_plan
from specseal.spec import Claim, ClaimSource, Tolerance, load_spec, parse_spec
from specseal.spec.figures import figures_of, is_same, tolerance_of, whole_where
from specseal.spec.locked import CONVERSATIONS, RECIPE_SECTIONS, read_lock
from specseal.spec.schema import spec_schema

SOURCE = "source: {title: A paper, definition: tokens a step}"
SHA = "4a44dc15364204a80fe80e9039455cc1608281820fe2b24f1e5233ade6af1dd5"
LENGTH = f"{{metric: acceptance_length, value: 1.5, {SOURCE}}}"


def claiming(*claims):
    """What to put in the good spec for it to claim these."""
    return ("claims: []", "claims:\n" + "".join(f"  - {one}\n" for one in claims))


def swept(**choices):
    text = ", ".join(f"{path.replace('__', '.')}: {values}" for path, values in choices.items())
    return ("sweep: {}", f"sweep: {{{text}}}")


def read(good, *replacements):
    for old, new in replacements:
        good = good.replace(old, new)
    return parse_spec(good.encode(), path="x")


def test_claim_is_read_with_its_source_and_what_it_leaves_out(good):
    text = (
        "{metric: acceptance_length_drafted, where: {speculation: ngram, concurrency: 4},"
        " value: 2, decimals: 0, tolerance: {absolute: 0.25}, source: {title: A paper,"
        " url: 'https://example.org/a', table: table 1, definition: tokens a step,"
        f" bundle: {SHA}, inputs: {{model: {SHA}}}}}}}"
    )
    bare, whole = read(good, claiming(LENGTH, text)).claims
    assert bare == Claim(
        metric="acceptance_length",
        value=1.5,
        source=ClaimSource(title="A paper", definition="tokens a step"),
    )
    assert whole == Claim(
        metric="acceptance_length_drafted",
        where={"speculation": "ngram", "concurrency": 4},
        value=2.0,
        decimals=0,
        tolerance=Tolerance(absolute=0.25),
        source=ClaimSource(
            title="A paper",
            url="https://example.org/a",
            table="table 1",
            definition="tokens a step",
            bundle=SHA,
            inputs={"model": SHA},
        ),
    )


BY_THEMSELVES = {
    "{metric: acceptance_length, value: 1.5}": ["claims[0].source: is missing"],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{concurrency: 0}}}}": [
        "claims[0].where.concurrency: 0 is less than 1"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{speculation: [ngram]}}}}": [
        'claims[0].where.speculation: ["ngram"] is not text'
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{drafter.args: {{}}}}}}": [
        "claims[0].where.drafter.args: {} is not one value: write what is no number or text as JSON"
    ],
    f"{{metric: acceptance_length, {SOURCE}}}": [
        "claims[0].value: is missing: give the published number"
    ],
    f"{{metric: acceptance_length, value: 1.5, sha256: {SHA}, {SOURCE}}}": [
        "claims[0].sha256: only outputs have one: leave it out"
    ],
    f"{{metric: outputs, where: {{concurrency: 1, speculation: ngram}}, {SOURCE}}}": [
        "claims[0].sha256: is missing: give the digest of what was generated"
    ],
    f"{{metric: outputs, sha256: {SHA}, value: 1, tolerance: {{absolute: 1}}, {SOURCE}}}": [
        "claims[0].value: outputs are equal or not: leave it out",
        "claims[0].tolerance: outputs are equal or not: leave it out",
    ],
    f"{{metric: outputs, sha256: {SHA[:-1]}, {SOURCE}}}": [
        f"claims[0].sha256: '{SHA[:-1]}"[:40],
    ],
    f"{{metric: acceptance_length, value: 1.5, tolerance: {{}}, {SOURCE}}}": [
        "claims[0].tolerance: give exactly one of relative, absolute"
    ],
    "{metric: acceptance_length, value: 1.5, tolerance: {relative: 0.1, absolute: 1},"
    f" {SOURCE}}}": ["claims[0].tolerance: give exactly one of relative, absolute"],
    f"{{metric: acceptance_length, value: 1.5, tolerance: {{relative: 0}}, {SOURCE}}}": [
        "claims[0].tolerance.relative: 0 is not greater than 0"
    ],
    f"{{metric: random_overestimate, value: 0, tolerance: {{relative: 0.1}}, {SOURCE}}}": [
        "claims[0].tolerance.relative: a share of 0 is 0: give an absolute one"
    ],
    f"{{metric: acceptance_length, value: 1.25, decimals: 1, {SOURCE}}}": [
        "claims[0].decimals: 1.25 has more digits after the point than 1: raise it"
    ],
    f"{{metric: acceptance_length, value: 1.5, decimals: -1, {SOURCE}}}": [
        "claims[0].decimals: -1 is less than 0"
    ],
    "{metric: acceptance_length, value: 1.5, source: {title: x, definition: y,"
    f" inputs: {{model: {SHA}}}}}}}": [
        "claims[0].source.bundle: is missing: only a bundle's inputs have digests"
    ],
    "{metric: acceptance_length, value: 1.5, source: {title: x, definition: y,"
    f" bundle: {SHA}, inputs: {{weights: {SHA}}}}}}}": [
        "claims[0].source.inputs.weights: unknown key"
    ],
    "{metric: acceptance_length, value: 1.5, source: {title: x, definition: y, url: here}}": [
        "claims[0].source.url: 'here' does not match"
    ],
}


AGAINST_SPEC = {
    f"{{metric: acceptance_lenght, value: 1.5, {SOURCE}}}": [
        "claims[0].metric: 'acceptance_lenght' is no metric of this spec's result; did you mean"
        " 'acceptance_length'?"
    ],
    f"{{metric: acceptance_joint_position_5, value: 1, tolerance: {{absolute: 1}}, {SOURCE}}}": [
        "claims[0].metric: 'acceptance_joint_position_5' is no metric of this spec's result"
    ],
    f"{{metric: speedup_user_tps, value: 1.5, {SOURCE}}}": [
        "claims[0].tolerance: is missing: only acceptance lengths have one by themselves"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{tier: low}}}}": [
        "claims[0].where.tier: no figure of acceptance_length is named by it here; there are"
        " speculation, draft_length, input, concurrency, category"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{catgory: coding}}}}": [
        "claims[0].where.catgory: no figure of acceptance_length is named by it here"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{concurrency: 32}}}}": [
        "claims[0].where.concurrency: 32 is not measured here: 1 or 4 is"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{rate: 2}}}}": [
        "claims[0].where.rate: no figure of acceptance_length is named by it here"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{draft_length: 3}}}}": [
        "claims[0].where.draft_length: 3 is not measured here: 4 is"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{input: random}}}}": [
        "claims[0].where.input: 'random' is not measured here: 'dataset' is"
    ],
    f"{{metric: acceptance_length, value: 1.5, {SOURCE}, where: {{speculation: none}}}}": [
        "claims[0].where.speculation: 'none' is not measured here: 'ngram' is"
    ],
    f"{{metric: acceptance_joint_position_1, value: 1, tolerance: {{absolute: 1}}, {SOURCE},"
    " where: {speculation: none}}": [
        "claims[0].where.speculation: 'none' is not measured here: 'ngram' is"
    ],
    f"{{metric: ttft_p50, value: 1, tolerance: {{absolute: 1}}, {SOURCE}}}": [
        "claims[0].where: does not say which of several figures: add speculation: 'none' or 'ngram'"
    ],
    f"{{metric: ttft_p50, value: 1, tolerance: {{absolute: 1}}, {SOURCE},"
    " where: {speculation: none, draft_length: 4}}": [
        "claims[0].where: each of it is measured here, but never all together"
    ],
    f"{{metric: random_overestimate, value: 1, tolerance: {{absolute: 1}}, {SOURCE}}}": [
        "claims[0].metric: nothing that random_overestimate is of is measured here"
    ],
}


@pytest.mark.parametrize(("claim", "expected"), [*BY_THEMSELVES.items(), *AGAINST_SPEC.items()])
def test_claim_that_makes_no_sense_or_is_of_what_is_not_measured_is_refused(
    broken, claim, expected
):
    found = [line.partition(": ")[2] for line in broken(claiming(claim))]
    assert len(found) == len(expected), found
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_bundles_figure_of_other_drafts_than_are_made_here_stays_a_claim(good):
    of_a_bundle = f"source: {{title: A run, definition: tokens a step, bundle: {SHA}}}"
    text = f"{{metric: acceptance_length, where: {{draft_length: 3}}, value: 1.5, {of_a_bundle}}}"
    (claim,) = read(good, claiming(text)).claims
    assert claim.where == {"draft_length": 3}


def test_second_claim_on_one_figure_of_one_source_is_refused_however_it_is_written(broken):
    again = LENGTH.replace("value", "where: {draft_length: 4, input: dataset}, value")
    assert broken(claiming(LENGTH, again)) == [
        "18:5: claims[1]: is there twice: claims[0] is of the same figure and source"
    ]


def test_figures_of_two_levels_categories_or_sources_may_each_be_claimed(broken):
    others = [
        LENGTH.replace("value", "where: {concurrency: 1}, value"),
        LENGTH.replace("value", "where: {concurrency: 4}, value"),
        LENGTH.replace("value", "where: {category: coding}, value"),
        LENGTH.replace("A paper", "Another"),
        LENGTH.replace("A paper", "A paper, table: table 2"),
    ]
    assert broken(claiming(LENGTH, *others)) == []


def test_sweep_is_asked_as_a_whole(good, broken):
    sweep = swept(drafter__draft_length=[2, 4], drafter__args__ngram_min=[1, 3])
    one = "where: {draft_length: 2, drafter.args.ngram_min: 3}, value"
    assert broken(sweep, claiming(LENGTH.replace("value", one))) == []
    (open_length,) = broken(
        sweep, claiming(LENGTH.replace("value", "where: {drafter.args.ngram_min: 3}, value"))
    )
    assert open_length.endswith("does not say which of several figures: add draft_length: 2 or 4")
    (wrong,) = broken(
        sweep,
        claiming(
            LENGTH.replace("value", "where: {draft_length: 2, drafter.args.ngram_min: 2}, value")
        ),
    )
    assert wrong.endswith("where.drafter.args.ngram_min: 2 is not measured here: 1 or 3 is")


def test_number_is_the_same_whole_or_with_a_point():
    assert is_same(1, 1.0)
    assert not is_same(1, True)
    assert not is_same(1, "1")


def test_outputs_can_be_claimed_only_where_nothing_is_sampled(broken):
    claim = f"{{metric: outputs, where: {{speculation: ngram, concurrency: 1}}, sha256: {SHA}, "
    assert broken(claiming(f"{claim}{SOURCE}}}")) == []
    (found,) = broken(("temperature: 0", "temperature: 0.5"), claiming(f"{claim}{SOURCE}}}"))
    assert found.endswith(
        "claims[0].metric: outputs are only the same again at temperature 0: leave the claim out"
    )


def test_overestimate_of_random_tokens_is_claimed_where_both_inputs_are_run(broken):
    claim = (
        "{metric: random_overestimate, where: {speculation: ngram}, value: 0.23,"
        f" tolerance: {{absolute: 0.05}}, {SOURCE}}}"
    )
    both = ("  repeats: 2", "  inputs: [dataset, random]\n  repeats: 2")
    assert broken(both, claiming(claim)) == []
    (found,) = broken(both, claiming(LENGTH))
    assert found.endswith("add input: 'dataset' or 'random'")


def test_rate_is_a_level_of_an_open_load(broken):
    load = ("concurrency: [1, 4], requests: 11", "rate: [0.5, 2], requests: 11")
    opened = [("mode: closed", "mode: open"), load, ("4096}", "4096, max_sequences: 4}")]
    assert broken(*opened, claiming(LENGTH.replace("value", "where: {rate: 2}, value"))) == []
    (found,) = broken(*opened, claiming(LENGTH.replace("value", "where: {rate: 3}, value")))
    assert found.endswith("where.rate: 3 is not measured here: 0.5 or 2 is")


def test_assumption_must_be_about_a_path_of_the_spec(good, broken):
    path = "workload.load.concurrency"
    assumed = claiming(LENGTH)[1] + f"assumptions: {{{path}: the paper says batch 4}}\n"
    spec = read(good, ("claims: []\n", assumed))
    assert spec.assumptions == {path: "the paper says batch 4"}
    found = broken(("claims: []", "assumptions: {workload.load.concurency: x, claims: y, name: z}"))
    assert [line.partition(": ")[2] for line in found] == [
        f"assumptions.workload.load.concurency: no such path in a spec; did you mean '{path}'?",
        "assumptions.claims: no such path in a spec; a path reads like drafter.draft_length",
        "assumptions.name: no such path in a spec; a path reads like drafter.draft_length",
    ]
    assert broken(("claims: []", "assumptions: {drafter.draft_length: 4}")) == [
        "16:37: assumptions.drafter.draft_length: 4 is not text: put it in quotes"
    ]


def test_claims_and_assumptions_are_no_inputs(good):
    bare = read(good)
    assumed = claiming(LENGTH)[1] + "assumptions: {workload.load.concurrency: x}\n"
    claimed = read(good, ("claims: []\n", assumed))
    assert claimed.claims
    assert claimed.assumptions
    assert claimed.digest == bare.digest
    assert replace(claimed, name="other").digest != bare.digest


def test_committed_locks_are_of_their_specs(root):
    paths = sorted((root / "specs").rglob("*.lock.json"))
    assert paths
    for path in paths:
        spec = load_spec(path.with_name(path.name.replace(".lock.json", ".yaml")))
        assert read_lock(path).spec["sha256"] == spec.digest, path.name


def test_only_acceptance_lengths_have_a_tolerance_by_themselves():
    source = ClaimSource(title="x", definition="y")
    own = Tolerance(absolute=0.25)
    names = {name for row in (*definitions(1), *ACROSS_INPUTS) for name in row.names}
    having = {name for name in names if tolerance_of(Claim(metric=name, value=1.0, source=source))}
    assert having == {name for name in names if name.startswith("acceptance_length")}
    claim = Claim(metric="acceptance_length", value=1.0, source=source)
    assert tolerance_of(claim) == Tolerance(relative=0.05)
    assert tolerance_of(replace(claim, tolerance=own)) == own


def test_figures_are_those_that_the_plan_will_measure(root, good):
    sweeps = (
        swept(drafter__draft_length=[2, 4], drafter__args__ngram_min=[1, 3]),
        swept(workload__load=["{concurrency: [1]}", "{concurrency: [2, 4], requests: 5}"]),
        swept(workload__sampling__temperature=[0, 0.5], baseline=["none", "autoregressive"]),
    )
    for sweep in sweeps:
        new = sweep[1].replace("'", "")
        spec = read(good, (sweep[0], new))
        told = {json.dumps(one.where, sort_keys=True) for one in figures_of("ttft_p50", spec)}
        assert told == set(_planned(spec)), new


def _planned(spec):
    from specseal.outline import _unresolved
    from specseal.spec.locked import Variant, joined

    lock = joined(
        [Variant(setting=one.setting, lock=_unresolved(one.spec)) for one in spec.variants]
    )
    for job in make_plan(lock).jobs:
        for phase in job.phases:
            if phase.measured:
                length = {"draft_length": job.draft_length} if job.draft_length else {}
                where = {
                    "speculation": job.method,
                    **length,
                    "input": phase.input,
                    **phase.setting,
                    "concurrency": phase.load.concurrency,
                }
                yield json.dumps(where, sort_keys=True)


def test_whole_where_is_that_of_the_result(good):
    claim = f"{{metric: acceptance_length, where: {{category: math}}, value: 1.5, {SOURCE}}}"
    spec = read(good, claiming(claim))
    assert whole_where(spec.claims[0], spec) == (
        {"speculation": "ngram", "draft_length": 4, "input": "dataset", "category": "math"},
    )


def test_inputs_are_named_by_the_sections_of_a_lock():
    named = spec_schema()["$defs"]["claim_inputs"]["properties"]
    assert tuple(named) == (*RECIPE_SECTIONS, CONVERSATIONS)


def test_published_specs_name_title_address_table_and_definition_of_each_claim(root):
    paths = sorted((root / "specs" / "published").glob("*.yaml"))
    assert len(paths) == 27
    for path in paths:
        spec = load_spec(path, capabilities=CAPABILITIES)
        assert spec.name == path.stem
        assert spec.claims
        assert spec.assumptions
        for claim in spec.claims:
            source = claim.source
            assert all((source.title, source.url, source.table, source.definition)), path.name
