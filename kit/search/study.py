"""A study over hyperparameters: TPE chooses, validation judges, hopeless trials are pruned."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kit.errors import UsageError, missing_extra

try:
    import optuna
    from optuna import pruners
    from optuna.trial import FrozenTrial, Trial, TrialState
except ImportError as error:
    raise missing_extra("search", "Optuna") from error

from kit.config import TrainConfig
from kit.runs import translate_record
from kit.search.space import SEARCHED, suggest
from kit.search.storage import address_label, database_errors, open_storage, parse_address
from kit.search.workers import REASON, Job, Objective, n_finished, run_workers
from kit.training.backend import choose_backend, load_backend
from kit.training.callback import Callback, Epoch
from kit.training.dataset import load_dataset, split_digits

# Attributes: a study's, of what all its trials share; a trial's, of all its settings
BASE, SETTINGS = "base", "settings"
# These may differ between machines and calls: names, where data lie, views of predictions, and what
# each trial chooses for itself
_ASIDE = {"name", "preset", "data", "views", *SEARCHED}
# How many of the best trials are shown
BEST = 10
# Made for trials of so many epochs
PRUNERS: dict[str, Callable[[int], pruners.BasePruner]] = {
    # Ends what is worse than half of the others were after as many epochs
    "median": lambda epochs: pruners.MedianPruner(n_warmup_steps=epochs // 4),
    # Give the better half, or third, more epochs
    "halving": lambda _: pruners.SuccessiveHalvingPruner(),
    "hyperband": lambda epochs: pruners.HyperbandPruner(max_resource=epochs),
    "none": lambda _: pruners.NopPruner(),
}


def default_storage(submissions: Path) -> str:
    """The address of the SQLite file that is used unless --storage names another database."""
    return f"sqlite:///{submissions / 'studies.db'}"


class Pruning(Callback):
    """Reports each epoch's validation accuracy to Optuna, and ends a hopeless trial."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002 - not resumed
        """Report the epoch.

        Raises:
            TrialPruned: the trial is hopeless.
        """
        self._trial.report(epoch.val_accuracy or 0.0, epoch.epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned


class Tuning:
    """Makes a worker's objective: the validation accuracy of what the sampler chose."""

    def __init__(self, base: TrainConfig) -> None:
        self.base = base

    def __call__(self) -> Objective:
        """Load the backend and the digits.

        Raises:
            DataError: the digits are missing or wrong.
            UsageError: the backend cannot be loaded.
        """
        choose_backend()
        load_backend()
        from kit.training.fitting import fit
        from kit.training.predictor import Predictor

        digits = load_dataset(self.base).train

        def objective(trial: Trial) -> float:
            config = suggest(trial, self.base)
            trial.set_user_attr(SETTINGS, config.model_dump(mode="json"))
            predictor = Predictor.build(config)
            trial.set_user_attr("parameters", predictor.n_parameters)
            history = fit(predictor, digits, split_digits(digits, config), config, Pruning(trial))
            trial.set_user_attr("seconds", sum(epoch.seconds for epoch in history))
            return history[-1].val_accuracy or 0.0

        return objective


def tune(
    address: str,
    name: str,
    base: TrainConfig,
    watch: Callable[[int, float | None], None],
    *,
    trials: int,
    pruner: str = "median",
    workers: int = 1,
    until: float | None = None,
) -> None:
    """Begin a study or continue it, until it has its trials or the time is over.

    Args:
        address: the database's.
        name: the study's.
        base: the settings that are not searched, with rows held out.
        watch: told how many trials are finished, and the best validation accuracy so far.
        trials: how many it is to have in all, those of earlier calls and other machines included.
        pruner: one of `PRUNERS`.
        workers: processes on this machine.
        until: when to begin no further trial, in seconds since 1970; None for never.

    Raises:
        DataError: the digits are missing or wrong.
        NetworkError: the database does not answer.
        UsageError: the study has other digits or other settings, or no rows are held out.
        TrainingError: trials failed, or workers died, one after another.
    """
    if not base.validation_fraction:
        raise UsageError(
            "validation_fraction: a study compares trials on rows held out, and there are none.",
            "Give a fraction above 0.",
        )
    fixed = {
        "fingerprint": load_dataset(base).train.fingerprint,
        **base.model_dump(mode="json", exclude=_ASIDE),
    }
    storage = open_storage(address)
    with database_errors(address):
        _agree(
            optuna.create_study(
                study_name=name, storage=storage, direction="maximize", load_if_exists=True
            ),
            fixed,
        )

    def tell(now: Sequence[FrozenTrial]) -> None:
        watch(n_finished(now), max((trial.value or 0.0 for trial in _complete(now)), default=None))

    ender = PRUNERS[pruner](base.epochs)
    run_workers(Job(address, name, Tuning(base), trials, ender, min(workers, trials), until), tell)


def _agree(study: optuna.Study, base: dict[str, Any]) -> None:
    """Keep trials that cannot be compared out of one study."""
    # In this order: another machine may begin the study at this moment
    has_trials = bool(study.get_trials(deepcopy=False))
    before = study.user_attrs.get(BASE)
    if before is None:
        if has_trials:
            raise UsageError(
                f"{study.study_name}: a study that kit tune did not begin.",
                "Name another with --study.",
            )
        study.set_user_attr(BASE, base)
        return
    before = translate_record({"settings": before})["settings"]
    for name, value in base.items():
        if value != before.get(name):
            raise UsageError(
                f"{study.study_name}: a study with {name} {before.get(name)}, not {value}.",
                "Give what it began with, or name another with --study.",
            )


def load_study(address: str, name: str) -> optuna.Study:
    """Load a study that exists.

    Raises:
        UsageError: there is no such study.
        NetworkError: the database does not answer.
        DataError: its file cannot be read.
    """
    url = parse_address(address)
    if url.drivername == "sqlite" and not Path(url.database or "").is_file():
        raise UsageError(
            f"{url.database}: no studies there yet.",
            "Begin one with kit tune, or name another database with --storage.",
        )
    storage = open_storage(address)
    with database_errors(address):
        names = optuna.get_all_study_names(storage)
        if name not in names:
            raise UsageError(
                f"{name}: no such study in {address_label(address)}.",
                f"There are: {', '.join(names) or 'none'}.",
            )
        return optuna.load_study(study_name=name, storage=storage)


def study_figures(study: optuna.Study) -> dict[str, Any]:
    """Sum up a study, for a program: states, best trials, importances, reasons of failures.

    The importances are PED-ANOVA's, the most important first, none where there are too few trials:
    S. Watanabe, A. Bansal and F. Hutter, "PED-ANOVA: efficiently quantifying hyperparameter
    importance in arbitrary subspaces", IJCAI 2023.
    """
    trials = study.trials
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importances = optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        except (RuntimeError, ValueError):
            importances = {}
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    return {
        "study": study.study_name,
        "trials": dict(Counter(trial.state.name.lower() for trial in trials)),
        "best": [
            {
                "trial": trial.number,
                "val_accuracy": trial.value,
                "params": trial.params,
                "parameters": trial.user_attrs.get("parameters"),
                "seconds": trial.user_attrs.get("seconds"),
            }
            for trial in _complete(trials)[:BEST]
        ],
        "importances": importances,
        "failures": {
            trial.number: trial.user_attrs.get(REASON, "interrupted, or its worker died")
            for trial in failed
        },
    }


def trial_settings(address: str, name: str, number: int | None) -> dict[str, Any]:
    """The settings of a study's trial, or of its best: what `make_config` takes.

    Raises:
        UsageError: there is no such study, or no such trial, or it was never trained.
        NetworkError: the database does not answer.
    """
    trials = load_study(address, name).trials
    if number is None:
        if not (best := _complete(trials)):
            raise UsageError(
                f"{name}: none of its {len(trials)} trials is complete.",
                "Wait until one is, or name one that was pruned with --trial.",
            )
        number = best[0].number
    settings = trials[number].user_attrs.get(SETTINGS) if number < len(trials) else None
    if settings is None:
        raise UsageError(
            f"{name}: it has no trial {number}, or that trial was not trained.",
            f"The best trials are listed by: kit tune --show {name}",
        )
    translated: dict[str, Any] = translate_record({"settings": settings})["settings"]
    return {**translated, "name": f"{name}-{number}"}


def _complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that are complete, the best first."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
