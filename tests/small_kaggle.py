"""A small competition of real digits."""

from pathlib import Path

import numpy as np

from kit.data.mnist import load_keras


def write_kaggle(folder: Path, train_rows: int, test_rows: int) -> Path:
    """Write a small competition of real digits: train.csv, test.csv, solution.csv."""
    mnist = load_keras()
    folder.mkdir(parents=True)
    labels = mnist.train.labels
    assert labels is not None
    names = ",".join(f"pixel{i}" for i in range(784))
    train = np.column_stack([labels, mnist.train.pixels])[:train_rows]
    test = mnist.train.pixels[train_rows : train_rows + test_rows]
    np.savetxt(folder / "train.csv", train, "%d", ",", header=f"label,{names}", comments="")
    np.savetxt(folder / "test.csv", test, "%d", ",", header=names, comments="")
    solution = enumerate(labels[train_rows : train_rows + test_rows].tolist(), start=1)
    rows = "".join(f"{image},{label}\n" for image, label in solution)
    (folder / "solution.csv").write_text(f"ImageId,Label\n{rows}")
    return folder
