"""The format of digits that all of the kit uses."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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

    def take(self, rows: NDArray[np.int64]) -> "Digits":
        """The digits that stand in `rows` (int64, any length), in that order."""
        labels = None if self.labels is None else self.labels[rows]
        return Digits(self.pixels[rows], labels, self.origin)


@dataclass(frozen=True, eq=False)
class Source:
    """The digits of one source: those to learn from and those to predict.

    Attributes:
        name: `keras` for MNIST's arrays, `kaggle` for the competition's CSV files.
        train: the labelled digits: 60,000 from Keras, 42,000 from Kaggle.
        test: 10,000 labelled from Keras, 28,000 without labels from Kaggle.
    """

    name: Literal["keras", "kaggle"]
    train: Digits
    test: Digits


def seen_in_training(digits: Digits, trained: Digits) -> NDArray[np.bool_]:
    """Find the images that are, byte for byte, among the training images.

    No two of MNIST's 70,000 images are equal, so equal bytes mean the same image.

    Returns:
        bool (len(digits),), true where the image was seen.
    """
    trained_images = set(trained.keys)
    return np.fromiter((key in trained_images for key in digits.keys), np.bool_, len(digits))
