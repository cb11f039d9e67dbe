"""How statements, revocations and policies write a time: UTC, whole seconds, one spelling.

When a run started and finished is told to the millisecond, but for the first bundles.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def render_time(time: datetime) -> str:
    """Return a time with its zone as `YYYY-MM-DDThh:mm:ssZ`."""
    return time.astimezone(UTC).strftime(_FORMAT)


def parse_time(text: str) -> datetime:
    """Read such a time.

    Raises:
        ValueError: another form, or no such time.
    """
    time = datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    # strptime takes single digits, and digits of other scripts.
    if render_time(time) != text:
        raise ValueError(f"time data {text!r} is not of the form YYYY-MM-DDThh:mm:ssZ")
    return time


def parse_moment(text: str) -> datetime:
    """Read such a time, with milliseconds or without.

    Raises:
        ValueError: another form, or no such time.
    """
    whole = re.fullmatch(r"(.*)\.([0-9]{3})Z", text)
    if whole is None:
        return parse_time(text)
    return parse_time(f"{whole[1]}Z").replace(microsecond=1000 * int(whole[2]))
