"""What `kit tune` searches: the hyperparameters, their ranges, and the settings that they make."""

from typing import Any

from optuna.trial import Trial

from kit.config import Augmentation, TrainConfig, make_config

# The settings that a trial chooses
SEARCHED = {
    "hidden", "batch_normalization", "dropout", "optimizer", "learning_rate", "schedule",
    "batch_size", "label_smoothing", "weight_decay", "augmentation",
}  # fmt: skip


def suggest(trial: Trial, base: TrainConfig) -> TrainConfig:
    """Choose a trial's settings; what is not searched (source, epochs, seed, …) is the base's."""
    layers = trial.suggest_int("layers", 1, 3)
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
    # Plain SGD learns at rates at which the others diverge
    slow, fast = (0.01, 1.0) if optimizer == "sgd" else (1e-4, 1e-2)
    rate = "learning_rate_sgd" if optimizer == "sgd" else "learning_rate"
    decays = trial.suggest_categorical("decays_weights", [False, True])
    chosen: dict[str, Any] = {
        "hidden": tuple(
            trial.suggest_int(f"hidden_{layer}", 256, 2048, step=128)
            for layer in range(1, layers + 1)
        ),
        "batch_normalization": trial.suggest_categorical("batch_normalization", [False, True]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "optimizer": optimizer,
        "learning_rate": trial.suggest_float(rate, slow, fast, log=True),
        "schedule": trial.suggest_categorical("schedule", ["constant", "one_cycle"]),
        "batch_size": trial.suggest_int("batch_size", 50, 500, step=50),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.1),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.1, log=True) if decays else 0.0,
        "augmentation": _suggest_augmentation(trial),
    }
    return make_config({**base.model_dump(), **chosen})


def _suggest_augmentation(trial: Trial) -> Augmentation | None:
    if not trial.suggest_categorical("warps", [False, True]):
        return None
    largest = {
        "rotation": 20, "scale": 0.2, "shear": 0.3, "shift": 2, "displacement": 2,
        "final_strength": 1,
    }  # fmt: skip
    return Augmentation(**{key: trial.suggest_float(key, 0, most) for key, most in largest.items()})
