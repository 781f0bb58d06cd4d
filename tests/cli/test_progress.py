import contextlib
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from kit.cli.progress import Clock, training_bar
from kit.training.callback import Epoch, FitState


def swallowed_ctrl_c() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return
    pytest.fail("nothing was raised")


def train_while_ctrl_c_is_swallowed() -> None:
    with training_bar("kit train --resume") as bar:
        bar.on_run_begin("20260131-120000-x", 2)
        bar.on_epoch_end(Epoch(1, 0.5, 0.9, None, None, 0.01, 1.0), FitState)
        swallowed_ctrl_c()
        bar.on_batches_end(2, 0.5, {"loss": 0.4})


def test_a_swallowed_ctrl_c_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_while_ctrl_c_is_swallowed()
    told = capsys.readouterr().err.splitlines()
    assert told[-2:] == [
        "Epoch 1/2: loss 0.5000  accuracy 0.9000",
        "Interrupted. Go on with: kit train --resume 20260131-120000-x",
    ]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with training_bar("kit train --resume") as bar:
            signal.raise_signal(signal.SIGINT)
            bar.on_stage("Loading Keras")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


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


NARROW = """
from kit.cli.output import print_table
print_table("Runs", ["run", "made"], [["20260131-120000-rehearsal-3-a-long-name", "on a day"]])
"""


def test_a_name_is_never_broken_however_narrow_the_terminal() -> None:
    # A real terminal, since a pipe gets no ruled table
    leader, follower = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", NARROW], stdout=follower, check=True,
        env=os.environ | {"COLUMNS": "20"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(leader, 4096):
            shown += part
    os.close(leader)
    assert b"20260131-120000-rehearsal-3-a-long-name" in shown
