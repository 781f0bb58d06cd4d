import time

import pytest

from kit.cli.searching import Clock


def test_time_left_follows_from_what_was_done_since_the_start() -> None:
    clock = Clock(until=None)
    assert clock.left(2, 10) == ""
    clock._began = time.time() - 100
    # two in 100 s, six to go
    assert clock.left(4, 10) == "0:05:00 left"
    assert clock.left(10, 10) == ""


def test_time_left_of_another_lot_hangs_on_that_lot_alone() -> None:
    clock = Clock(until=None)
    clock.left(3, 12)
    clock._began = time.time() - 3_600
    clock.left(12, 12)
    assert clock.left(0, 2) == ""
    clock._began -= 60
    assert clock.left(1, 2) == "0:01:00 left"


@pytest.mark.parametrize(("seconds", "words"), [(30, "0:00:30 left"), (-5, "0:00:00 left")])
def test_time_left_ends_with_the_time_allowed(seconds: float, words: str) -> None:
    clock = Clock(until=time.time() + seconds)
    assert clock.left(0, 4) == ""
    clock._began = time.time() - 1_000
    assert clock.left(1, 4) == words
