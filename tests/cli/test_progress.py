import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from kit.cli.progress import search_bar, training_bar
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
            bar.on_stage("Predicting")
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """What a log was told of a search since the last call."""
    before = signal.getsignal(signal.SIGTERM)
    yield lambda: capsys.readouterr().err.splitlines()
    signal.signal(signal.SIGTERM, before)


def test_time_left_follows_from_what_was_done_since_the_start(
    told: Callable[[], list[str]],
) -> None:
    with search_bar("Trials", "kit tune") as tell:
        # two were done before
        tell(2, 10)
        assert told() == ["Trials: 2 of 10"]
        time.sleep(1)
        tell(4, 10, 0.98)
        # two in a second, six to go
        four_done = "Trials: 4 of 10  best validation 98.00%"
        assert told()[0] in [f"{four_done}  0:00:0{s} left" for s in (3, 4, 5)]
        tell(4, 10, 0.99)
        assert told() == []
        tell(10, 10, 0.99)
        assert told() == ["Trials: 10 of 10  best validation 99.00%"]


def test_time_left_of_another_lot_depends_on_that_lot_alone(told: Callable[[], list[str]]) -> None:
    with search_bar("Trainings", "kit experiment all") as tell:
        for done in (0, 100, 200):
            tell(done, 200)
        told()
        tell(0, 8)
        assert told() == ["Trainings: 0 of 8"]
        time.sleep(1)
        tell(2, 8)
        assert told()[0] in [f"Trainings: 2 of 8  0:00:0{seconds} left" for seconds in (3, 4, 5)]


def test_a_person_sees_a_bar_and_no_lines() -> None:
    shown = on_a_terminal(BARS, TERM="xterm")
    assert "Member 1/2: Epoch 1/2" in shown
    assert "loss 0.5000" in shown
    assert "Trials" in shown
    assert "3/8" in shown
    assert "Trials: 3 of 8" not in shown


BARS = """
import time
from kit.cli.progress import search_bar, training_bar
with training_bar("kit train --resume") as bar:
    bar.on_committee_begin("20260131-120000-x", 2)
    bar.on_member_begin(1)
    bar.on_run_begin("20260131-120000-x-1", 2)
    bar.on_batches_end(1, 0.5, {"loss": 0.5})
    time.sleep(0.3)
with search_bar("Trials", "kit tune") as tell:
    tell(3, 8)
    time.sleep(0.3)
"""
NARROW = """
from kit.cli.output import print_table
print_table("Runs", ["run", "made"], [["20260131-120000-rehearsal-3-a-long-name", "on a day"]])
"""


def test_a_name_is_never_broken_however_narrow_the_terminal() -> None:
    # A real terminal, since a pipe gets no ruled table
    shown = on_a_terminal(NARROW, COLUMNS="20")
    assert "20260131-120000-rehearsal-3-a-long-name" in shown


def on_a_terminal(program: str, **environment: str) -> str:
    """What a program writes to the terminal that it runs on."""
    leader, follower = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", program], stdout=follower, stderr=follower, check=True,
        env=os.environ | {"COLUMNS": "120"} | environment,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(leader, 4096):
            shown += part
    os.close(leader)
    return shown.decode()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sigterm_in_a_moment_when_python_ignores_it_ends_a_search() -> None:
    class Thing:
        pass

    things, usual = [Thing()], signal.getsignal(signal.SIGTERM)
    watched = weakref.ref(things[0], lambda _: signal.raise_signal(signal.SIGTERM))

    def search() -> None:
        with search_bar("Trials", "kit tune") as tell:
            things.clear()
            assert watched() is None
            tell(0, 1)

    try:
        with pytest.raises(SystemExit, match="143"):
            search()
    finally:
        signal.signal(signal.SIGTERM, usual)
