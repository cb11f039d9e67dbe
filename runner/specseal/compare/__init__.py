"""Do two results agree, does a claim hold, and if not, what differs? Pure: values in, values out."""

from specseal.compare.claims import judge, judge_all
from specseal.compare.difference import Difference, differences
from specseal.compare.pair import judge_pair
from specseal.compare.side import Side
from specseal.compare.verdict import ANSWERS, Answer, Verdict, overall

__all__ = [
    "ANSWERS",
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
