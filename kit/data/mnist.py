"""Digits from MNIST's arrays, as Keras serves them."""

import hashlib
import struct
import zlib
from lzma import LZMAError
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import PIXELS, Digits, Source
from kit.errors import DataError, NetworkError
from kit.files import checkout, foreign_kind, keras_home, write_whole

# SHA-256 of each array's bytes in the file that keras.datasets.mnist serves (data/README.md)
CHECKSUMS = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
# The file that keras.datasets.mnist downloads, and its own SHA-256
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
FILE_CHECKSUM = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
# Everything that NumPy, zipfile and the decompressors raise for a broken byte
_ZIP = (BadZipFile, zlib.error, LZMAError, struct.error)
BROKEN_ARCHIVE = (OSError, ValueError, TypeError, EOFError, RuntimeError, OverflowError, *_ZIP)
MEND = (
    "Put MNIST's file from Keras at data/mnist.npz (in a clone: git checkout data/mnist.npz), or "
    "name it with --data FILE. Kaggle's files are read with --source kaggle."
)


def load_keras(path: Path | str | None = None) -> Source:
    """Load MNIST: 60,000 digits to train on and 10,000 to test on, all labelled.

    >>> kit.load_keras().train[:3].labels
    array([5, 0, 4])

    Without `path` it reads `data/mnist.npz` of this folder or of the kit's own checkout, else the
    copy in Keras's cache. If there is none, it is downloaded there.

    Raises:
        DataError: the file is missing, broken, or its arrays are not MNIST's.
        NetworkError: there is no copy on this machine and none can be downloaded.
    """
    given = None if path is None else Path(path).absolute()
    if path is None:
        cache = keras_home() / "datasets" / "mnist.npz"
        folders = filter(None, (Path(), checkout()))
        places = [*(folder / "data" / "mnist.npz" for folder in folders), cache]
        path = next((place for place in places if place.is_file()), None) or _download(cache)
    elif (path := Path(path)).is_dir():
        path = path / "mnist.npz"
    arrays = _read(path)
    train, test = (
        Digits(
            arrays[f"x_{part}"].reshape(-1, PIXELS),
            arrays[f"y_{part}"].astype(np.int64),
            f"{path}: x_{part}",
        )
        for part in ("train", "test")
    )
    return Source("keras", train, test, given)


def _download(path: Path) -> Path:
    # Not by Keras, which takes seconds to load, and needs a backend that works
    import requests

    reason = "another file came"
    try:
        answer = requests.get(URL, timeout=10)
        answer.raise_for_status()
        if hashlib.sha256(answer.content).hexdigest() == FILE_CHECKSUM:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, answer.content)
            return path
    except OSError as error:
        reason = type(error).__name__
    what = "MNIST is missing (data/mnist.npz, Keras's cache), and cannot be downloaded"
    raise NetworkError(f"{what} ({reason}).", MEND)


def _read(path: Path) -> dict[str, NDArray[np.uint8]]:
    try:
        with path.open("rb") as stream:
            start = stream.read(1 << 12)
        if not start.startswith(b"PK"):
            found = foreign_kind(start) or "another kind of file"
            raise DataError(f"{path}: not a readable .npz file ({found}).", MEND)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in CHECKSUMS}
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.", MEND) from error
    except KeyError as error:
        what = f"{path}: expected the arrays {', '.join(CHECKSUMS)}; {error.args[0]}."
        raise DataError(what, MEND) from error
    except BROKEN_ARCHIVE as error:
        # NumPy's words would have people allow what can run any program
        reason = "an array of pickled Python objects" if "allow_pickle" in str(error) else error
        raise DataError(f"{path}: not a readable .npz file ({reason}).", MEND) from error
    for name, array in arrays.items():
        checksum = hashlib.sha256(array.tobytes()).hexdigest()
        if checksum != CHECKSUMS[name]:
            expected = f"expected SHA-256 {CHECKSUMS[name][:12]}…, found {checksum[:12]}…"
            raise DataError(f"{path}: {name} is not MNIST's: {expected}.", MEND)
    return arrays
