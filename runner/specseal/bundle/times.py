"""How statements, revocations and policies write a time: UTC, whole seconds, one spelling."""

from __future__ import annotations

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
