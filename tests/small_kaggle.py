"""A small competition of real digits."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.mnist import load_keras


def write_csv(path: Path, pixels: NDArray[Any], labels: NDArray[Any] | None = None) -> None:
    """Write digits in the form of Kaggle's train.csv, or of its test.csv without labels."""
    header = ",".join(f"pixel{i}" for i in range(784))
    table = pixels if labels is None else np.column_stack([labels, pixels])
    header = header if labels is None else f"label,{header}"
    np.savetxt(path, table, "%d", ",", header=header, comments="")


def write_kaggle(folder: Path, train_rows: int, test_rows: int) -> Path:
    """Write a small competition of real digits: train.csv, test.csv, solution.csv."""
    mnist = load_keras()
    folder.mkdir(parents=True)
    labels = mnist.train.labels
    assert labels is not None
    write_csv(folder / "train.csv", mnist.train.pixels[:train_rows], labels[:train_rows])
    write_csv(folder / "test.csv", mnist.train.pixels[train_rows : train_rows + test_rows])
    solution = enumerate(labels[train_rows : train_rows + test_rows].tolist(), start=1)
    rows = "".join(f"{image},{label}\n" for image, label in solution)
    (folder / "solution.csv").write_text(f"ImageId,Label\n{rows}")
    return folder
