"""Whether results agree, whether claims hold, and if not, what differs. Pure: values in and out."""

from specseal.compare.claims import judge, judge_all
from specseal.compare.contrast import REASONS
from specseal.compare.difference import Difference, differences
from specseal.compare.pair import judge_pair
from specseal.compare.side import Side
from specseal.compare.verdict import ANSWERS, Answer, Verdict, overall

__all__ = [
    "ANSWERS",
    "REASONS",
    "Answer",
    "Difference",
    "Side",
    "Verdict",
    "differences",
    "judge",
    "judge_all",
    "judge_pair",
    "overall",
]
