"""Why a metric can't be trusted, can't be computed, or has no interval: every code, once.

A check looks at one measured phase and says whether something is wrong with it; its row names what
that spoils. A metric needs some of these things; where a check that spoils one of them fires in a
phase behind the metric, the metric carries the check's code and is not valid.
"""

from __future__ import annotations

from specseal.analysis import checks_counts, checks_setup
from specseal.analysis.facts import BASELINE, Check, Needs, PhaseFacts
from specseal.analysis.unseen import UNSEEN

__all__ = [
    "ATTESTED",
    "BASELINE",
    "CHECKS",
    "IDS_WITHHELD",
    "REASONS",
    "Check",
    "Needs",
    "PhaseFacts",
    "spoilt",
]

CHECKS = (*checks_counts.CHECKS, *checks_setup.CHECKS)

IDS_WITHHELD = "ids_withheld"
ATTESTED = "attested"

_ABSENCES = {
    "load_levels_missing": "A job failed before it had measured every load level or input of this.",
    "no_requests": "No completed request has what this metric is of.",
    "no_counters": "The engine has no such counter.",
    "no_decode_steps": "No token was decoded after the first, or none was drafted or accepted.",
    "no_per_request_counts": "The engine does not tell accepted tokens by request.",
    "no_per_request_drafts": "The engine tells drafts only for a whole phase.",
    "no_one_chunk_a_step": "The engine does not send one chunk a verify step.",
    "stream_not_checked": "Nothing counted the steps that the stream could be held against.",
    "cut_unknown": "Accepted tokens dropped at a stop are unknown, and matter by more than 1%.",
    "whole_phase_only": "Throughput belongs to a phase; its categories share the engine's time.",
    "one_input_only": "No launch measured both random tokens and the data set's prompts.",
    "no_baseline": "No baseline was measured for the same turns.",
    "not_greedy": "Outputs are only expected to be identical at temperature 0.",
    "no_comparable_turns": "No turn has the same input as in the baseline and known output ids.",
    "all_identical": "Every comparable output is identical to the baseline's.",
    "no_energy_telemetry": "Nothing tells the power or energy of this over enough of the phases.",
    "no_telemetry": "Nothing tells this over enough of the phases.",
    "not_watched": "Nothing tells this over enough of each phase, so that no check could watch it.",
    "no_output_ids": "The engine does not tell the ids of its output.",
    IDS_WITHHELD: "Only output ids tell this; the data set's licence keeps them out of the bundle.",
    ATTESTED: "Computed before the output ids were withheld: the signer's word, not recomputed.",
    "no_common_turns": "No turn was completed at every draft length.",
    "faster_at_no_level": "Speculation is significantly faster at no load level.",
    "faster_at_every_level": "Speculation is significantly faster at every load level.",
    "faster_again_at_higher_level": "Speculation is significantly faster at a load level above "
    "one at which it is not.",
    "exact_count": "A count has no interval.",
    "extreme": "The least or greatest of all samples has no interval.",
    "fewer_than_5_conversations": "No interval: it would rest on fewer than 5 conversations.",
    "fewer_than_3_launches": "No interval: it would rest on fewer than 3 launches.",
}

_NOTES = {row.code: row.sentence for row in UNSEEN}

REASONS: dict[str, str] = {check.code: check.sentence for check in CHECKS} | _ABSENCES | _NOTES
"""Every code that a metric may carry, or a result's notes, and its sentence for people."""


def spoilt(facts: PhaseFacts) -> dict[str, Needs]:
    """Return the code of every check that fires in a phase, with what it spoils."""
    return {check.code: check.spoils for check in CHECKS if check.fires(facts)}
