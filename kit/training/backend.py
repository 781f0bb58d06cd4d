"""The library that Keras computes with: TensorFlow unless KERAS_BACKEND says otherwise."""

import contextlib
import os
import sys
from collections.abc import Iterator


def load_backend() -> None:
    """Import Keras and its backend, without the notes that TensorFlow's C++ prints meanwhile.

    Whoever wants those sets TF_CPP_MIN_LOG_LEVEL, which is then obeyed.
    """
    wanted = "TF_CPP_MIN_LOG_LEVEL" in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if wanted else _without_stderr():
        import keras  # noqa: F401 - loading it is the point


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    # Of the process, not of Python alone: C++ knows nothing of sys.stderr
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
