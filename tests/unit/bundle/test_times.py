from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.bundle.times import parse_time, render_time


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_time_written_is_read_again(time: datetime) -> None:
    whole = time.replace(microsecond=0)
    assert parse_time(render_time(whole)) == whole


def test_time_of_another_zone_is_written_in_utc() -> None:
    time = datetime(2026, 11, 25, 13, tzinfo=timezone(timedelta(hours=1)))
    assert render_time(time) == "2026-11-25T12:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-11-25", "2026-11-25T12:00:00", "2026-11-25T12:00:00+00:00",
        "2026-11-25t12:00:00z", "2026-1-2T3:4:5Z", "2026-11-25T12:00:00.0Z",
        "2026-02-30T00:00:00Z", "2026-11-25T12:00:00Z\n", "２026-11-25T12:00:00Z",
    ],
)  # fmt: skip
def test_time_of_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time data|unconverted|out of range"):
        parse_time(text)
