"""How an epoch's time grows with the rows and with the width of the base program."""

import math
import statistics
from typing import Any

from benchmarks.apart import apart
from benchmarks.epochs import KIT, steady_epoch
from benchmarks.section import Report, Request, Round
from benchmarks.tables import percent, spread, table
from kit.config import make_config
from kit.training.backend import load_backend

TITLE = "How time grows"
ROWS = (12_000, 24_000, 48_000)
WIDTHS = (200, 400, 800, 1_600, 3_200)
SERIES = {"rows": "rows", "width": "units of the hidden layer"}


def measure(request: Request) -> Round:
    """Train each size once: the series of rows at 800 units, that of widths on all rows."""
    rows, widths = ((600, 1_200), (50, 100)) if request.quick else (ROWS, WIDTHS)
    epochs = 3 if request.quick else 5
    return {
        "rows": [apart(_train, each, 800, epochs) for each in rows],
        "width": [apart(_train, rows[-1], each, epochs) for each in widths],
    }


def _train(rows: int, width: int, epochs: int) -> dict[str, Any]:
    load_backend()
    config = make_config(
        {
            "preset": "baseline",
            "hidden": (width,),
            "epochs": epochs,
            "validation_fraction": 0.0,
        }
    )
    timed = steady_epoch(KIT, rows, config)
    return {"rows": rows, "width": width, "seconds": timed["seconds"], "share": timed["large"]}


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """Fit seconds = constant × size^exponent by least squares of the logarithms."""
    return statistics.linear_regression([math.log(size) for size in sizes],
                                        [math.log(each) for each in seconds]).slope  # fmt: skip


def report(rounds: list[Round]) -> Report:
    """Tabulate both series, each with the exponent that fits it."""
    parts = []
    for series, title in SERIES.items():
        sizes = [point[series] for point in rounds[0][series]]
        columns = list(zip(*(each[series] for each in rounds), strict=True))
        rows = [
            [
                f"{size:,}",
                spread([point["seconds"] for point in column], 3),
                percent([point["share"] for point in column]),
            ]
            for size, column in zip(sizes, columns, strict=True)
        ]
        fitted = [exponent(sizes, [point["seconds"] for point in each[series]]) for each in rounds]
        parts.append(
            table([title, "epoch's training, s", "share of the arithmetic"], rows)
            + f"\n\nSeconds grow with the power {spread(fitted)} of the {title}."
        )
    fixed = rounds[0]["rows"][0]["width"], rounds[0]["width"][0]["rows"]
    return Report(
        f"The base program trained by the kit without validation: rows grow at {fixed[0]} units, "
        f"units on {fixed[1]:,} rows.\n\n" + "\n\n".join(parts)
    )
