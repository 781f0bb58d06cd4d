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
    """Train with each contender, with validation and without it."""
    n, epochs = (3_000, 3) if request.quick else (60_000, 6)
    return {contender: apart(_contend, contender, n, epochs) for contender in CONTENDERS}


def _contend(contender: str, n: int, epochs: int) -> dict[str, Any]:
    load_backend()
    config = make_config({"preset": "baseline", "epochs": epochs})
    return {
        "validated": steady_epoch(contender, n, config),
        "alone": steady_epoch(contender, n, config, validate=False),
    }


def steady_epoch(
    contender: str, n: int, config: TrainConfig, *, validate: bool = True
) -> dict[str, float]:
    """Time an epoch on the training part of the first n digits.

    Figures are medians over all epochs but the first, in which networks are compiled. Everything
    that happens from one epoch's end to the next one's counts, but for a look at the machine.

    Returns:
        `seconds` by the wall clock; `gflop` of its arithmetic; `needed`, the seconds that takes at
        the rate of large matrices; and the shares of the time that it takes at the rate of
        `large` matrices and at that of the `step`'s own.
    """
    from benchmarks.matrix_rate import Probe
    from benchmarks.trainings import train_with_keras, train_with_kit

    digits = load_keras().train.take(np.arange(n))
    training, validation = split_rows(digits.labels, config)
    validation = validation if validate else validation[:0]
    flop = len(training) * training_flop(config.hidden)
    flop += len(validation) * forward_flop(config.hidden)
    probe = Probe()
    epochs: list[dict[str, float]] = []
    before, began = probe.look(), time.perf_counter()

    def at_epoch_end(_network: object) -> None:
        nonlocal before, began
        seconds = time.perf_counter() - began
        after = probe.look()
        needed = {name: flop / 1e9 / ((before[name] + after[name]) / 2) for name in before}
        shares = {name: value / seconds for name, value in needed.items()}
        epochs.append({"seconds": seconds, "needed": needed["large"], **shares})
        before, began = after, time.perf_counter()

    if contender == KIT:
        train_with_kit(digits, (training, validation), config, at_epoch_end)
    else:
        if not validate:
            digits = digits.take(training)
            config = config.model_copy(update={"validation_fraction": 0.0})
        jit_compile = True if contender == COMPILED else "auto"
        train_with_keras(digits, config, at_epoch_end, jit_compile)
    medians = {name: statistics.median(e[name] for e in epochs[1:]) for name in epochs[0]}
    return {"gflop": flop / 1e9, **medians}


def report(rounds: list[Round]) -> Report:
    """Tabulate the contenders with validation and without it, and say how the kit compares."""
    first = rounds[0][KIT]
    formula = (
        f"The arithmetic of training is {TRAINING_FORMULA}; that is {first['alone']['gflop']:.1f} "
        f"GFLOP an epoch, {first['validated']['gflop']:.1f} with validation. Its seconds are those "
        "at the backend's matrix-product rate, the faster of compiled and not, measured in each "
        "contender's own process just before and after each epoch."
    )
    parts = [formula]
    faster: dict[str, list[float]] = {}
    for way, title in (
        ("validated", "Training and validation, each in its own batches"),
        ("alone", "Training alone"),
    ):
        rows = []
        for contender in CONTENDERS:
            seconds = _column(rounds, contender, way, "seconds")
            speed = ratios(_column(rounds, PLAIN, way, "seconds"), seconds)
            if contender == KIT:
                faster[way] = speed
            rows.append(
                [
                    contender,
                    spread(seconds),
                    spread(speed),
                    spread(_column(rounds, contender, way, "needed")),
                    percent(_column(rounds, contender, way, "large")),
                    percent(_column(rounds, contender, way, "step")),
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
    speed_told = (
        f"An epoch of the base program is {spread(faster['validated'])} times as fast as with "
        f"plain `fit` (wanted: {FASTER_WANTED}), and {spread(faster['alone'])} times where "
        "neither validates."
    )
    large, step = (_column(rounds, KIT, "alone", name) for name in ("large", "step"))
    share_told = (
        f"An epoch's training comes to {percent(large)} of the arithmetic at the machine's rate "
        f"for products of large matrices, {percent(step)} at that for the step's own "
        f"(wanted: {SHARE_WANTED:.0%})."
    )
    return Report("\n\n".join(parts), (speed_told, share_told))


def _column(rounds: list[Round], contender: str, way: str, figure: str) -> list[float]:
    return [each[contender][way][figure] for each in rounds]
