"""How long `kit report` takes for a run of the real size, and how large its page is.

    python -m benchmarks.report

Writes Kaggle's files of the real sizes (42,000 and 28,000 rows of MNIST) to a temporary folder, and
a run on them whose predictions are made up, so that nothing is trained.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.csv_reading import ROWS, write_tables
from benchmarks.section import Round, run_section
from benchmarks.tables import spread, table
from kit.config import make_config
from kit.data.digits import Digits, seen_in_training
from kit.runs import Run, begin_run
from kit.training.dataset import load_dataset, split_digits
from kit.training.predictions import PARTS, Predictions, Probabilities, finish_run
from kit.training.train import provenance

TITLE = "The report"
SECONDS_ALLOWED, MEGABYTES_ALLOWED = 5, 2
EPOCHS = 16


def make_run(folder: Path, rows: tuple[int, int]) -> Run:
    """Make a run in `folder` on files with these numbers of rows."""
    write_tables(folder, rows)
    config = make_config({"source": "kaggle", "data": folder, "preset": "quick"})
    dataset = load_dataset(config)
    split = split_digits(dataset.train, config)
    record = {"settings": config.model_dump(mode="json"), **provenance(), **dataset.describe(split)}
    draft = begin_run(folder / "submissions", config.name, record)
    epochs = (f"{i},{1 / i},{1 - 0.1 / i},{1 / i},{1 - 0.1 / i},0.001,1" for i in range(1, EPOCHS))
    header = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    (draft.folder / "history.csv").write_text("\n".join([header, *epochs, ""]))
    rng = np.random.default_rng(0)
    held_out = dataset.train.take(split[1])
    predictions: Predictions = {"validation_rows": split[1], "validation": _read(held_out, rng)}
    for part in PARTS:
        digits = getattr(dataset, part)
        predictions[part] = _read(digits, rng)
        predictions[f"{part}_seen"] = seen_in_training(digits, dataset.train)
    seconds = dict.fromkeys(("load", "fit", "total"), 60.0)
    about = {"source": "kaggle", "preset": "quick", "seed": 0, "epochs": EPOCHS, "seconds": seconds}
    return finish_run(draft, predictions, dataset, about)


def _read(digits: Digits, rng: np.random.Generator) -> Probabilities:
    # About one in fifty is read wrong
    scores = rng.random((len(digits), 10), np.float32)
    if digits.labels is not None:
        scores[np.arange(len(digits)), digits.labels] += rng.exponential(20, len(digits))
    probabilities: Probabilities = scores / scores.sum(axis=1, keepdims=True)
    return probabilities


def measure(quick: bool) -> Round:
    """Write the report of one run, and of that run beside itself: seconds and bytes of each."""
    with tempfile.TemporaryDirectory() as name:
        run = make_run(Path(name), (2_000, 1_000) if quick else ROWS)
        return {"a run": _report(run), "two runs beside each other": _report(run, run)}


def _report(*runs: Run) -> tuple[float, float]:
    page = runs[0].folder / "report.html"
    kit = Path(sys.executable).with_name("kit")
    began = time.perf_counter()
    subprocess.run(
        [kit, "report", *(run.folder for run in runs), "--output", page],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began, page.stat().st_size / 1e6


def report(rounds: list[Round]) -> str:
    """Write the table of reports."""
    rows = []
    for name in rounds[0]:
        seconds, megabytes = zip(*(each[name] for each in rounds), strict=True)
        rows.append([name, spread(seconds), spread(megabytes)])
    return (
        "The whole command, for a run with 42,000 training rows, 28,000 images to predict and the "
        "10,000 images of the Keras test split. It reads them all again for its pictures. Wanted: "
        f"a median of less than {SECONDS_ALLOWED} s and less than {MEGABYTES_ALLOWED} MB.\n\n"
        + table(["report of", "s", "MB"], rows)
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
