import signal

import pytest

from kit.cli.console import CtrlC, training_bar


def swallowed_ctrl_c() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return
    pytest.fail("nothing was raised")


def train_while_ctrl_c_is_swallowed() -> None:
    with training_bar("kit train --resume") as bar:
        bar.begin("20260131-120000-x", 2)
        bar.progress(1, 1.0, {"loss": 0.5})
        swallowed_ctrl_c()
        bar.progress(2, 1.0, {"loss": 0.4})


def test_a_swallowed_ctrl_c_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_while_ctrl_c_is_swallowed()
    told = capsys.readouterr().err.splitlines()
    assert told[-2:] == [
        "Epoch 1/2: loss 0.5000",
        "Interrupted. Go on with: kit train --resume 20260131-120000-x",
    ]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ctrl_c = CtrlC()
        with ctrl_c.heard():
            signal.raise_signal(signal.SIGINT)
        ctrl_c.raise_again()
    finally:
        signal.signal(signal.SIGINT, before)
