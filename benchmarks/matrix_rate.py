"""The rate at which a library multiplies float32 matrices, in this process.

Keras is loaded only where it is measured, so that NumPy can be measured without it.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# Rows, inner dimension, columns
Shape = tuple[int, int, int]

# What the machine can do, and what a step of the base program asks of it: rows × inputs × units
LARGE = (2048, 2048, 2048)
STEP = (200, 784, 800)
SECONDS = 0.3
# Calls are timed in batches of so many seconds, so that waiting for a result weighs nothing
BATCH_SECONDS = 0.05


def numpy_rate(shape: Shape) -> float:
    """GFLOP/s of NumPy."""
    return _rate(np.matmul, _matrices(shape), shape)


def backend_rate(shape: Shape, *, compiled: bool) -> float:
    """GFLOP/s of Keras's backend, call by call or compiled as a training step is."""
    import keras

    product = _compiled() if compiled else keras.ops.matmul
    matrices = [keras.ops.convert_to_tensor(matrix) for matrix in _matrices(shape)]
    return _rate(product, matrices, shape)


def best_rates() -> dict[str, float]:
    """GFLOP/s of the backend the faster way: `large` square matrices and the `step`'s own."""
    return {
        name: max(backend_rate(shape, compiled=compiled) for compiled in (False, True))
        for name, shape in (("large", LARGE), ("step", STEP))
    }


def _matrices(shape: Shape) -> list[Any]:
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    return [rng.random(size, np.float32) for size in ((rows, inner), (inner, columns))]


def _compiled() -> Callable[[Any, Any], Any]:
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(keras.ops.matmul, jit_compile=True)
    if backend == "jax":
        import jax

        return jax.jit(keras.ops.matmul)
    return keras.ops.matmul


def _rate(product: Callable[[Any, Any], Any], matrices: list[Any], shape: Shape) -> float:
    def seconds(calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            result = product(*matrices)
        float(result[0, 0])  # waits for it, wherever it is computed
        return (time.perf_counter() - began) / calls

    seconds(1)
    batch = max(1, round(BATCH_SECONDS / seconds(1)))
    ends = time.perf_counter() + SECONDS
    measured = []
    while not measured or time.perf_counter() < ends:
        measured.append(seconds(batch))
    return 2 * np.prod(shape, dtype=float) / statistics.median(measured) / 1e9
