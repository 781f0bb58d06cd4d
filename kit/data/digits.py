"""The format of digits that all of the kit uses."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kit.errors import DataError

SIDE = 28
PIXELS = SIDE * SIDE
CLASSES = 10


@dataclass(frozen=True, eq=False)
class Digits:
    """Images of handwritten digits, with their labels if those are known.

    Attributes:
        pixels: uint8 (n, 784), row-major 28×28, 0 is paper and 255 is ink: the images as stored.
        labels: int64 (n,) of 0–9, or None.
        origin: the file they were read from.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    origin: str

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def images(self) -> NDArray[np.float32]:
        """The images scaled to [0, 1]: float32 (n, 784) in [0, 1], row-major 28×28, ink = 1."""
        return np.divide(self.pixels, np.float32(255), dtype=np.float32)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the pixels' bytes and then of the labels' as little-endian int64."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels).data)
        if self.labels is not None:
            digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def keys(self) -> list[bytes]:
        """The bytes of each image. Kept, because Python then hashes each image only once."""
        return [row.tobytes() for row in self.pixels]

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """For each row, the first row with an equal image: int64 (n,)."""
        first: dict[bytes, int] = {}
        rows = (first.setdefault(key, i) for i, key in enumerate(self.keys))
        return np.fromiter(rows, np.int64, len(self))

    @property
    def n_copies(self) -> int:
        """How many rows repeat the image of an earlier row."""
        return int(np.count_nonzero(self.first_rows != np.arange(len(self))))

    def __getitem__(self, rows: int | slice | NDArray[np.int64] | NDArray[np.bool_]) -> "Digits":
        """The digits of one row, or of some: `digits[:8]`, `digits[digits.labels == 7]`."""
        return self.take(np.arange(len(self))[rows].reshape(-1))

    def take(self, rows: NDArray[np.int64]) -> "Digits":
        """The digits that stand in `rows` (int64, any length), in that order."""
        labels = None if self.labels is None else self.labels[rows]
        return Digits(self.pixels[rows], labels, self.origin)

    def _repr_html_(self) -> str:
        from kit.html import render

        shown = self[:40]
        labels = [None] * len(shown) if shown.labels is None else shown.labels.tolist()
        told = list(zip(shown.pixels, labels, strict=True))
        return render("digits", shown=told, n=len(self), origin=self.origin)


@dataclass(frozen=True, eq=False)
class Source:
    """The digits of one source: those to learn from and those to predict.

    Attributes:
        name: `keras` for MNIST's arrays, `kaggle` for the competition's CSV files.
        train: the labelled digits: 60,000 from Keras, 42,000 from Kaggle.
        test: 10,000 labelled from Keras, 28,000 without labels from Kaggle.
        path: the folder or file that was named to read them from, or None for the usual places.
    """

    name: Literal["keras", "kaggle"]
    train: Digits
    test: Digits
    path: Path | None = None


def as_digits(images: ArrayLike) -> Digits:
    """Take images from an array or a table: (n, 784), (n, 28, 28) or a single (28, 28).

    Integers are 0 for paper to 255 for ink, as in Kaggle's files. Floats are 0 to 1.

    Raises:
        DataError: it has another shape, or other values.
    """
    array = np.asarray(images)
    if array.shape[-2:] != (SIDE, SIDE) and (array.ndim != 2 or array.shape[1] != PIXELS):
        what = f"images: expected the shape (n, 784) or (n, 28, 28), found {array.shape}."
        raise DataError(what, "Leave out the column of labels, or reshape them.")
    ink = {"u": 255, "i": 255, "f": 1}.get(array.dtype.kind)
    if ink is None or not ((array >= 0) & (array <= ink)).all():
        found = array.dtype if ink is None else f"{array.min():g} to {array.max():g}"
        what = f"images: expected integers from 0 to 255, or floats from 0 to 1, found {found}."
        raise DataError(what, "Divide floats by 255; ink is the highest value, paper is 0.")
    pixels = array if ink == 255 else np.rint(array * 255)
    return Digits(pixels.astype(np.uint8).reshape(-1, PIXELS), None, "an array")


def seen_in_training(digits: Digits, trained: Digits) -> NDArray[np.bool_]:
    """Find the images that are, byte for byte, among the training images: bool (len(digits),).

    No two of MNIST's 70,000 images are equal, so equal bytes mean the same image.
    """
    trained_images = set(trained.keys)
    return np.fromiter((key in trained_images for key in digits.keys), np.bool_, len(digits))
