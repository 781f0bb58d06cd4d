"""Reading Kaggle's CSVs: the kit, first and later, beside plain pandas.

Writes CSVs of the real sizes (42,000 and 28,000 rows of MNIST) to a temporary folder, times the
readings in turn in one run, and measures the memory of each in a process of its own.

    python benchmarks/csv_reading.py [--repeats 5] [--lf]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Column, Table

from kit.data.digits import PIXELS, Source
from kit.data.kaggle_csv import load_kaggle
from kit.data.mnist import load_keras

PROGRAMS = {
    "plain pandas": "plain_pandas(folder)",
    "kit, first read": "load_kaggle(folder)",
    "kit, first read and .images": "kit_images(folder)",
    "kit, later read": "load_kaggle(folder)",
    "kit, later read and .images": "kit_images(folder)",
}


def write_tables(folder: Path, line_end: bytes) -> None:
    """Deal MNIST's 70,000 images into `train.csv` and `test.csv`."""
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
        for row in order[:42_000]:
            stream.write(b"%d," % labels[row] + b",".join(texts[pixels[row]]) + line_end)
    with (folder / "test.csv").open("wb") as stream:
        stream.write(header + line_end)
        for row in order[42_000:]:
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


def seconds(read: Callable[[Path], object], folder: Path) -> float:
    """Wall time of one reading."""
    start = time.perf_counter()
    read(folder)
    return time.perf_counter() - start


def peak_resident() -> float:
    """The peak resident memory of this process so far, in MB (Linux).

    Not getrusage's, which starts from the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def peak_megabytes(program: str, folder: Path) -> float:
    """Peak memory of one reading in a fresh process, less what its imports had taken."""
    code = (
        "import sys; from pathlib import Path; from csv_reading import *; "
        "folder = Path(sys.argv[1]); before = peak_resident(); "
        f"kept = {program}; print(peak_resident() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    return float(done.stdout)


def main() -> None:
    """Write the tables, time and measure the readings, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="readings of each kind")
    parser.add_argument("--lf", action="store_true", help="LF line ends instead of Kaggle's CRLF")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, b"\n" if options.lf else b"\r\n")
        for _ in range(options.repeats):
            times["plain pandas"].append(seconds(plain_pandas, folder))
            drop_caches(folder)
            times["kit, first read"].append(seconds(load_kaggle, folder))
            times["kit, later read"].append(seconds(load_kaggle, folder))
            times["kit, later read and .images"].append(seconds(kit_images, folder))
            drop_caches(folder)
            times["kit, first read and .images"].append(seconds(kit_images, folder))
        for program, code in PROGRAMS.items():
            if "first" in program:
                drop_caches(folder)
            memory[program] = peak_megabytes(code, folder)
        size = sum(path.stat().st_size for path in folder.glob("*.csv")) / 1e6

    arrays = 70_000 * PIXELS / 1e6
    plain = statistics.median(times["plain pandas"])
    table = Table(
        Column("reading", no_wrap=True),
        "median s",
        "fastest s",
        "slowest s",
        "times faster",
        "peak MB",
        "× uint8 pixels",
        "× float32 images",
        title=f"{size:.0f} MB of CSV; pixels {arrays:.0f} MB as uint8, {4 * arrays:.0f} as float32",
    )
    for program, taken in times.items():
        median = statistics.median(taken)
        peak = memory[program]
        row = [median, min(taken), max(taken)]
        table.add_row(
            program,
            *(f"{value:.3f}" for value in row),
            f"{plain / median:.1f}",
            f"{peak:.0f}",
            f"{peak / arrays:.1f}",
            f"{peak / arrays / 4:.2f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
