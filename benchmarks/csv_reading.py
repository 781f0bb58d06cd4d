"""Reading Kaggle's CSVs: the kit, first and later, beside plain pandas.

Writes CSVs of the real sizes (42,000 and 28,000 rows of MNIST) to a temporary folder, and reads
them with each in turn, every time in a process of its own.

    python -m benchmarks.csv_reading [--repeats 5] [--lf]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.apart import apart, peak_resident
from benchmarks.section import Report, Request, Round
from benchmarks.tables import ratios, spread, table
from kit.data.digits import PIXELS, Source
from kit.data.kaggle_csv import load_kaggle
from kit.data.mnist import load_keras

TITLE = "Reading Kaggle's CSVs"
PLAIN = "plain pandas"
# Kaggle's own numbers of rows
ROWS = (42_000, 28_000)


def write_tables(folder: Path, rows: tuple[int, int], line_end: bytes) -> None:
    """Deal images of MNIST's 70,000 into `train.csv` and `test.csv`, so many each."""
    keras = load_keras()
    assert keras.train.labels is not None
    assert keras.test.labels is not None
    pixels = np.concatenate([keras.train.pixels, keras.test.pixels])
    labels = np.concatenate([keras.train.labels, keras.test.labels])
    order = np.random.default_rng(0).permutation(len(pixels))
    texts = np.array([b"%d" % value for value in range(256)], dtype=object)
    header = b",".join(b"pixel%d" % column for column in range(PIXELS))
    with (folder / "train.csv").open("wb") as stream:
        stream.write(b"label," + header + line_end)
        for row in order[: rows[0]]:
            stream.write(b"%d," % labels[row] + b",".join(texts[pixels[row]]) + line_end)
    with (folder / "test.csv").open("wb") as stream:
        stream.write(header + line_end)
        for row in order[rows[0] : sum(rows)]:
            stream.write(b",".join(texts[pixels[row]]) + line_end)


def plain_pandas(folder: Path) -> list[np.ndarray]:
    """What Kaggle's notebooks do."""
    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")
    return [train.drop(columns="label").to_numpy() / 255, train["label"].to_numpy(), test / 255]


def kit_images(folder: Path) -> Source:
    """The kit's reading with the float32 images of both files made at once."""
    source = load_kaggle(folder)
    assert source.train.images.dtype == source.test.images.dtype == np.float32
    return source


def drop_caches(folder: Path) -> None:
    """Make the next reading a first one."""
    for cache in folder.glob(".*.digits"):
        cache.unlink()


READERS: dict[str, Callable[[Path], object]] = {
    PLAIN: plain_pandas,
    "kit, first read": load_kaggle,
    "kit, first read and .images": kit_images,
    "kit, later read": load_kaggle,
    "kit, later read and .images": kit_images,
}


def read_once(name: str, folder: Path) -> dict[str, float]:
    """Read in this process: seconds, and MB at the highest beyond what its imports had taken."""
    before = peak_resident()
    began = time.perf_counter()
    # Kept, so that the peak holds what the reader gives as well as what it needs
    kept = READERS[name](folder)
    ended = time.perf_counter()
    peak = peak_resident()
    del kept
    return {"seconds": ended - began, "peak": peak - before}


def measure(request: Request) -> Round:
    """Write the files, and read them with each reader in turn, in a process each."""
    return measure_readers((2_000, 1_000) if request.quick else ROWS, b"\r\n")


def measure_readers(rows: tuple[int, int], line_end: bytes) -> Round:
    """Read files of so many rows once with each reader."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, rows, line_end)
        readings: dict[str, Any] = {}
        for reader in READERS:
            if "first" in reader:
                drop_caches(folder)
            readings[reader] = apart(read_once, reader, folder)
        megabytes = sum(path.stat().st_size for path in folder.glob("*.csv")) / 1e6
    return {"megabytes": megabytes, "rows": sum(rows), "readings": readings}


def report(rounds: list[Round]) -> Report:
    """Tabulate time and memory, beside plain pandas and beside the arrays themselves."""
    arrays = rounds[0]["rows"] * PIXELS / 1e6
    plain = [each["readings"][PLAIN]["seconds"] for each in rounds]
    rows = []
    for reader in READERS:
        seconds = [each["readings"][reader]["seconds"] for each in rounds]
        peaks = [each["readings"][reader]["peak"] for each in rounds]
        rows.append(
            [
                reader,
                spread(seconds, 3),
                spread(ratios(plain, seconds), 1),
                spread(peaks, 0),
                spread([peak / arrays for peak in peaks], 1),
                spread([peak / arrays / 4 for peak in peaks]),
            ]
        )
    headers = ("reading", "s", "times as fast", "peak, MB", "× uint8 pixels", "× float32 images")
    return Report(
        f"{rounds[0]['megabytes']:.0f} MB of CSV; its pixels are {arrays:.0f} MB as uint8, "
        f"{4 * arrays:.0f} as float32. Memory is the peak beyond what imports had taken.\n\n"
        + table(headers, rows)
    )


def main() -> None:
    """Time and measure the readings, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="Readings of each kind.")
    parser.add_argument("--lf", action="store_true", help="LF line ends instead of Kaggle's CRLF.")
    given = parser.parse_args()
    line_end = b"\n" if given.lf else b"\r\n"
    print(report([measure_readers(ROWS, line_end) for _ in range(given.repeats)]).text)


if __name__ == "__main__":
    main()
