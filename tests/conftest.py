import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_kaggle import write_kaggle

from kit.data.digits import Digits, Source
from kit.data.mnist import load_keras

# Where the tests run in a shell's background, SIGINT is ignored, and every process that a test
# starts would inherit that and not hear Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)

# To compile a network of a test well takes longer than to train it. JAX's XLA may be another one,
# which ends the process where it does not know a flag
QUICKLY = "--xla_backend_optimization_level=0"
if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    QUICKLY += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICKLY)


def pytest_collection_finish() -> None:
    """Spare the garbage collector all that was imported: Keras has it look before each training."""
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def spare_the_collector() -> Iterator[None]:
    """Spare it also what Keras keeps of the networks of earlier tests."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def mnist() -> Source:
    """MNIST as it is: 60,000 digits to train on and 10,000 to test on."""
    return load_keras()


@pytest.fixture(scope="session")
def mnist_digits(mnist: Source) -> Digits:
    """The first 300 digits of MNIST's training split."""
    return mnist.train.take(np.arange(300))


@pytest.fixture(scope="session")
def thousand_digits(mnist: Source) -> Digits:
    """The first 1,000 digits of MNIST's training split."""
    return mnist.train.take(np.arange(1_000))


@pytest.fixture(scope="session")
def small_kaggle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A competition of 1,500 digits to train on and 300 to predict."""
    return write_kaggle(tmp_path_factory.mktemp("small") / "kaggle", 1_500, 300)
