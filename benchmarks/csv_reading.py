"""Reading Kaggle's CSVs: the kit beside plain pandas, and what its looks at the images cost.

    python -m benchmarks.csv_reading

Writes CSVs of the real sizes (42,000 and 28,000 rows of MNIST) to a temporary folder, and reads
them with each in turn, every time in a process of its own.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.section import Round, apart, run_section
from benchmarks.tables import ratios, spread, table
from kit.config import make_config
from kit.data.digits import PIXELS, Source, seen_in_training
from kit.data.kaggle_csv import load_kaggle
from kit.data.mnist import load_keras
from kit.training.dataset import load_dataset, split_digits

TITLE = "Reading Kaggle's CSVs"
PLAIN = "plain pandas"
# Kaggle's own numbers of rows
ROWS = (42_000, 28_000)
FASTER_WANTED = 2
OVERLAP, ALL = (
    "kit, with MNIST and the overlap",
    "kit, with copies and strangers too",
)
MORE_SECONDS_ALLOWED = 0.3


def write_tables(folder: Path, rows: tuple[int, int]) -> None:
    """Write `train.csv` and `test.csv` with these numbers of MNIST's 70,000 images."""
    keras = load_keras()
    assert keras.train.labels is not None
    assert keras.test.labels is not None
    pixels = np.concatenate([keras.train.pixels, keras.test.pixels])
    labels = np.concatenate([keras.train.labels, keras.test.labels])
    order = np.random.default_rng(0).permutation(len(pixels))
    texts = np.array([b"%d" % value for value in range(256)], dtype=object)
    header = b",".join(b"pixel%d" % column for column in range(PIXELS))
    # Kaggle's files have these line ends
    with (folder / "train.csv").open("wb") as stream:
        stream.write(b"label," + header + b"\r\n")
        for row in order[: rows[0]]:
            stream.write(b"%d," % labels[row] + b",".join(texts[pixels[row]]) + b"\r\n")
    with (folder / "test.csv").open("wb") as stream:
        stream.write(header + b"\r\n")
        for row in order[rows[0] : sum(rows)]:
            stream.write(b",".join(texts[pixels[row]]) + b"\r\n")


def plain_pandas(folder: Path) -> list[np.ndarray]:
    """Read as Kaggle's notebooks do."""
    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")
    return [train.drop(columns="label").to_numpy() / 255, train["label"].to_numpy(), test / 255]


def kit_images(folder: Path) -> Source:
    """Read with the kit, and make the float32 images of both files."""
    source = load_kaggle(folder)
    assert source.train.images.dtype == source.test.images.dtype == np.float32
    return source


def kit_overlap(folder: Path) -> None:
    """Read MNIST too, and find the images to train on in what a run is judged on."""
    source, mnist = load_kaggle(folder), load_keras()
    for digits in (mnist.test, source.test):
        seen_in_training(digits, source.train)


def kit_all(folder: Path) -> None:
    """Do all that a training does with the images before it begins."""
    config = make_config({"source": "kaggle", "data": folder})
    dataset = load_dataset(config, tell=True)
    split_digits(dataset.train, config)
    for digits in (dataset.keras_test, dataset.test):
        assert digits is not None
        seen_in_training(digits, dataset.train)


READERS: dict[str, Callable[[Path], object]] = {
    PLAIN: plain_pandas,
    "kit": load_kaggle,
    "kit, with float32 images": kit_images,
    OVERLAP: kit_overlap,
    ALL: kit_all,
}


def measure(quick: bool) -> Round:
    """Write the files, and read them once with each reader: seconds by reader."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, (2_000, 1_000) if quick else ROWS)
        return {reader: apart(_read, reader, folder) for reader in READERS}


def _read(reader: str, folder: Path) -> float:
    began = time.perf_counter()
    READERS[reader](folder)
    return time.perf_counter() - began


def report(rounds: list[Round]) -> str:
    """Write the table of readers."""
    plain = [each[PLAIN] for each in rounds]
    seconds = {reader: [each[reader] for each in rounds] for reader in READERS}
    rows = [
        [reader, spread(measured, 3), spread(ratios(plain, measured), 1)]
        for reader, measured in seconds.items()
    ]
    more = [each[ALL] - each[OVERLAP] for each in rounds]
    return (
        f"The kit reads {spread(ratios(plain, seconds['kit']), 1)} times as fast as plain pandas "
        f"(wanted: {FASTER_WANTED}). Both of Kaggle's files, 42,000 and 28,000 rows, 128 MB. "
        f"To look for copies, to split without them and to compare with MNIST takes "
        f"{spread(more, 3)} s more (allowed: {MORE_SECONDS_ALLOWED}).\n\n"
        + table(["reading", "s", "times as fast as plain pandas"], rows)
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
