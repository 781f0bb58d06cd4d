"""A study over hyperparameters: TPE chooses, validation judges, hopeless trials are pruned."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit.errors import UsageError, missing_extra

try:
    import optuna
    import sqlalchemy
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import FrozenTrial, Trial, TrialState
except ImportError as error:
    raise missing_extra("search", "Optuna") from error

from kit.config import Augmentation, TrainConfig, make_config
from kit.files import whole_file
from kit.runs import translate_settings
from kit.search.storage import address_label, database_errors, open_storage, parse_address
from kit.search.workers import REASON, Job, Objective, n_finished, run_workers
from kit.training.backend import load_backend, memory_errors
from kit.training.callback import Callback, Epoch
from kit.training.dataset import load_dataset, split_digits

# The settings that a trial chooses
SEARCHED = {"hidden", "batch_normalization", "dropout", "optimizer", "learning_rate", "schedule"}
SEARCHED |= {"batch_size", "label_smoothing", "weight_decay", "augmentation"}
WARPS = {"rotation": 20, "scale": 0.2, "shear": 0.3, "shift": 2, "displacement": 2,
         "final_strength": 1}  # fmt: skip
# Attributes: a study's, of what all its trials share; a trial's, of all its settings
BASE, SETTINGS = "base", "settings"
# These may differ between machines, calls and trials
_ASIDE = {"name", "preset", "data", "views", *SEARCHED}


def default_address(submissions: Path) -> str:
    """The address of the studies' database in the runs' folder, whatever signs its name has."""
    file = str(submissions / "studies.db")
    return sqlalchemy.URL.create("sqlite", database=file).render_as_string()


def suggest(trial: Trial, base: TrainConfig) -> TrainConfig:
    """Choose a trial's settings; what is not searched (source, epochs, seed, …) is the base's.

    Of the base's layers of convolutions, filters and kernels are searched, not strides and pooling;
    a kernel without padding stays, because a larger one may not fit.
    """
    conv = []
    for i, layer in enumerate(base.conv, start=1):
        filters = trial.suggest_int(f"filters_{i}", 16, 128, step=16)
        is_padded = layer.padding == "same"
        kernel = trial.suggest_int(f"kernel_{i}", 3, 7, step=2) if is_padded else layer.kernel
        conv.append(layer.model_copy(update={"filters": filters, "kernel": kernel}))
    layers = trial.suggest_int("layers", 1, 3)
    hidden = [trial.suggest_int(f"hidden_{i + 1}", 256, 2048, step=128) for i in range(layers)]
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
    # Plain SGD learns at rates at which the others diverge
    rate, slow, fast = "learning_rate", 1e-4, 1e-2
    if optimizer == "sgd":
        rate, slow, fast = "learning_rate_sgd", 0.01, 1.0
    decays = trial.suggest_categorical("decays_weights", [False, True])
    chosen: dict[str, Any] = {
        "conv": conv,
        "hidden": tuple(hidden),
        "batch_normalization": trial.suggest_categorical("batch_normalization", [False, True]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "optimizer": optimizer,
        "learning_rate": trial.suggest_float(rate, slow, fast, log=True),
        "schedule": trial.suggest_categorical("schedule", ["constant", "one_cycle"]),
        "batch_size": trial.suggest_int("batch_size", 50, 500, step=50),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.1),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.1, log=True) if decays else 0.0,
        "augmentation": None,
    }
    if trial.suggest_categorical("warps", [False, True]):
        warps = {name: trial.suggest_float(name, 0, largest) for name, largest in WARPS.items()}
        chosen["augmentation"] = Augmentation(**warps)
    return make_config({**base.model_dump(), **chosen})


class Pruning(Callback):
    """Reports each epoch's validation accuracy to Optuna, and ends a hopeless trial."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002 - not resumed
        """Report the epoch; raise `TrialPruned` if the trial is hopeless."""
        self._trial.report(epoch.val_accuracy or 0.0, epoch.epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned


def make_objective(base: TrainConfig) -> Objective:
    """Load the backend and the digits, for trials whose value is their validation accuracy."""
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    digits = load_dataset(base).train

    def objective(trial: Trial) -> float:
        config = suggest(trial, base)
        trial.set_user_attr(SETTINGS, config.model_dump(mode="json"))
        rows = split_digits(digits, config)
        with memory_errors(config):
            predictor = Predictor.build(config)
            trial.set_user_attr("parameters", predictor.n_parameters)
            history = fit(predictor, digits, rows, config, Pruning(trial))
        trial.set_user_attr("seconds", sum(epoch.seconds for epoch in history))
        return history[-1].val_accuracy or 0.0

    return objective


def tune(job: Job, base: TrainConfig, watch: Callable[[int, int, float | None], None]) -> None:
    """Begin a study or continue it, until it has its trials, those of other machines included.

    `base` has the settings that are not searched. `watch` is told how many trials are finished, of
    how many, and the best validation accuracy so far.

    Raises:
        UsageError: the study has other digits or other settings.
    """
    fixed = base.model_dump(mode="json", exclude=_ASIDE)
    fixed["fingerprint"] = load_dataset(base, tell=True).train.fingerprint
    storage = open_storage(job.storage)
    with database_errors(job.storage):
        study = optuna.create_study(
            study_name=job.study, storage=storage, direction="maximize", load_if_exists=True
        )
        # In this order: another machine may begin the study at this moment
        has_trials = bool(study.get_trials(deepcopy=False))
        before = study.user_attrs.get(BASE, {})
        if not before and not has_trials:
            study.set_user_attr(BASE, before := fixed)
    before = translate_settings(before)
    # Trials that cannot be compared are kept out of one study
    for setting, value in fixed.items():
        if value != before.get(setting):
            what = f"{job.study}: was begun with {setting} {before.get(setting)}, not {value}."
            raise UsageError(what, "Give what it began with, or name another with --study.")

    def tell(now: Sequence[FrozenTrial]) -> None:
        best = max((trial.value or 0.0 for trial in _complete(now)), default=None)
        watch(n_finished(now), job.trials, best)

    run_workers(job, tell)


def load_study(address: str, name: str) -> optuna.Study:
    """Load a study; a UsageError if there is none."""
    url, names = parse_address(address), list[str]()
    # A file is not made here
    if url.drivername != "sqlite" or Path(url.database or "").is_file():
        storage = open_storage(address)
        with database_errors(address):
            names = optuna.get_all_study_names(storage)
            if name in names:
                return optuna.load_study(study_name=name, storage=storage)
    remedy = f"There are: {', '.join(names)}." if names else "Begin one with kit tune."
    raise UsageError(f"{name}: no such study in {address_label(address)}.", remedy)


def study_figures(study: optuna.Study) -> dict[str, Any]:
    """Sum up a study, for a program: states, best trials, importances, reasons of failures.

    The importances are PED-ANOVA's, the most important first, none where there are too few trials:
    S. Watanabe, A. Bansal and F. Hutter, "PED-ANOVA: efficiently quantifying hyperparameter
    importance in arbitrary subspaces", IJCAI 2023.
    """
    trials, importances = study.trials, dict[str, float]()
    evaluator, attributes = PedAnovaImportanceEvaluator(), ("parameters", "seconds")
    with warnings.catch_warnings(action="ignore"), suppress(RuntimeError, ValueError):
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    unknown = "interrupted, or its worker died"
    return {
        "study": study.study_name,
        # Optuna takes a trial that was interrupted for running until another one begins
        "trials": Counter(
            trial.state.name.lower() if trial.state.is_finished() else "unfinished"
            for trial in trials
        ),
        "best": [
            {
                "trial": trial.number,
                "validation": trial.value,
                "params": trial.params,
                **{name: trial.user_attrs.get(name) for name in attributes},
            }
            for trial in _complete(trials)[:10]
        ],
        "importances": importances,
        "failures": {trial.number: trial.user_attrs.get(REASON, unknown) for trial in failed},
    }


def draw_study(study: optuna.Study, importances: dict[str, float], folder: Path) -> list[Path]:
    """Draw a study as PNG files named after it, without those for which it has too few trials.

    `importances` are those of its hyperparameters, the most important first.
    """
    if not any(trial.state.is_finished() and trial.values for trial in study.trials):
        return []
    from matplotlib import pyplot as plt
    from optuna.visualization import matplotlib as plots

    plt.switch_backend("agg")
    evaluator = PedAnovaImportanceEvaluator()
    pictures: dict[str, Callable[[], Any]] = {
        "history": lambda: plots.plot_optimization_history(study),
        "importances": lambda: plots.plot_param_importances(study, evaluator=evaluator),
        # More slices side by side cannot be read
        "slice": lambda: plots.plot_slice(study, params=list(importances)[:6] or None),
        "intermediate-values": lambda: plots.plot_intermediate_values(study),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in pictures.items():
        path = folder / f"{study.study_name}-{name}.png"
        # Each of these plots is called experimental, and raises where there are too few trials
        with warnings.catch_warnings(action="ignore"), suppress(RuntimeError, ValueError):
            draw()
            with whole_file(path) as stream:
                plt.savefig(stream, format="png", dpi=120, bbox_inches="tight")
            paths.append(path)
        plt.close("all")
    return paths


def trial_settings(address: str, name: str, number: int | None) -> dict[str, Any]:
    """The settings of a trial that was trained, or of the best: what `make_config` takes."""
    trials = load_study(address, name).trials
    chosen = _complete(trials)[:1] if number is None else trials[number : number + 1]
    if not chosen or SETTINGS not in chosen[0].user_attrs:
        none = "No trial is complete" if number is None else f"Trial {number} was never trained"
        what = f"{name}: {none}; the study has {len(trials)} trials."
        raise UsageError(what, f"The best trials are listed by: kit tune --show {name}")
    settings = translate_settings(chosen[0].user_attrs[SETTINGS])
    return {**settings, "name": f"{name}-{chosen[0].number}"}


def _complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    # The best first
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
