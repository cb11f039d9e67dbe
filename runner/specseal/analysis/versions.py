"""The analyses of every version: a result is held against the one that made it, however old.

Whatever changes what the same records give gets the next version (`ANALYSIS_VERSION`), and a line
here. What it took before must stay within reach of that version's function.
"""

from __future__ import annotations

from collections.abc import Callable

from specseal.analysis.data import RunData
from specseal.analysis.metrics import analyse
from specseal.analysis.result import Result

ANALYSES: dict[int, Callable[[RunData], Result]] = {2: analyse}
