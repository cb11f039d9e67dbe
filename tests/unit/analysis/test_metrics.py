from __future__ import annotations

import json
from pathlib import Path

from specseal.analysis import ANALYSES, ANALYSIS_VERSION, Result, RunData, analyse
from specseal.analysis.metrics import definitions
from specseal.analysis.reference import metrics_reference
from specseal.analysis.selection import selections, whole_selections
from unit.analysis.builders import baseline, job, metric, phase, plain, record, run

REFERENCE = Path(__file__).parents[3] / "docs" / "metrics.md"


def small_run() -> RunData:
    def phases(made):
        return [
            phase(
                [made("q1", category="math"), made("q2", category="coding")],
                concurrency=concurrency,
            )
            for concurrency in (4, 1)
        ]

    return run(
        job(*phases(record), draft_length=3),
        baseline(*phases(plain)),
        job(*phases(record), draft_length=1),
    )


def test_every_combination_of_method_load_and_category_is_there_in_a_stable_order():
    result = analyse(small_run())

    levels = [{}, {"concurrency": 1}, {"concurrency": 4}]
    categories = [{}, {"category": "coding"}, {"category": "math"}]
    methods = [
        {"speculation": "none", "input": "dataset"},
        {"speculation": "ngram", "draft_length": 1, "input": "dataset"},
        {"speculation": "ngram", "draft_length": 3, "input": "dataset"},
    ]
    wheres = [{**m, **level, **c} for m in methods for level in levels for c in categories]
    assert [m.where for m in result.metrics if m.name == "requests"] == wheres
    counted = [m.value for m in result.metrics if m.name == "requests"]
    assert counted == [4, 2, 2, 2, 1, 1, 2, 1, 1] * 3


def test_metrics_come_in_the_order_of_the_table():
    result = analyse(small_run())

    names = list(dict.fromkeys(m.name for m in result.metrics))
    chosen = list(selections(whole_selections(small_run())))
    rows = [row for row in definitions(3) if any(map(row.applies, chosen))]
    assert names == [name for row in rows for name in row.names]
    assert len({(m.name, json.dumps(m.where)) for m in result.metrics}) == len(result.metrics)


def test_each_draft_length_has_its_own_positions():
    wheres = {
        (m.name, m.where["draft_length"])
        for m in analyse(small_run()).metrics
        if m.name.startswith("acceptance_joint")
    }

    assert wheres == {("acceptance_joint_position_1", 1)} | {
        (f"acceptance_joint_position_{i}", 3) for i in (1, 2, 3)
    }


def test_result_survives_json_bit_for_bit():
    result = analyse(small_run())
    text = json.dumps(result.to_dict(), allow_nan=False)

    assert Result.from_dict(json.loads(text)) == result
    assert json.dumps(analyse(small_run()).to_dict()) == text
    assert result.analysis_version == ANALYSIS_VERSION


def test_raw_counts_are_those_of_the_counters_and_by_category_of_the_requests():
    requests = [
        record("q1", category="math", draft_tokens=5, accepted_tokens=1),
        record("q2", category="coding", draft_tokens=7, accepted_tokens=2),
    ]
    result = analyse(run(job(phase(requests))))

    def value(name, **where):
        return metric(result, name, **where).value

    assert (value("drafts"), value("draft_tokens"), value("accepted_tokens")) == (4, 12, 3)
    assert value("draft_tokens", category="math") == 5
    assert value("accepted_tokens", category="coding") == 2
    assert value("output_tokens", category="coding") == 4
    assert metric(result, "drafts").unit == "count"


def test_reference_in_the_docs_is_the_one_of_the_tables():
    mend = (
        "write it anew: python -c 'from specseal.analysis.reference import metrics_reference; "
        'print(metrics_reference(), end="")\' > docs/metrics.md'
    )
    assert REFERENCE.read_text(encoding="utf-8") == metrics_reference(), mend


def test_analysis_of_this_version_is_the_last_of_the_table() -> None:
    assert max(ANALYSES) == ANALYSIS_VERSION
    assert ANALYSES[ANALYSIS_VERSION] is analyse
