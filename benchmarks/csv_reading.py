"""Reading Kaggle's CSVs: the kit beside plain pandas.

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
from kit.data.digits import PIXELS, Source
from kit.data.kaggle_csv import load_kaggle
from kit.data.mnist import load_keras

TITLE = "Reading Kaggle's CSVs"
PLAIN = "plain pandas"
# Kaggle's own numbers of rows
ROWS = (42_000, 28_000)
FASTER_WANTED = 2


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


READERS: dict[str, Callable[[Path], object]] = {
    PLAIN: plain_pandas,
    "kit": load_kaggle,
    "kit, with float32 images": kit_images,
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
    return (
        f"The kit reads {spread(ratios(plain, seconds['kit']), 1)} times as fast as plain pandas "
        f"(wanted: {FASTER_WANTED}). Both of Kaggle's files, 42,000 and 28,000 rows, 128 MB.\n\n"
        + table(["reading", "s", "times as fast as plain pandas"], rows)
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
