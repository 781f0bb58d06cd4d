"""A rehearsal: a local copy of the competition, made of MNIST's 70,000 images."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import PIXELS, Source
from kit.files import naming

TRAIN_ROWS = 42_000
TEST_ROWS = 28_000
# Kaggle's lines end in CRLF: with LF, MNIST's 70,000 images would need 70,002 bytes fewer than the
# 76,775,041 + 51,118,296 of Kaggle's train.csv and test.csv
LINE_END = b"\r\n"


@dataclass(frozen=True)
class Rehearsal:
    """The four files of a rehearsal.

    Attributes:
        folder: where they are; `load_kaggle` reads it like Kaggle's own files.
        seed: the seed of the deal.
    """

    folder: Path
    seed: int

    @property
    def solution(self) -> Path:
        """The hidden labels of `test.csv`, as ImageId,Label."""
        return self.folder / "solution.csv"


def make_rehearsal(mnist: Source, seed: int, parent: Path) -> Rehearsal:
    """Deal MNIST's 70,000 images into `parent/rehearsal-<seed>/`, unless it is there already.

    `train.csv` (42,000), `test.csv` (28,000) and `sample_submission.csv` are in Kaggle's format to
    the byte; `solution.csv` holds the labels of `test.csv`.

    Raises:
        OSError: the folder cannot be written, or the disk is full. No partial folder is left.
    """
    rehearsal = Rehearsal(parent / f"rehearsal-{seed}", seed)
    if rehearsal.folder.is_dir():
        return rehearsal
    pixels = np.concatenate([mnist.train.pixels, mnist.test.pixels])
    labels = np.concatenate([_labels(mnist.train.labels), _labels(mnist.test.labels)])
    order = np.random.default_rng(seed).permutation(len(pixels))
    train, test = np.split(order, [TRAIN_ROWS])

    parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".rehearsal-{seed}.", dir=parent))
    try:
        hidden.chmod(parent.stat().st_mode)
        _write_digits(hidden / "train.csv", pixels[train], labels[train])
        _write_digits(hidden / "test.csv", pixels[test], None)
        _write_labels(hidden / "sample_submission.csv", np.zeros(TEST_ROWS, np.int64), LINE_END)
        _write_labels(hidden / "solution.csv", labels[test], b"\n")
        try:
            hidden.rename(rehearsal.folder)
        except OSError:
            # Another process has just made the same folder
            if not rehearsal.folder.is_dir():
                raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return rehearsal


def _labels(labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    if labels is None:
        raise ValueError("a rehearsal needs labels")
    return labels


def _write_digits(path: Path, pixels: NDArray[np.uint8], labels: NDArray[np.int64] | None) -> None:
    names = [f"pixel{column}" for column in range(PIXELS)]
    if labels is not None:
        names.insert(0, "label")
    with naming(path), path.open("wb") as stream:
        stream.write(",".join(names).encode() + LINE_END)
        for start in range(0, len(pixels), 2_000):
            rows = slice(start, start + 2_000)
            columns = [] if labels is None else [labels[rows, None].astype(np.uint8)]
            _write_rows(stream, np.hstack([*columns, pixels[rows]]))


def _write_rows(stream: IO[bytes], values: NDArray[np.uint8]) -> None:
    # The text of each value takes five bytes, and unused bytes are zero. So NumPy can write a whole
    # block of text at once: 70,000 rows take half a second instead of ten.
    texts = [f"{value},".encode() for value in range(256)]
    ends = [f"{value}".encode() + LINE_END for value in range(256)]
    cells = np.array(texts, "S5")[values]
    cells[:, -1] = np.array(ends, "S5")[values[:, -1]]
    characters = cells.view(np.uint8)
    stream.write(characters[characters != 0].tobytes())


def _write_labels(path: Path, labels: NDArray[np.int64], line_end: bytes) -> None:
    lines = [b"ImageId,Label", *(b"%d,%d" % row for row in enumerate(labels.tolist(), start=1))]
    with naming(path):
        path.write_bytes(line_end.join(lines) + line_end)
