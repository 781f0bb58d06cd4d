"""The rate at which a library multiplies float32 matrices, in this process.

Keras is loaded only where it is measured, so that NumPy can be measured without it.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Rows, inner dimension, columns
Shape = tuple[int, int, int]

# What the machine can do, and what a step of the base program asks of it: rows × inputs × units
LARGE = (2048, 2048, 2048)
STEP = (200, 784, 800)
SHAPES = {"large": LARGE, "step": STEP}
SECONDS = 0.3
# A look between two epochs should be short
LOOK_SECONDS = 0.1
# Calls are timed in batches of so many seconds, so that waiting for a result weighs nothing
BATCH_SECONDS = 0.05


class Product:
    """One matrix product that can be timed again and again."""

    def __init__(
        self, multiply: Callable[[Any, Any], Any], matrices: Sequence[Any], shape: Shape
    ) -> None:
        """Take what multiplies, its two matrices, and their shape; compile and warm up."""
        self._multiply, self._matrices = multiply, matrices
        self._flop = 2 * math.prod(shape)
        self._seconds(1)
        self._batch = max(1, round(BATCH_SECONDS / self._seconds(1)))

    def rate(self, seconds: float = SECONDS) -> float:
        """Multiply for so many seconds: GFLOP/s, the median over batches of calls."""
        ends = time.perf_counter() + seconds
        measured = []
        while not measured or time.perf_counter() < ends:
            measured.append(self._seconds(self._batch))
        return self._flop / statistics.median(measured) / 1e9

    def _seconds(self, calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            result = self._multiply(*self._matrices)
        float(result[0, 0])  # waits for it, wherever it is computed
        return (time.perf_counter() - began) / calls


class Probe:
    """Looks at how fast the backend multiplies now, the faster of compiled and call by call.

    On a shared machine that changes from second to second, so whoever holds a training against it
    looks before and after each epoch.
    """

    def __init__(self) -> None:
        """Compile the products, and find the faster way for each shape."""
        self._products = {
            name: max(
                (backend_product(shape, compiled=compiled) for compiled in (False, True)),
                key=Product.rate,
            )
            for name, shape in SHAPES.items()
        }

    def look(self) -> dict[str, float]:
        """GFLOP/s of `large` square matrices and of the `step`'s own."""
        return {name: product.rate(LOOK_SECONDS) for name, product in self._products.items()}


def numpy_product(shape: Shape) -> Product:
    """Multiply with NumPy."""
    return Product(np.matmul, _matrices(shape), shape)


def backend_product(shape: Shape, *, compiled: bool) -> Product:
    """Multiply with Keras's backend, call by call or compiled as a training step is."""
    import keras

    multiply = _compiled() if compiled else keras.ops.matmul
    matrices = [keras.ops.convert_to_tensor(matrix) for matrix in _matrices(shape)]
    return Product(multiply, matrices, shape)


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
