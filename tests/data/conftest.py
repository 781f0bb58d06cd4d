from pathlib import Path

import numpy as np
import pytest

from kit.data.digits import Digits

MNIST = Path(__file__).parents[2] / "data" / "mnist.npz"


@pytest.fixture(scope="session")
def mnist_digits() -> Digits:
    """The first 300 digits of MNIST's training split."""
    with np.load(MNIST) as arrays:
        pixels, labels = arrays["x_train"][:300], arrays["y_train"][:300]
    return Digits(pixels.reshape(-1, 784), labels.astype(np.int64), "MNIST")
