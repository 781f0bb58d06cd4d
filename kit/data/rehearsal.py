"""A rehearsal: a local copy of the competition, made of MNIST's 70,000 images."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competition import TEST_ROWS, TRAIN_ROWS
from kit.data.csv_faults import column_names
from kit.data.digits import PIXELS, Source
from kit.files import naming, write_whole
from kit.submission import write_submission

# Kaggle's lines end in CRLF: with LF, MNIST's 70,000 images would need 70,002 bytes fewer than the
# 76,775,041 + 51,118,296 of Kaggle's train.csv and test.csv
LINE_END = "\r\n"


def make_rehearsal(mnist: Source, seed: int, parent: Path) -> Path:
    """Deal MNIST's 70,000 images into `parent/rehearsal-<seed>/`, unless it is there already.

    `train.csv` (42,000), `test.csv` (28,000) and `sample_submission.csv` are in Kaggle's format to
    the byte; `solution.csv` holds the labels of `test.csv`. Returns the folder.

    Raises:
        OSError: the folder cannot be written, or the disk is full. No partial folder is left.
    """
    rehearsal = parent / f"rehearsal-{seed}"
    if rehearsal.is_dir():
        return rehearsal
    if mnist.train.labels is None or mnist.test.labels is None:
        raise ValueError("a rehearsal needs labels")
    labels = np.concatenate([mnist.train.labels, mnist.test.labels]).astype(np.uint8)
    digits = np.column_stack([labels, np.concatenate([mnist.train.pixels, mnist.test.pixels])])
    order = np.random.default_rng(seed).permutation(len(digits))
    train, test = np.split(digits[order], [TRAIN_ROWS])

    parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".rehearsal-{seed}.", dir=parent))
    try:
        hidden.chmod(parent.stat().st_mode)
        _write_digits(hidden / "train.csv", train)
        _write_digits(hidden / "test.csv", test[:, 1:])
        sample = ["ImageId,Label", *(f"{image},0" for image in range(1, TEST_ROWS + 1)), ""]
        write_whole(hidden / "sample_submission.csv", LINE_END.join(sample))
        write_submission(hidden / "solution.csv", test[:, 0])
        try:
            hidden.rename(rehearsal)
        except OSError:
            # Another process has just made the same folder
            if not rehearsal.is_dir():
                raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return rehearsal


def _write_digits(path: Path, values: NDArray[np.uint8]) -> None:
    # The text of each value takes five bytes, and unused bytes are zero. So NumPy can write a whole
    # block of text at once: 70,000 rows take half a second instead of ten.
    texts = np.array([f"{value},".encode() for value in range(256)], "S5")
    ends = np.array([f"{value}{LINE_END}".encode() for value in range(256)], "S5")
    names = column_names(labelled=values.shape[1] > PIXELS)
    with naming(path), path.open("wb") as stream:
        stream.write(f"{','.join(names)}{LINE_END}".encode())
        for rows in np.array_split(values, 20):
            cells = texts[rows]
            cells[:, -1] = ends[rows[:, -1]]
            characters = cells.view(np.uint8)
            stream.write(characters[characters != 0].tobytes())
