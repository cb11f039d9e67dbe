from __future__ import annotations

import subprocess
import sys

from specseal.owner import is_dead, this_owner


def test_this_process_is_alive() -> None:
    assert not is_dead(this_owner())


def test_a_process_that_has_ended_is_dead() -> None:
    code = "from specseal.owner import this_owner; print(this_owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_dead(done.stdout.strip())


def test_another_process_under_the_same_number_is_not_taken_for_it() -> None:
    place, pid, created = this_owner().split("|")
    assert is_dead(f"{place}|{pid}|{created}0")


def test_a_process_of_another_host_is_never_called_dead() -> None:
    assert not is_dead("elsewhere/pid:[1]|999999999|0.0")


def test_rubbish_is_never_called_dead() -> None:
    assert not is_dead("")
    assert not is_dead(this_owner().split("|")[0] + "|x|y")
