"""Whether results agree, whether claims hold, and if not, what differs. Pure: values in and out."""

from specseal.compare.claims import judge_claims
from specseal.compare.comparison import Comparison, compare, known_metrics
from specseal.compare.contrast import REASONS
from specseal.compare.difference import Difference, differences
from specseal.compare.efficiency import PRECISIONS, Given
from specseal.compare.fields import Kind
from specseal.compare.frontier import frontier, frontier_table
from specseal.compare.names import names_of
from specseal.compare.pair import judge_pair, not_judged
from specseal.compare.setups import SetupDifferences, setup_differences
from specseal.compare.side import Side
from specseal.compare.table import columns_of, comparison_table, words
from specseal.compare.verdict import ANSWERS, Answer, Verdict, overall

__all__ = [
    "ANSWERS",
    "PRECISIONS",
    "REASONS",
    "Answer",
    "Comparison",
    "Difference",
    "Given",
    "Kind",
    "SetupDifferences",
    "Side",
    "Verdict",
    "columns_of",
    "compare",
    "comparison_table",
    "differences",
    "frontier",
    "frontier_table",
    "judge_claims",
    "judge_pair",
    "known_metrics",
    "names_of",
    "not_judged",
    "overall",
    "setup_differences",
    "words",
]  # fmt: skip
