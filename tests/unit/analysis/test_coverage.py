from __future__ import annotations

from specseal.analysis import analyse
from unit.analysis.builders import baseline, failed, job, metric, phase, plain, record, run

NAME = "drafter_vocabulary_coverage"


def bitmap(*ids: int) -> str:
    """Return the hexadecimal digits that hold these token ids and no others."""
    data = bytearray(8)
    for token in ids:
        data[token // 8] |= 1 << token % 8
    return data.hex()


def test_coverage_is_the_share_of_output_tokens_that_can_be_drafted():
    requests = [
        record("q1", category="coding", output_ids=(1, 2, 3, 4)),
        record("q2", category="math", output_ids=(1, 50, 60, 9_999)),
    ]
    result = analyse(run(job(phase(requests)), draftable=bitmap(1, 2, 3, 60)))

    assert metric(result, NAME, category="coding").value == 3 / 4
    assert metric(result, NAME, category="math").value == 2 / 4
    both = metric(result, NAME)
    assert (both.value, both.n, both.valid) == (5 / 8, 8, True)
    assert both.reasons == ("fewer_than_5_conversations",)


def test_coverage_has_an_interval_over_conversations():
    requests = [
        record(f"q{i}", output_ids=(1, 2, 3, 4) if i % 2 else (1, 2, 50, 51)) for i in range(10)
    ]
    found = metric(analyse(run(job(phase(requests)), draftable=bitmap(1, 2, 3, 4))), NAME)

    assert found.low is not None
    assert found.high is not None
    assert found.value == 0.75
    assert 0.5 <= found.low < 0.75 < found.high <= 1


def test_output_of_the_target_alone_has_a_coverage_too():
    result = analyse(run(baseline(phase([plain(output_ids=(1, 2, 3, 50))])), draftable=bitmap(1)))

    assert metric(result, NAME, speculation="none").value == 1 / 4


def test_without_output_ids_coverage_is_absent_and_says_why():
    result = analyse(run(job(phase([record(output_ids=None)])), draftable=bitmap(1)))

    assert metric(result, NAME).reasons == ("no_output_ids",)


def test_requests_that_failed_do_not_count():
    result = analyse(run(job(phase([record(), failed("q2")])), draftable=bitmap(7, 8, 9, 10)))

    assert metric(result, NAME).value == 1
    assert "requests_failed" in metric(result, NAME).reasons


def test_drafter_with_the_whole_vocabulary_has_no_such_metric():
    assert NAME not in {m.name for m in analyse(run(job(phase([record()])))).metrics}
