"""An epoch of the preset `cnn`: the kit, and plain Keras `fit`; and the rate of each of its layers.

    KERAS_BACKEND=tensorflow python -m benchmarks.convolutions

Plain Keras trains the same network. It warps digits with its RandomRotation, RandomZoom and
RandomTranslation in a `tf.data` pipeline, or not at all.
"""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks.matrix_rate import fastest_product
from benchmarks.section import Round, apart, run_section
from benchmarks.tables import percent, ratios, spread, table
from kit.config import Convolution, TrainConfig, make_config
from kit.data.digits import SIDE
from kit.data.mnist import load_keras
from kit.training.backend import load_backend
from kit.training.dataset import split_digits

TITLE = "An epoch of `cnn`"
KIT = "kit, with its warps"
WARPED, PLAIN = "plain `fit`, Keras's warps", "plain `fit`, no warps"
WITH_XLA = ", `jit_compile=True`"
CONTENDERS = (KIT, WARPED, WARPED + WITH_XLA, PLAIN, PLAIN + WITH_XLA)
FASTER_WANTED, SLOWER_ALLOWED = 1.25, 1.15
SECONDS = 1.0


def measure(quick: bool) -> Round:
    """Train with each contender for a few epochs, and run each layer alone."""
    n, epochs = (2_940, 3) if quick else (41_160, 4)
    found: Round = {each: apart(_steady_epoch, each, n, epochs) for each in CONTENDERS}
    return {**found, "layers": apart(_layers)}


def _steady_epoch(contender: str, n: int, epochs: int) -> float:
    """The median seconds of an epoch on the first n digits, but for the first, which compiles."""
    load_backend()
    from benchmarks.trainings import train_convolutions_with_keras, train_with_kit

    config = make_config({"preset": "cnn", "epochs": epochs, "validation_fraction": 0})
    digits = load_keras().train.take(np.arange(n))
    ends = [time.perf_counter()]

    def at_epoch_end(_predict: object = None) -> None:
        ends.append(time.perf_counter())

    if contender == KIT:
        train_with_kit(digits, split_digits(digits, config), config, at_epoch_end)
    else:
        warped, compiled = contender.startswith(WARPED), contender.endswith(WITH_XLA)
        train_convolutions_with_keras(
            digits, config, at_epoch_end, compiled=compiled, warped=warped
        )
    return float(np.median(np.diff(ends)[1:]))


def _layers() -> dict[str, tuple[float, float]]:
    """Forward and backward of each layer with its ReLU: GFLOP/s, with and without XLA."""
    load_backend()
    product = fastest_product()
    config, side, maps = make_config({"preset": "cnn"}), SIDE, 1
    rates = {"matrices of 2,048 × 2,048": (product.rate(SECONDS),) * 2}
    for conv in config.conv:
        name = f"{conv.filters}x{conv.kernel}/{conv.stride} on {side} × {side} × {maps}"
        rates[name] = _rates(conv, config, side, maps)
        side, maps = conv.side(side), conv.filters
    return rates


def _rates(conv: Convolution, config: TrainConfig, side: int, maps: int) -> tuple[float, float]:
    import keras
    import tensorflow as tf

    layer = keras.layers.Conv2D(
        conv.filters, conv.kernel, conv.stride, conv.padding, use_bias=False, activation="relu"
    )
    images = tf.random.normal((config.batch_size, side, side, maps))
    layer.build(images.shape)
    out = conv.side(side)
    products = out**2 * conv.kernel**2 * maps * conv.filters
    # The first layer needs no gradient of its input
    flop = 2 * config.batch_size * products * (2 if maps == 1 else 3)

    def step(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            if maps > 1:
                tape.watch(batch)
            loss = tf.reduce_sum(layer(batch) ** 2)
        return tape.gradient(loss, [layer.kernel.value, *([batch] * (maps > 1))])

    def rate(compiled: bool) -> float:
        run = tf.function(step, jit_compile=compiled)
        run(images)
        times, ends = [], time.perf_counter() + SECONDS
        while time.perf_counter() < ends:
            began = time.perf_counter()
            run(images)[0].numpy()
            times.append(time.perf_counter() - began)
        return float(flop / statistics.median(times) / 1e9)

    return rate(compiled=False), rate(compiled=True)


def report(rounds: list[Round]) -> str:
    """Write the tables of contenders and of layers."""
    columns = {each: [found[each] for found in rounds] for each in CONTENDERS}

    def fastest(kind: str) -> list[float]:
        return [min(found[kind], found[kind + WITH_XLA]) for found in rounds]

    faster = ratios(fastest(WARPED), columns[KIT])
    slower = ratios(columns[KIT], fastest(PLAIN))
    rows = [
        [each, spread(columns[each]), spread(ratios(columns[each], columns[KIT]))]
        for each in CONTENDERS
    ]
    names = list(rounds[0]["layers"])
    # The first is that of large matrices, the same with and without XLA
    limit = [found["layers"][names[0]][0] for found in rounds]
    layers = []
    for name in names:
        usual, with_xla = zip(*(found["layers"][name] for found in rounds), strict=True)
        share = percent(ratios(map(max, usual, with_xla), limit))
        layers.append([name, spread(usual), spread(with_xla), share])
    return (
        f"An epoch of the kit is {spread(faster)} times as fast as with plain `fit` and Keras's "
        f"warps (wanted: {FASTER_WANTED}), and takes {spread(slower)} times as long as plain `fit` "
        f"without warps (at most {SLOWER_ALLOWED}), each time against the faster `jit_compile`. "
        "41,160 rows, batches of 294, no validation.\n\n"
        f"{table(('contender', 'epoch, s', 'times the kit'), rows)}\n\n"
        "Each layer of convolutions alone, with its ReLU, forward and backward:\n\n"
        f"{table(('layer', 'GFLOP/s', 'with XLA', 'share of the products'), layers)}"
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
