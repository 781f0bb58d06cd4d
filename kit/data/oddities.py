"""What a person should know of digits before training on them: copies, and images not of MNIST."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import SIDE, Digits, Source

# So many images with two labels are listed, each with one row of each label
_SHOWN = 10
Pixels = NDArray[np.uint8]


def _transpose(pixels: Pixels) -> Pixels:
    return pixels.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(pixels.shape)


# What images seem to be that are MNIST's after this change
_LOOKS: dict[str, Callable[[Pixels], Pixels]] = {
    "transposed: rows and columns are exchanged": _transpose,
    "inverted: paper is 255, and ink is 0": lambda pixels: 255 - pixels,
    "transposed and inverted": lambda pixels: 255 - _transpose(pixels),
}


def describe_copies(digits: Digits) -> list[str]:
    """Say how many rows repeat an image, and which images have more than one label.

    Each is a line; there is none for digits without copies.
    """
    copies, first, labels = digits.n_copies, digits.first_rows, digits.labels
    if not copies:
        return []
    count = (
        f"{digits.origin}: {copies:,} of the {len(digits):,} rows are copies of an earlier row's "
        "image. No image is both trained on and held out. The validation counts each copy that is "
        "held out, so its interval is too narrow."
    )
    lines = [count]
    if labels is not None and len(images := np.unique(first[labels != labels[first]])):
        listed = "; ".join(_rows(np.flatnonzero(first == i), labels) for i in images[:_SHOWN])
        more = f"; and {len(images) - _SHOWN:,} more" if len(images) > _SHOWN else ""
        lines.append(
            f"{digits.origin}: images that stand there with more than one label: {len(images):,}. "
            f"{listed}{more}. Row 1 is the first below the header."
        )
    return lines


def _rows(rows: NDArray[np.int64], labels: NDArray[np.int64]) -> str:
    found, first = np.unique(labels[rows], return_index=True)
    pairs = zip((rows[first] + 1).tolist(), found.tolist(), strict=True)
    return ", ".join(f"row {row} is labelled {label}" for row, label in pairs)


def describe_strangers(parts: Iterable[Digits], mnist: Source) -> list[str]:
    """Say in a line which of the digits are not MNIST's images, and what they seem to be.

    There is no line where 99% of each part are MNIST's. Of Kaggle's and of a rehearsal, all are.
    """
    known = {*mnist.train.keys, *mnist.test.keys}

    def strangers(keys: Iterable[bytes]) -> NDArray[np.int64]:
        return np.flatnonzero([key not in known for key in keys])

    found, others = [], "like other images than MNIST's, or changed ones"
    for digits in parts:
        strange, n = strangers(digits.keys), len(digits)
        if len(strange) * 100 > n:
            few = digits.pixels[strange[:: len(strange) // 1_000 + 1]]
            looks = (
                look
                for look, undo in _LOOKS.items()
                if len(strangers(row.tobytes() for row in undo(few))) < len(few) / 2
            )
            count = f"{len(strange):,} of the {n:,} images are not"
            if len(strange) == n:
                count = f"None of the {n:,} images is"
            found.append(f"{digits.origin}: {count} MNIST's; they look {next(looks, others)}.")
    follows = (
        "A network that learns one kind of images misreads the other, so accuracy on one says "
        "nothing about the other."
    )
    return [" ".join([*found, follows])] if found else []
