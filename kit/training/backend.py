"""The library that Keras computes with: TensorFlow unless KERAS_BACKEND says otherwise."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec

from kit.errors import TrainingError, UsageError

BACKENDS = ("tensorflow", "jax", "torch")
# What the errors of Python, TensorFlow and JAX, and PyTorch have in them
_OUT_OF_MEMORY = ("MemoryError", "ResourceExhausted", "RESOURCE_EXHAUSTED", "can't allocate memory")


def choose_backend() -> str:
    """Choose the backend that KERAS_BACKEND names, or TensorFlow if it is not set.

    Raises:
        UsageError: the kit cannot train with it, or it is not installed.
    """
    backend = os.environ.get("KERAS_BACKEND") or BACKENDS[0]
    if backend not in BACKENDS:
        raise UsageError(
            f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)}, found {backend!r}.",
            "Unset it to train on TensorFlow.",
        )
    if find_spec(backend) is None:
        package = "'digit-kit[jax]'" if backend == "jax" else backend
        raise UsageError(
            f"KERAS_BACKEND: {backend} is not installed.",
            f"Install it (pip install {package}), or unset KERAS_BACKEND.",
        )
    os.environ["KERAS_BACKEND"] = backend
    return backend


def load_backend() -> None:
    """Import Keras and its backend, without TensorFlow's notes unless TF_CPP_MIN_LOG_LEVEL is set.

    Raises:
        UsageError: the installed packages are broken.
    """
    # On a CPU, JAX up to 0.8.1 multiplies with a packed copy of large weights that it made in an
    # earlier call, though training has changed them since. XLA reads this at the first computation,
    # and ends the process where it does not know a flag, so later versions do not get it.
    jax = os.environ.get("KERAS_BACKEND") == "jax"
    if jax and [int(part) for part in version("jaxlib").split(".")[:2]] < [0, 9]:
        flag, flags = "--xla_cpu_use_xnnpack=false", os.environ.get("XLA_FLAGS", "")
        if flag not in flags:
            os.environ["XLA_FLAGS"] = f"{flag} {flags}"
    with _without_notes():
        try:
            import keras  # noqa: F401 - loading it is the point
        except ImportError as error:
            backend = os.environ.get("KERAS_BACKEND", BACKENDS[0])
            raise UsageError(
                f"KERAS_BACKEND: {backend} cannot be loaded ({error}).",
                f"Reinstall it (pip install --force-reinstall {backend}), or choose another.",
            ) from error
        # Keras loads TensorFlow's data pipeline later on other backends too
        with contextlib.suppress(ImportError):
            import tensorflow as tf  # noqa: F401
    # It warns each time that a new network, or another size of a batch, is compiled
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Raise a TrainingError for each backend's way to say that memory ran out."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if not any(sign in said for sign in _OUT_OF_MEMORY):
            raise
        raise TrainingError(
            "The training ran out of memory.",
            "Train with fewer --hidden units or a smaller --batch-size.",
        ) from error


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # The process's stderr, because C++ does not write to sys.stderr
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        # TensorFlow has read it, and processes that this one starts are to decide for themselves
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
