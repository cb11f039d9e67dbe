"""Where a run's time goes, and what a disk that fails turns into."""

from __future__ import annotations

import errno
import time

import psutil
import pytest

from specseal.bench import Clock, _disk_errors
from specseal.errors import RunFailed


def test_a_clock_adds_up_what_is_spent_in_a_stage_even_where_it_fails() -> None:
    clock = Clock()
    clock.add("measured phases", 1_500_000_000)
    clock.add("measured phases", 500_000_000)
    with pytest.raises(KeyError), clock.stage("sealing"):
        raise KeyError
    assert clock.spent_s["measured phases"] == 2.0
    assert clock.spent_s["sealing"] >= 0


def test_a_clock_of_this_process_began_when_the_process_was_created() -> None:
    before = time.time() - psutil.Process().create_time()
    counted = Clock.of_this_process().spent_s["starting"]
    assert before <= counted <= time.time() - psutil.Process().create_time()


@pytest.mark.parametrize(
    ("error", "message", "mend"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/runs/x"),
            "/runs/x: No space left on device",
            "free some space",
        ),
        (OSError(errno.EIO, "Input/output error"), "the disk: Input/output error", "mend that"),
        (OSError("cut off"), "the disk: cut off", "mend that"),
    ],
)
def test_a_disk_that_fails_is_a_failed_run_that_can_be_gone_on_with(
    error: OSError, message: str, mend: str
) -> None:
    with pytest.raises(RunFailed) as caught, _disk_errors():
        raise error
    assert caught.value.message == message
    assert caught.value.mend.startswith(mend)
    assert caught.value.mend.endswith("finished jobs are kept")
