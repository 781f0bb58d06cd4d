"""An epoch of the base program: the kit, plain Keras `fit`, and the arithmetic alone."""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks.apart import apart
from benchmarks.arithmetic import TRAINING_FORMULA, forward_flop, training_flop
from benchmarks.section import Report, Request, Round
from benchmarks.tables import percent, ratios, spread, table
from kit.config import TrainConfig, make_config
from kit.data.mnist import load_keras
from kit.training.backend import load_backend
from kit.training.split import split_rows

TITLE = "An epoch of the base program"
KIT = "kit"
PLAIN = "plain `fit`"
COMPILED = "plain `fit`, `jit_compile=True`"
CONTENDERS = (KIT, PLAIN, COMPILED)
FASTER_WANTED = 1.5
SHARE_WANTED = 0.6


def measure(request: Request) -> Round:
    """Train with each contender, with and without validation, between two looks at the machine."""
    n, epochs = (3_000, 3) if request.quick else (60_000, 6)
    return {contender: apart(_contend, contender, n, epochs) for contender in CONTENDERS}


def _contend(contender: str, n: int, epochs: int) -> dict[str, Any]:
    load_backend()
    from benchmarks.matrix_rate import best_rates

    config = make_config({"preset": "baseline", "epochs": epochs})
    before = best_rates()
    validated = steady_epoch(contender, n, config)
    alone = steady_epoch(contender, n, config, validate=False)
    after = best_rates()
    held_out = n - int(n * (1 - config.validation_fraction))
    training = (n - held_out) * training_flop(config.hidden)
    return {
        "validated": validated,
        "alone": alone,
        "validated_flop": training + held_out * forward_flop(config.hidden),
        "alone_flop": training,
        **{f"{name}_rate": (before[name] + after[name]) / 2 for name in before},
    }


def steady_epoch(contender: str, n: int, config: TrainConfig, *, validate: bool = True) -> float:
    """Wall-clock seconds of an epoch on the training part of the first n digits.

    It is the median of all but the first, in which networks are compiled; everything between the
    end of one epoch and that of the next counts.
    """
    from benchmarks.trainings import train_with_keras, train_with_kit

    digits = load_keras().train.take(np.arange(n))
    training, validation = split_rows(digits.labels, config)
    ends: list[float] = []

    def at_epoch_end(_network: object) -> None:
        ends.append(time.perf_counter())

    if contender == KIT:
        rows = (training, validation if validate else validation[:0])
        train_with_kit(digits, rows, config, at_epoch_end)
    else:
        if not validate:
            digits = digits.take(training)
            config = config.model_copy(update={"validation_fraction": 0.0})
        jit_compile = True if contender == COMPILED else "auto"
        train_with_keras(digits, config, at_epoch_end, jit_compile)
    return statistics.median(np.diff(ends).tolist())


def report(rounds: list[Round]) -> Report:
    """Tabulate the contenders with validation and without it, and say how the kit compares."""
    first = rounds[0][KIT]
    formula = (
        f"The arithmetic of training is {TRAINING_FORMULA}; that is {first['alone_flop'] / 1e9:.1f}"
        f" GFLOP an epoch, {first['validated_flop'] / 1e9:.1f} with validation. Its seconds are "
        "those at the backend's matrix-product rate, the faster of compiled and not, measured in "
        "each contender's own process just before and after it trains."
    )
    parts = [formula]
    faster: dict[str, list[float]] = {}
    for way, title in (
        ("validated", "Training and validation, each in its own batches"),
        ("alone", "Training alone"),
    ):
        rows = []
        for contender in CONTENDERS:
            seconds = _column(rounds, contender, way)
            faster[way, contender] = ratios(_column(rounds, PLAIN, way), seconds)
            needed = _needed(rounds, contender, way, "large")
            rows.append(
                [
                    contender,
                    spread(seconds),
                    spread(faster[way, contender]),
                    spread(needed),
                    percent(ratios(needed, seconds)),
                    percent(ratios(_needed(rounds, contender, way, "step"), seconds)),
                ]
            )
        headers = (
            "contender",
            "epoch, s",
            "times as fast as plain `fit`",
            "arithmetic, s",
            "share of it, at the rate of 2048 × 2048 × 2048",
            "at that of 200 × 784 × 800",
        )
        parts.append(f"{title}:\n\n{table(headers, rows)}")
    share = ratios(_needed(rounds, KIT, "alone", "large"), _column(rounds, KIT, "alone"))
    speed = (
        f"An epoch of the base program is {spread(faster['validated', KIT])} times as fast as with "
        f"plain `fit` (wanted: {FASTER_WANTED}), and {spread(faster['alone', KIT])} times where "
        "neither validates."
    )
    arithmetic = (
        f"An epoch's training comes to {percent(share)} of the arithmetic at the machine's "
        f"matrix-product rate (wanted: {SHARE_WANTED:.0%})."
    )
    return Report("\n\n".join(parts), (speed, arithmetic))


def _column(rounds: list[Round], contender: str, name: str) -> list[float]:
    return [each[contender][name] for each in rounds]


def _needed(rounds: list[Round], contender: str, way: str, rate: str) -> list[float]:
    flop = _column(rounds, contender, f"{way}_flop")
    return [
        a / b / 1e9 for a, b in zip(flop, _column(rounds, contender, f"{rate}_rate"), strict=True)
    ]
