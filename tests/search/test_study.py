"""Studies as far as they get without training a network."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from kit.config import Convolution, TrainConfig, make_config
from kit.errors import UsageError
from kit.search import study as studies
from kit.search.storage import open_storage
from kit.search.study import (
    SEARCHED,
    Pruning,
    draw_study,
    load_study,
    make_objective,
    study_figures,
    suggest,
    trial_settings,
)
from kit.search.workers import REASON, Job
from kit.training.callback import Epoch, FitState
from kit.training.dataset import load_dataset

BASE = TrainConfig(epochs=1)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def ignore(_done: int, _total: int, _best: float | None) -> None:
    """Watch nothing."""


def tune(
    address: str,
    name: str,
    base: TrainConfig,
    watch: Callable[[int, int, float | None], None],
    trials: int,
    until: float | None = None,
) -> None:
    """Begin a study or continue it, with one worker."""
    objective = functools.partial(make_objective, base)
    studies.tune(Job(address, name, objective, trials, base.epochs, until=until), base, watch)


def add(address: str, name: str, *trials: optuna.trial.FrozenTrial) -> optuna.Study:
    """Add trials to a study, which begins with the first."""
    study = optuna.create_study(
        study_name=name, storage=open_storage(address), direction="maximize", load_if_exists=True
    )
    study.add_trials(trials)
    return study


def test_a_broken_backend_ends_the_command_and_costs_no_trial(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "packages"
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError('libtorch.so: no such file')\n")
    monkeypatch.syspath_prepend(broken)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(UsageError, match=r"torch \(libtorch\.so") as raised:
        tune(address, "broken", BASE, ignore, trials=3)
    assert raised.value.exit_code == 2
    assert load_study(address, "broken").trials == []


def test_a_study_continues_with_the_same_digits_and_settings_only(address: str) -> None:
    tune(address, "mine", BASE, ignore, trials=1, until=time.time() - 1)
    assert load_study(address, "mine").trials == []
    add(address, "mine", create_trial(value=0.9))
    # Its one trial is done, so there is nothing to do
    told: list[tuple[int, int, float | None]] = []
    tune(address, "mine", BASE, lambda *now: told.append(now), trials=1)
    assert told == [(1, 1, 0.9)]
    with pytest.raises(UsageError, match="mine: was begun with epochs 1, not 2"):
        tune(address, "mine", BASE.model_copy(update={"epochs": 2}), ignore, trials=1)
    study = load_study(address, "mine")
    study.set_user_attr("base", {**study.user_attrs["base"], "fingerprint": "0123"})
    with pytest.raises(UsageError, match="mine: was begun with fingerprint 0123"):
        tune(address, "mine", BASE, ignore, trials=1)
    add(address, "another", create_trial(value=0.9))
    with pytest.raises(UsageError, match="another: was begun with epochs None"):
        tune(address, "another", BASE, ignore, trials=1)


def test_a_study_of_the_first_form_continues(address: str) -> None:
    base = BASE.model_dump(mode="json")
    base["validation"] = base.pop("split")
    chosen = {"hidden": [64], "learning_rate": 0.5, "dropout": 0.3, "augmentation": None}
    settings = {**base, **chosen, "views": 3}
    fingerprint = load_dataset(BASE).train.fingerprint
    study = add(
        address, "old", create_trial(value=0.9, user_attrs={"ticket": "0", "settings": settings})
    )
    study.set_user_attr("base", {**settings, "fingerprint": fingerprint})
    tune(address, "old", BASE, ignore, trials=1)
    translated = trial_settings(address, "old", None)
    assert translated["split"] == BASE.split
    assert TrainConfig(**translated).hidden == (64,)


def test_a_study_is_shown_with_its_best_trials_and_the_reasons_of_failures(
    address: str, tmp_path: Path
) -> None:
    def objective(trial: optuna.Trial) -> float:
        config = suggest(trial, BASE)
        trial.set_user_attr("settings", config.model_dump(mode="json"))
        for step in range(3):
            trial.report(config.dropout, step)
        if trial.number == 3:
            raise optuna.TrialPruned
        return config.dropout + config.batch_size / 1_000

    study = add(address, "shown")
    study.optimize(objective, n_trials=15)
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={REASON: "MemoryError: OOM"}))
    study.add_trial(create_trial(state=TrialState.FAIL))
    shown = load_study(address, "shown")
    figures = study_figures(shown)
    assert figures["trials"] == {"complete": 14, "pruned": 1, "fail": 2}
    best = figures["best"]
    assert len(best) == 10
    assert best[0]["trial"] == shown.best_trial.number
    assert [one["validation"] for one in best] == sorted(
        (one["validation"] for one in best), reverse=True
    )
    assert figures["failures"] == {15: "MemoryError: OOM", 16: "interrupted, or its worker died"}
    assert "dropout" in figures["importances"]
    pictures = draw_study(shown, figures["importances"], tmp_path / "pictures")
    assert [picture.name for picture in pictures] == [
        f"shown-{kind}.png" for kind in ("history", "importances", "slice", "intermediate-values")
    ]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    # Nothing can be drawn of a study without trials but its empty axes
    add(address, "empty")
    assert study_figures(load_study(address, "empty"))["best"] == []

    settings = trial_settings(address, "shown", None)
    assert settings["name"] == f"shown-{best[0]['trial']}"
    assert settings["dropout"] == best[0]["params"]["dropout"]
    assert trial_settings(address, "shown", 3)["name"] == "shown-3"
    for trial, message in ((15, "Trial 15 was never trained"), (99, "Trial 99 was never trained")):
        with pytest.raises(UsageError, match=message):
            trial_settings(address, "shown", trial)
    with pytest.raises(UsageError, match="No trial is complete; the study has 0 trials"):
        trial_settings(address, "empty", None)
    with pytest.raises(UsageError, match="nowhere: no such study in sqlite"):
        trial_settings(address, "nowhere", None)


def test_a_trial_that_was_interrupted_is_not_said_to_run(address: str) -> None:
    shown = add(address, "shown", create_trial(state=TrialState.RUNNING))
    assert study_figures(shown)["trials"] == {"unfinished": 1}


def test_every_setting_that_a_trial_chooses_is_left_out_of_the_agreement() -> None:
    study = optuna.create_study()
    configs = [suggest(study.ask(), BASE).model_dump() for _ in range(30)]
    differing = {name for config in configs for name in config if config[name] != configs[0][name]}
    assert differing == SEARCHED


def test_a_search_from_convolutions_varies_their_filters_and_kernels() -> None:
    study, base = optuna.create_study(), make_config({"preset": "cnn"})
    found = set()
    for _ in range(10):
        trial = study.ask()
        config, chosen = suggest(trial, base), trial.params
        assert config.conv == tuple(
            Convolution(filters=chosen[f"filters_{i}"], kernel=chosen[f"kernel_{i}"], stride=2)
            for i in (1, 2)
        )
        found.add(config.conv)
    assert len(found) > 5
    # A larger kernel without padding may not fit
    best = suggest(study.ask(), make_config({"preset": "best"})).conv
    assert [each.padding for each in best] == ["valid", "valid", "same"] * 2
    assert {each.kernel for each in best if each.padding == "valid"} == {3}


def accuracies(trial: optuna.Trial, *values: float) -> float:
    callback = Pruning(trial)
    for number, value in enumerate(values, start=1):
        callback.on_epoch_end(Epoch(number, 1.0, 0.5, 1.0, value, 0.01, 1.0), FitState)
    return values[-1]


def test_each_epoch_is_reported_and_a_hopeless_trial_is_pruned(address: str) -> None:
    add(address, "pruned")
    study = Job(address, "pruned", lambda: accuracies, 6, 8).load()
    for _ in range(5):
        study.optimize(lambda trial: accuracies(trial, *[0.9] * 8), n_trials=1)
    study.optimize(lambda trial: accuracies(trial, 0.1, 0.1, 0.1, 0.95), n_trials=1)
    last = study.trials[-1]
    assert study.trials[0].intermediate_values == dict.fromkeys(range(1, 9), 0.9)
    # a quarter of the epochs, 2, is let pass
    assert (last.state, last.intermediate_values) == (TrialState.PRUNED, {1: 0.1, 2: 0.1})
