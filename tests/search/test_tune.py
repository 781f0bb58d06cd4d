"""Studies as far as they get without training a network."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from kit.config import make_config
from kit.errors import UsageError
from kit.search.results import load_study
from kit.search.tune import Order, tune

BASE = make_config({"epochs": 1})


def ignore(_done: int, _total: int, _best: float | None) -> None:
    """Watch nothing."""


def test_a_broken_backend_ends_the_worker_and_costs_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "packages"
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError('libtorch.so: no such file')\n")
    monkeypatch.syspath_prepend(broken)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    with pytest.raises(UsageError) as raised:
        tune(address, Order("broken", BASE, trials=3), ignore)
    assert raised.value.what == (
        "KERAS_BACKEND: torch cannot be loaded (libtorch.so: no such file)."
    )
    assert raised.value.exit_code == 2
    states = [trial.state for trial in load_study(address, "broken").get_trials()]
    assert states == [TrialState.WAITING] * 3
