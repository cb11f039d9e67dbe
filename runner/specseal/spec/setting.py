"""What a sweep varies, as figures are named by it."""

from __future__ import annotations

from collections.abc import Mapping

Setting = dict[str, str | int | float | bool]
"""Values by path in the spec."""

_SHOWN_OTHERWISE = ("drafter.draft_length", "workload.load", "workload.inputs", "workload.repeats")
_REQUESTS = "workload.load.requests"
"""Not shown otherwise: phases that differ in it alone are of one load, and are not to be pooled."""


def shown_setting(
    setting: Mapping[str, str | int | float | bool], *, is_baseline: bool, requests: int | None
) -> Setting:
    """Return what tells the figures of one combination of a sweep from those of others.

    Draft length, load and input are shown by keys of their own.

    Args:
        setting: of the combination, whole.
        is_baseline: the drafter's settings are nothing to a baseline.
        requests: conversations a phase; None: all.
    """
    shown = {
        path: value
        for path, value in setting.items()
        if not path.startswith(_SHOWN_OTHERWISE)
        and not (is_baseline and path.split(".")[0] == "drafter")
    }
    if requests and {"workload.load", _REQUESTS} & setting.keys():
        shown[_REQUESTS] = requests
    return shown
