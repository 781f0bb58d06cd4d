"""What a study has found, and the settings that a trial of it was trained with."""

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from kit.errors import UsageError
from kit.search.storage import existing_storage
from kit.search.tickets import failure_reason
from kit.search.training import SETTINGS


@dataclass(frozen=True)
class Found:
    """What a study has found.

    Attributes:
        study: Optuna's own object, to draw.
        states: how many trials are complete, pruned, fail, running and waiting.
        best: complete trials, best validation accuracy first.
        importances: share of the variance of good results that each hyperparameter explains, from
            the most important; empty where there are too few trials.
        failures: of the trials that failed, each with its reason.
    """

    study: optuna.Study
    states: dict[str, int]
    best: list[FrozenTrial]
    importances: dict[str, float]
    failures: dict[int, str]


def load_study(address: str, name: str) -> optuna.Study:
    """Load a study by its name.

    Raises:
        UsageError: there is no such study.
        NetworkError: the database does not answer.
    """
    storage = existing_storage(address)
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError as error:
        known = ", ".join(study.study_name for study in storage.get_all_studies())
        raise UsageError(
            f"{name}: no such study in {storage.label}.", f"There are: {known or 'none'}."
        ) from error


def read_study(address: str, name: str) -> Found:
    """Sum up a study.

    The importances are PED-ANOVA's: S. Watanabe, A. Bansal and F. Hutter, "PED-ANOVA: efficiently
    quantifying hyperparameter importance in arbitrary subspaces", IJCAI 2023.

    Raises:
        UsageError: there is no such study.
        NetworkError: the database does not answer.
    """
    study = load_study(address, name)
    trials = study.get_trials()
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importances = optuna.importance.get_param_importances(study)
        except (RuntimeError, ValueError):
            importances = {}
    return Found(
        study=study,
        states=dict(Counter(trial.state.name.lower() for trial in trials)),
        best=sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number)),
        importances=importances,
        failures={t.number: failure_reason(t) for t in trials if t.state == TrialState.FAIL},
    )


def trial_settings(address: str, name: str, number: int | None) -> dict[str, Any]:
    """The settings of a study's trial, or of its best: what `make_config` takes.

    Raises:
        UsageError: there is no such study, or no such trial, or it was never trained.
        NetworkError: the database does not answer.
    """
    study = load_study(address, name)
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    if number is None:
        complete = [trial for trial in trials.values() if trial.state == TrialState.COMPLETE]
        if not complete:
            raise UsageError(
                f"{name}: none of its {len(trials)} trials is complete.",
                "Let it go on, or name one that was pruned with --trial.",
            )
        number = study.best_trial.number
    trial = trials.get(number)
    settings = None if trial is None else trial.user_attrs.get(SETTINGS)
    if settings is None:
        raise UsageError(
            f"{name}: {'no trial' if trial is None else 'nothing trained in trial'} {number}.",
            f"kit tune --show {name} lists its best.",
        )
    kept = {setting: value for setting, value in settings.items() if setting != "name"}
    return {**kept, "name": f"{name}-{number}"}
