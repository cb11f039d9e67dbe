"""A sweep: which combinations it makes, and where a person finds what is wrong with one of them."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.engines import CAPABILITIES
from specseal.errors import SpecError
from specseal.spec import parse_spec
from specseal.spec.sweep import MOST_COMBINATIONS


@pytest.fixture(scope="session")
def swept(good):
    """Return the spec with a sweep, after replacing text in it, (old, new) at a time."""

    def parse(sweep, *replacements):
        text = good.replace("sweep: {}", f"sweep: {sweep}")
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} is not in the spec exactly once"
            text = text.replace(old, new)
        return parse_spec(text.encode(), path="x", capabilities=CAPABILITIES)

    return parse


@pytest.fixture(scope="session")
def refused(swept):
    """Return what a sweep is refused for, as `line:column: where: message`."""

    def found(*arguments):
        with pytest.raises(SpecError) as caught:
            swept(*arguments)
        return [str(problem).removeprefix("x:") for problem in caught.value.problems]

    return found


def test_combinations_come_in_the_order_written_the_last_path_fastest(swept):
    spec = swept("{drafter.draft_length: [8, 3], workload.sampling.temperature: [0, 0.5]}")
    assert [variant.setting for variant in spec.variants] == [
        {"drafter.draft_length": 8, "workload.sampling.temperature": 0},
        {"drafter.draft_length": 8, "workload.sampling.temperature": 0.5},
        {"drafter.draft_length": 3, "workload.sampling.temperature": 0},
        {"drafter.draft_length": 3, "workload.sampling.temperature": 0.5},
    ]
    assert [
        (variant.spec.drafter.draft_length, variant.spec.workload.sampling.temperature)
        for variant in spec.variants
    ] == [(8, 0.0), (8, 0.5), (3, 0.0), (3, 0.5)]


def test_variant_is_what_the_spec_with_that_value_would_be(swept, good):
    text = good.replace("draft_length: 4", "draft_length: 3")
    (variant, _) = swept("{drafter.draft_length: [3, 4]}").variants
    assert variant.spec == parse_spec(text.encode(), path="x")


def test_spec_with_a_sweep_reads_as_its_first_variant(swept):
    spec = swept("{drafter.draft_length: [3, 5]}")
    assert spec.drafter == spec.variants[0].spec.drafter
    assert spec.sweep == {"drafter.draft_length": (3, 5)}
    assert all(variant.spec.variants == () for variant in spec.variants)


def test_spec_without_a_sweep_has_no_variants(good):
    spec = parse_spec(good.encode(), path="x")
    assert (spec.sweep, spec.variants) == ({}, ())


def test_key_that_only_the_sweep_has_need_not_be_in_the_spec(swept):
    lengths = "{drafter.draft_length: [3, 5]}"
    spec = swept(lengths, ("method: ngram, draft_length: 4", "method: ngram"))
    assert [variant.spec.drafter.draft_length for variant in spec.variants] == [3, 5]


def test_mapping_that_only_the_sweep_has_is_made(swept):
    spec = swept("{drafter.args.ngram_min: [2, 3]}")
    assert [one.spec.drafter.args for one in spec.variants] == [{"ngram_min": 2}, {"ngram_min": 3}]


def test_value_that_is_no_scalar_is_named_by_its_canonical_text(swept):
    spec = swept("{drafter: [{method: none}, {method: ngram, draft_length: 5}], baseline: [none]}")
    assert [variant.setting for variant in spec.variants] == [
        {"drafter": '{"method":"none"}', "baseline": "none"},
        {"drafter": '{"draft_length":5,"method":"ngram"}', "baseline": "none"},
    ]


def test_digest_depends_on_the_sweep_and_its_order(swept, good):
    texts = ("{}", "{workload.seed: [0, 1]}", "{workload.seed: [1, 0]}", "{workload.seed: [0]}")
    assert len({swept(text).digest for text in texts}) == len(texts)
    assert swept("{}").digest == parse_spec(good.encode(), path="x").digest


def test_digest_does_not_depend_on_the_value_that_the_sweep_replaces(swept):
    lengths = "{drafter.draft_length: [3, 5]}"
    assert swept(lengths).digest == swept(lengths, ("draft_length: 4}", "draft_length: 8}")).digest


def test_variants_are_not_part_of_what_a_spec_is_written_as(swept):
    assert "variants" not in swept("{workload.seed: [0, 1]}").to_dict()


@given(
    counts=st.dictionaries(
        st.sampled_from(["workload.seed", "workload.repeats", "workload.sampling.top_k"]),
        st.integers(1, 4),
        min_size=1,
    )
)
def test_combinations_are_as_many_as_the_product_and_all_different(swept, counts):
    lists = (f"{path}: {list(range(1, count + 1))}" for path, count in counts.items())
    variants = swept(f"{{{', '.join(lists)}}}").variants
    assert len(variants) == prod(counts.values())
    assert len({variant.spec.digest for variant in variants}) == len(variants)
    assert [tuple(variant.setting.values()) for variant in variants] == sorted(
        tuple(variant.setting.values()) for variant in variants
    )


def test_path_that_does_not_exist_says_so_and_what_was_meant(refused):
    assert refused("\n  drafter.draft_lenght: [1]\n  nothing.at.all: [2]") == [
        "16:3: sweep.drafter.draft_lenght: no such path in a spec;"
        " did you mean 'drafter.draft_length'?",
        "17:3: sweep.nothing.at.all: no such path in a spec;"
        " a path reads like drafter.draft_length",
    ]


@pytest.mark.parametrize("path", ["engine.args.", "engine.args.*", "workload.load.concurrency[0]"])
def test_what_looks_like_a_path_and_is_none_is_refused(refused, path):
    assert "no such path" in refused(f'{{"{path}": [1]}}')[0]


@pytest.mark.parametrize(
    "path", ["apiVersion", "name", "title", "claims", "assumptions", "sweep", "sweep.x"]
)
def test_what_is_about_the_whole_spec_can_not_be_swept(refused, path):
    (found,) = refused(f"{{{path}: [a]}}")
    key = path.partition(".")[0]
    assert found.endswith(f"sweep.{path}: {key} can't be swept: it is about the spec as a whole")


def test_path_inside_another_that_is_swept_is_refused(refused):
    assert refused("{drafter.method: [ngram], drafter: [{method: none}]}") == [
        "15:9: sweep.drafter.method: lies inside drafter, which is swept too: sweep one of them",
    ]


@pytest.mark.parametrize("values", ["[0, 0]", "[0, 1, 0.0]"])
def test_same_value_twice_is_refused(refused, values):
    (found,) = refused(f"{{workload.seed: {values}}}")
    assert found.endswith(" is there twice")


def test_values_that_only_look_alike_are_two(swept):
    assert len(swept("{workload.sampling.stop: [[], ['1']]}").variants) == 2


def test_more_combinations_than_can_be_meant_are_refused(refused, swept):
    values = ", ".join(map(str, range(MOST_COMBINATIONS // 2)))
    sweep = f"{{workload.seed: [{values}], workload.sampling.top_k: [1, 2%s]}}"
    assert len(swept(sweep % "").variants) == MOST_COMBINATIONS
    assert refused(sweep % ", 3") == [
        "15:1: sweep: 384 combinations are more than 256: sweep fewer values"
    ]


def test_value_that_breaks_the_schema_is_told_where_it_stands_in_the_sweep(refused):
    assert refused("{workload.load.concurrency: [[1], 2, [2, 0]]}") == [
        "15:42: sweep.workload.load.concurrency[1]: 2 is not a list",
        "15:49: sweep.workload.load.concurrency[2][1]: 0 is less than 1",
    ]


def test_value_that_is_wrong_whatever_the_others_are_is_told_once(refused):
    assert refused("{drafter.draft_length: [0, 5], workload.seed: [0, 1]}") == [
        "15:32: sweep.drafter.draft_length[0]: method ngram drafts at least 1 token;"
        " to draft none, write method: none"
    ]


def test_values_that_do_not_fit_each_other_name_the_combination(refused):
    sweep = "{engine.context_length: [256, 4096], workload.sampling.max_tokens: [32, 256]}"
    assert refused(sweep) == [
        "15:33: sweep.engine.context_length[0]: with workload.sampling.max_tokens 256:"
        " 256 tokens can't hold a prompt and max_tokens (256) of output"
    ]


def test_value_that_does_not_fit_the_spec_is_told_at_the_value_and_names_the_key(refused):
    assert refused("{drafter.method: [ngram, none]}") == [
        "15:33: sweep.drafter.method[1]: with drafter.method 'none': drafter.draft_length:"
        " method none drafts nothing, 4 tokens can't be: leave it out"
    ]


def test_what_the_engine_can_not_do_is_asked_of_every_combination(refused):
    (found,) = refused("{engine.version: ['2026.10.11549', '1.0']}")
    assert found.startswith(
        "15:43: sweep.engine.version[1]: '1.0' is not known for llamacpp on cpu"
    )


def test_setting_that_the_engine_has_not_is_refused_in_a_sweep_too(refused):
    assert refused("{engine.dtype: [float16, bfloat16]}") == [
        "15:24: sweep.engine.dtype[0]: llamacpp has no such setting here: leave it out",
        "15:33: sweep.engine.dtype[1]: llamacpp has no such setting here: leave it out",
    ]


def test_what_is_wrong_in_every_combination_is_told_once_at_its_own_place(refused):
    assert refused("{drafter.draft_length: [3, 5]}", ("[1, 4]", "[1, 12]")) == [
        "12:41: workload.load.concurrency[1]: 12 at once are never reached with 11 requests:"
        " raise them"
    ]


def test_spec_and_sweep_are_checked_together(refused):
    found = refused(
        "{drafter.draft_length: [0], workload.sede: [1]}",
        ("method: ngram, draft_length: 4", "method: ngram, draft_lengt: 4"),
        ("repeats: 2", "repeats: 0"),
    )
    assert [line.split(": ")[1] for line in found] == [
        "drafter.draft_lengt",
        "workload.repeats",
        "sweep.drafter.draft_length[0]",
        "sweep.workload.sede",
    ]


@pytest.mark.parametrize("sweep", ["[1]", "drafter.draft_length", "{engine: []}", "{baseline: 1}"])
def test_sweep_of_another_form_is_one_problem_of_the_sweep(refused, sweep):
    (found,) = refused(sweep)
    assert found.split(": ")[1].startswith("sweep")


@pytest.mark.parametrize(
    "sweep", ["{workload.slo.ttft_s: [1, 2]}", "{workload.slo: [{ttft_s: 1}]}"]
)
def test_limits_are_one_for_the_run(refused, sweep):
    (found,) = refused(sweep)
    assert "limits judge what was measured" in found
