"""How fast this machine multiplies float32 matrices: the limit of every training.

    python -m benchmarks.matrix_rate

Keras is loaded only where it is measured, because its threads would slow NumPy down.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.section import Round, apart, run_section
from benchmarks.tables import spread, table
from kit.training.backend import load_backend

TITLE = "Matrix products"
# Rows, inner dimension, columns
Shape = tuple[int, int, int]
LARGE = (2048, 2048, 2048)
SHAPES = {
    "2048 × 2048 × 2048": LARGE,
    "200 × 784 × 800, the first layer of a step of the base program": (200, 784, 800),
    "784 × 200 × 800, its weight gradient": (784, 200, 800),
}
SECONDS = 0.3
# Calls are timed in batches this long, so that waiting for a result weighs nothing
BATCH_SECONDS = 0.05


class Product:
    """One matrix product that can be timed again and again."""

    def __init__(self, multiply: Callable[[Any, Any], Any], matrices: Sequence[Any]) -> None:
        """Compile and warm up.

        Args:
            multiply: multiplies two matrices.
            matrices: two float32 matrices, as `multiply` takes them.
        """
        self._multiply, self._matrices = multiply, matrices
        (rows, inner), (_, columns) = (matrix.shape for matrix in matrices)
        self._flop = 2 * math.prod((rows, inner, columns))
        self._time(1)
        self._calls = max(1, round(BATCH_SECONDS / self._time(1)))

    def rate(self, seconds: float = SECONDS) -> float:
        """Multiply for some seconds; return the median rate in GFLOP/s."""
        ends = time.perf_counter() + seconds
        measured: list[float] = []
        while not measured or time.perf_counter() < ends:
            measured.append(self._time(self._calls))
        return self._flop / statistics.median(measured) / 1e9

    def _time(self, calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            result = self._multiply(*self._matrices)
        float(result[0, 0])  # waits for the result, wherever it is computed
        return (time.perf_counter() - began) / calls


def numpy_product(shape: Shape) -> Product:
    """Multiply with NumPy."""
    return Product(np.matmul, _matrices(shape))


def backend_product(shape: Shape, *, compiled: bool) -> Product:
    """Multiply with Keras's backend, call by call or compiled."""
    import keras

    matrices = [keras.ops.convert_to_tensor(matrix) for matrix in _matrices(shape)]
    return Product(_compiled() if compiled else keras.ops.matmul, matrices)


def fastest_product() -> Product:
    """Multiply large matrices with Keras's backend in the faster of both ways."""
    products = [backend_product(LARGE, compiled=compiled) for compiled in (False, True)]
    return max(products, key=Product.rate)


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


def measure(quick: bool) -> Round:
    """Measure NumPy and the backend on each shape: GFLOP/s by shape and by way."""
    shapes = dict(list(SHAPES.items())[1:]) if quick else SHAPES
    by_numpy = apart(_numpy_rates, list(shapes.values()))
    by_backend = apart(_backend_rates, list(shapes.values()))
    return {
        name: {"NumPy": numpy_rate, **backend_rates}
        for name, numpy_rate, backend_rates in zip(shapes, by_numpy, by_backend, strict=True)
    }


def _numpy_rates(shapes: list[Shape]) -> list[float]:
    return [numpy_product(shape).rate() for shape in shapes]


def _backend_rates(shapes: list[Shape]) -> list[dict[str, float]]:
    load_backend()
    return [
        {
            "backend": backend_product(shape, compiled=False).rate(),
            "backend, compiled": backend_product(shape, compiled=True).rate(),
        }
        for shape in shapes
    ]


def report(rounds: list[Round]) -> str:
    """Write the table of rates."""
    ways = list(next(iter(rounds[0].values())))
    rows = [
        [shape, *(spread([each[shape][way] for each in rounds], 0) for way in ways)]
        for shape in rounds[0]
    ]
    return "GFLOP/s in float32.\n\n" + table(["shape", *ways], rows)


if __name__ == "__main__":
    run_section(TITLE, measure, report)
