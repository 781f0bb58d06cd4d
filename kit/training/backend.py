"""The library that Keras computes with: TensorFlow unless KERAS_BACKEND says otherwise."""

import contextlib
import gc
import itertools
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, SIDE
from kit.errors import TrainingError, UsageError
from kit.files import keras_home

BACKENDS = ("tensorflow", "jax", "torch")
# Keras imports the one for plots, TensorFlow the other to convert models of JAX. The kit does
# neither, and they would take a fifth of the time that loading takes
_NOT_NEEDED = ("matplotlib", "jax")
# What the errors of Python, TensorFlow, JAX and PyTorch have in them. TensorFlow's last words mean
# that an array could not be copied to a full GPU
_OUT_OF_MEMORY = re.compile(
    "MemoryError|resource.?exhausted|out.of.memory|can't allocate|ALLOC_FAILED|Dst tensor is not",
    re.IGNORECASE,
)


def choose_backend() -> str:
    """Choose the backend that KERAS_BACKEND names, else Keras's own keras.json, else TensorFlow.

    Raises:
        UsageError: the kit cannot train with it, or it is not installed.
    """
    backend, place = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not backend:
        place = str(keras_home() / "keras.json")
        # Keras, too, passes over a file that is no JSON
        with contextlib.suppress(OSError, ValueError, AttributeError):
            backend = json.loads(Path(place).read_bytes()).get("backend")
    backend = backend or BACKENDS[0]
    installed = [name for name in BACKENDS if find_spec(name) is not None]
    if backend not in installed:
        raise UsageError(
            f"{place}: {backend!r} is not installed, or is none of {', '.join(BACKENDS)}.",
            f"Set KERAS_BACKEND to one that is. Installed: {', '.join(installed)}. "
            "Get JAX with: pip install 'digit-kit[jax]'",
        )
    os.environ["KERAS_BACKEND"] = backend
    return str(backend)


def load_backend() -> None:
    """Import Keras and its backend, without TensorFlow's notes unless TF_CPP_MIN_LOG_LEVEL is set.

    Raises:
        UsageError: the backend is none, keras.json has what Keras does not know, or the installed
            packages are broken.
    """
    backend = choose_backend()
    # On a CPU, JAX up to 0.8.1 multiplies with a packed copy of large weights that it made in an
    # earlier call, though training has changed them since. XLA reads this at the first computation,
    # and ends the process where it does not know a flag, so later versions do not get it.
    if backend == "jax" and [int(part) for part in version("jaxlib").split(".")[:2]] < [0, 9]:
        flag, flags = "--xla_cpu_use_xnnpack=false", os.environ.get("XLA_FLAGS", "")
        if flag not in flags:
            os.environ["XLA_FLAGS"] = f"{flag} {flags}"
    unused = [name for name in _NOT_NEEDED if name != backend]
    with _without_notes(), _hidden(unused):
        # With garbage collections in between, so many modules take a sixth longer
        collects = gc.isenabled()
        gc.disable()
        try:
            import keras
        except (ImportError, ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"Keras cannot be loaded with the backend {backend} ({error}).",
                f"Mend {keras_home() / 'keras.json'}, or reinstall: "
                f"pip install --force-reinstall keras {backend}",
            ) from error
        finally:
            if collects:
                gc.enable()
        # What holds for a training, whatever keras.json says
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        # Keras loads TensorFlow's data pipeline later on other backends too
        with contextlib.suppress(ImportError):
            import tensorflow as tf  # noqa: F401
    # It warns each time that a new network, or another size of a batch, is compiled
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def memory_errors(config: TrainConfig) -> Iterator[None]:
    """Raise a TrainingError where a training needs more memory than there is.

    That is found out before it begins where the machine says how much it has. Later, each backend
    has its own way to say it.
    """
    side, maps, weights, values = SIDE, 1, 0, PIXELS
    for conv in config.conv:
        side = conv.side(side)
        weights += conv.kernel**2 * maps * conv.filters
        maps, values = conv.filters, values + side**2 * conv.filters
        side = -(-side // conv.pooling)
    widths = [maps if config.head == "mean" else side**2 * maps, *config.hidden, CLASSES]
    weights += sum(n * m for n, m in itertools.pairwise(widths))
    # The weights, their gradient, and the two averages of Adam
    copies = 2 if config.optimizer == "sgd" else 4
    needed = 4 * (copies * weights + 3 * config.batch_size * (values + sum(widths)))
    layers = [*(conv.filters for conv in config.conv), *config.hidden]
    size = f"layers of {', '.join(map(str, layers))}, batch_size {config.batch_size}"
    what = f"{size}: the training needs about {needed / 1e9:,.1f} GB of memory"
    remedy = "Train with smaller layers (--hidden, --conv) or a smaller --batch-size."
    with contextlib.suppress(AttributeError, ValueError, OSError):
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > there:
            raise TrainingError(f"{what}; this machine has {there / 1e9:,.1f} GB.", remedy)
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if not _OUT_OF_MEMORY.search(said):
            raise
        raise TrainingError(f"{what}, or more, and not so much is left.", remedy) from error


@contextlib.contextmanager
def _hidden(packages: list[str]) -> Iterator[None]:
    """Let the imports of packages fail as if they were not installed, unless they are loaded."""
    modules: dict[str, Any] = sys.modules
    hidden = [package for package in packages if package not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for package in hidden:
            del modules[package]


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
