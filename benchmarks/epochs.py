"""An epoch of the base program: the kit, plain Keras `fit`, and the arithmetic alone.

python -m benchmarks.epochs
"""

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from benchmarks.matrix_rate import fastest_product
from benchmarks.section import Round, apart, run_section
from benchmarks.tables import percent, ratios, spread, table
from kit.config import make_config
from kit.data.digits import CLASSES, PIXELS
from kit.data.mnist import load_keras
from kit.training.backend import load_backend
from kit.training.dataset import split_digits

TITLE = "An epoch of the base program"
KIT = "kit"
PLAIN = "plain `fit`"
COMPILED = "plain `fit`, `jit_compile=True`"
CONTENDERS = (KIT, PLAIN, COMPILED)
FASTER_WANTED = 1.5
# How long to look at the machine's rate between two epochs
LOOK_SECONDS = 0.1


def forward_flop(hidden: Sequence[int]) -> int:
    """FLOP of one image's logits: a multiplication and an addition for each weight."""
    return 2 * sum(_weights(hidden))


def training_flop(hidden: Sequence[int]) -> int:
    """FLOP of one image in a gradient step.

    Each weight is used three times: for the activations, for its own gradient, and for the gradient
    of its layer's input, which the first layer does not need.
    """
    first, *others = _weights(hidden)
    return 2 * (2 * first + 3 * sum(others))


def _weights(hidden: Sequence[int]) -> list[int]:
    return [inputs * units for inputs, units in pairwise([PIXELS, *hidden, CLASSES])]


def measure(quick: bool) -> Round:
    """Train the base program with each contender for a few epochs."""
    n, epochs = (3_000, 3) if quick else (60_000, 6)
    return {contender: apart(_steady_epoch, contender, n, epochs) for contender in CONTENDERS}


def _steady_epoch(contender: str, n: int, epochs: int) -> dict[str, float]:
    """Time an epoch, training and validation, on the first n digits.

    Figures are medians over all epochs but the first, which compiles. All that happens between the
    ends of two epochs counts, but for the look at the machine's rate.

    Returns:
        `seconds` by the wall clock; `gflop` of its arithmetic; `needed`, the seconds of those at
        the machine's rate; `share`, needed seconds in seconds.
    """
    load_backend()
    from benchmarks.trainings import train_with_keras, train_with_kit

    config = make_config({"preset": "baseline", "epochs": epochs})
    digits = load_keras().train.take(np.arange(n))
    training, validation = split_digits(digits, config)
    gflop = len(training) * training_flop(config.hidden) / 1e9
    gflop += len(validation) * forward_flop(config.hidden) / 1e9
    product = fastest_product()
    figures: list[dict[str, float]] = []
    before, began = product.rate(LOOK_SECONDS), time.perf_counter()

    def at_epoch_end(_predict: object) -> None:
        nonlocal before, began
        seconds = time.perf_counter() - began
        after = product.rate(LOOK_SECONDS)
        needed = gflop / ((before + after) / 2)
        figures.append({"seconds": seconds, "needed": needed, "share": needed / seconds})
        before, began = after, time.perf_counter()

    if contender == KIT:
        train_with_kit(digits, (training, validation), config, at_epoch_end)
    else:
        train_with_keras(digits, config, at_epoch_end, True if contender == COMPILED else "auto")
    medians = {name: statistics.median(f[name] for f in figures[1:]) for name in figures[0]}
    return {"gflop": gflop, **medians}


def report(rounds: list[Round]) -> str:
    """Write the table of contenders."""
    faster = {each: ratios(_column(rounds, PLAIN), _column(rounds, each)) for each in CONTENDERS}
    rows = [
        [
            contender,
            spread(_column(rounds, contender)),
            spread(faster[contender]),
            spread(_column(rounds, contender, "needed")),
            percent(_column(rounds, contender, "share")),
        ]
        for contender in CONTENDERS
    ]
    headers = (
        "contender",
        "epoch, s",
        "times as fast as plain `fit`",
        "arithmetic, s",
        "share of the arithmetic in the epoch",
    )
    return (
        f"An epoch of the kit is {spread(faster[KIT])} times as fast as with plain `fit` "
        f"(wanted: {FASTER_WANTED}). Training on 48,000 rows, and validation on 12,000.\n\n"
        f"{table(headers, rows)}\n\n"
        f"The arithmetic of the epoch is {rounds[0][KIT]['gflop']:.1f} GFLOP. Training needs "
        "2 × (784 × *w* × 2 + *w* × 10 × 3) FLOP an image, where *w* is the number of hidden "
        "units; validation needs 2 × (784 × *w* + *w* × 10). Its seconds are those at the rate of "
        "large matrix products (2048 × 2048 × 2048), which each contender's process measures "
        "before and after each epoch."
    )


def _column(rounds: list[Round], contender: str, figure: str = "seconds") -> list[float]:
    return [each[contender][figure] for each in rounds]


if __name__ == "__main__":
    run_section(TITLE, measure, report)
