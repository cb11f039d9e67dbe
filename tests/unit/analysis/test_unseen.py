"""What nobody has seen is noted once, and spoils no figure."""

from __future__ import annotations

import pytest

from specseal.analysis import Note, RunData, analyse
from specseal.analysis.unseen import UNSEEN
from specseal.analysis.validity import REASONS
from unit.analysis.builders import baseline, job, phase, plain, record, run, snapshot

NGRAM = {"speculation": "ngram", "draft_length": 4}
NONE = {"speculation": "none"}
UNTOLD = {"before": snapshot("before", drafts=None), "after": snapshot(drafts=None)}


def requests(made):
    return [made(f"q{i}") for i in range(6)]


def test_run_of_which_all_was_seen_has_no_note():
    assert analyse(run(baseline(phase(requests(plain))), job(phase(requests(record))))).notes == ()


PROVOKED = {
    "method_not_seen": [
        (run(job(phase(requests(record)), method_found=None)), NGRAM),
        (run(baseline(phase(requests(plain), **UNTOLD), method_found=None)), NONE),
        (
            run(
                job(phase(requests(record)), method_found=None),
                job(phase(requests(record)), method_found=None, repeat=1),
            ),
            NGRAM,
        ),
    ],
    "version_not_seen": [
        (run(job(phase(requests(record)), engine_version_found=None)), NGRAM),
        (run(job(phase(requests(record)), engine_version="", engine_version_found=None)), NGRAM),
    ],
}


@pytest.mark.parametrize(
    ("code", "of", "where"), [(code, *one) for code, runs in PROVOKED.items() for one in runs]
)
def test_what_nobody_saw_is_noted_once_and_spoils_nothing(code: str, of: RunData, where):
    result = analyse(of)

    assert result.notes == (Note(where=where, code=code),)
    assert not [m for m in result.metrics if code in m.reasons]
    assert code in REASONS


def test_every_note_is_provoked_here():
    assert set(PROVOKED) == {row.code for row in UNSEEN}


def test_counters_that_tell_of_no_draft_show_that_nothing_speculates():
    assert analyse(run(baseline(phase(requests(plain)), method_found=None))).notes == ()


def test_job_that_measured_nothing_has_no_note():
    failed = job(failure="it died", method_found=None, engine_version_found=None)
    assert analyse(run(failed)).notes == ()
