"""What `kit tune` searches: the hyperparameters, their ranges, and the settings that they make.

- 1 to 3 hidden layers, each of 256 to 2,048 units; batch normalization or not; dropout 0 to 0.5
- sgd (rate 0.01 to 1), adam or adamw (rate 0.0001 to 0.01); the rate constant or one_cycle
- batch size 50 to 500; label smoothing 0 to 0.1; weight decay none, or 0.0001 to 0.1
- warps or none: rotation to 20°, scale to 0.2, shear to 0.3, shift and displacement to 2 pixels,
  final strength 0 to 1
"""

from typing import TypedDict

from optuna.trial import Trial

from kit.config import Augmentation, TrainConfig, make_config


class Searched(TypedDict):
    """The settings that a trial chooses."""

    hidden: tuple[int, ...]
    batch_normalization: bool
    dropout: float
    optimizer: str
    learning_rate: float
    schedule: str
    batch_size: int
    label_smoothing: float
    weight_decay: float
    augmentation: Augmentation | None


def suggest(trial: Trial, base: TrainConfig) -> TrainConfig:
    """Choose a trial's settings; what is not searched (source, epochs, seed, …) is the base's."""
    layers = trial.suggest_int("layers", 1, 3)
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
    # Plain SGD learns at rates at which the others diverge
    slow, fast = (0.01, 1.0) if optimizer == "sgd" else (1e-4, 1e-2)
    rate = "learning_rate_sgd" if optimizer == "sgd" else "learning_rate"
    decays = trial.suggest_categorical("decays_weights", [False, True])
    found: Searched = {
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
    return make_config({**base.model_dump(), **found})


def _suggest_augmentation(trial: Trial) -> Augmentation | None:
    if not trial.suggest_categorical("warps", [False, True]):
        return None
    return Augmentation(
        rotation=trial.suggest_float("rotation", 0, 20),
        scale=trial.suggest_float("scale", 0, 0.2),
        shear=trial.suggest_float("shear", 0, 0.3),
        shift=trial.suggest_float("shift", 0, 2),
        displacement=trial.suggest_float("displacement", 0, 2),
        final_strength=trial.suggest_float("final_strength", 0, 1),
    )
