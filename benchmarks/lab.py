"""The lab's four experiments and the best of all, at full length: tables and pictures.

    python -m benchmarks.lab --seeds 2

An interrupted run goes on where `--work` is the same folder.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.tables import table
from kit.training.backend import choose_backend

KIT = Path(sys.executable).with_name("kit")
HERE = Path(__file__).parent
PAGE = HERE / "LAB.md"
PICTURES = HERE / "lab"
TITLES = {
    "epochs": "Epochs",
    "batch-size": "Batch size",
    "units": "Units of the first layer",
    "hidden": "A second hidden layer behind the 800 units",
}
COLUMNS = [
    "value",
    "validation, %",
    "Keras test, %",
    "parameters",
    "s an epoch",
    "s in all",
    "best",
]


def spread(row: dict[str, Any], figure: str, scale: int = 1, digits: int = 2) -> str:
    """Word a figure's mean ± sd over seeds."""
    mean, sd = row[figure], row[f"{figure}_sd"]
    words = f"{scale * mean:.{digits}f}"
    return words if sd is None else f"{words} ± {scale * sd:.{digits}f}"


def section(found: dict[str, Any]) -> str:
    """Write an experiment's table and picture."""
    name = found["name"]
    chosen = {"kit's choice": found["best_by_validation"], "lab's": found["best_by_keras_test"]}
    rows = [
        [
            str(row["value"]), spread(row, "validation", 100), spread(row, "keras_test", 100),
            f"{row['parameters']:,}", spread(row, "seconds_per_epoch"),
            spread(row, "seconds", digits=0),
            ", ".join(mark for mark, value in chosen.items() if value == row["value"]),
        ]
        for row in found["rows"]
    ]  # fmt: skip
    lines = [f"## {TITLES[name]}", "", table(COLUMNS, rows)]
    if found["no_longer_rises_after"]:
        still = found["no_longer_rises_after"]
        lines += ["", f"Validation accuracy of the first seed no longer rises after epoch {still}."]
    shutil.copy(found["picture"], PICTURES / f"{name}.png")
    lines += ["", f"![{TITLES[name]}](lab/{name}.png)", ""]
    return "\n".join(lines)


def verdict(best: dict[str, Any]) -> str:
    """Write what the network with all the best values came to."""
    settings, comparison = best["settings"], best["comparison"]
    ends = (comparison["difference"], *comparison["interval"])
    difference, low, high = (f"{100 * each:+.2f}" for each in ends)
    significant = "significant" if comparison["significant"] else "not significant"
    units = " and ".join(map(str, settings["hidden"]))
    return (
        "## All the best values\n\n"
        f"{settings['epochs']} epochs, batch size {settings['batch_size']}, {units} units: "
        f"{spread(best['best'], 'keras_test', 100)}% of the Keras test split, the base program "
        f"{spread(best['base'], 'keras_test', 100)}%. The difference is {difference} points (95% "
        f"interval {low} to {high}). It is {significant} (McNemar's test, "
        f"p = {comparison['p_value']:.2g}).\n"
    )


def main() -> None:
    """Run the experiments, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=100, help="Of the base program.")
    parser.add_argument("--work", type=Path, help="Folder of the trainings; keep it to go on.")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="lab-"))
    work.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(exist_ok=True)
    arguments = ("--seeds", str(given.seeds), "--epochs", str(given.epochs))
    command = [KIT, "experiment", "best", *arguments, "--json"]
    ended = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, check=True)
    found = json.loads(ended.stdout)
    for one in found["experiments"]:
        one["picture"] = work / one["picture"]
    seeds = ", ".join(map(str, found["experiments"][0]["seeds"]))
    PAGE.write_text(
        "# The lab's experiments\n\n"
        "One setting of the lab's base program changed at a time: 784-800-10, ReLU, plain SGD at "
        f"0.01, batch size 200, {given.epochs} epochs, 48,000 training rows, 12,000 validation "
        "rows, 10,000 test images.\n\n"
        f"Mean ± sd over seeds {seeds}. Seconds are of training and validation. "
        f"{describe(choose_backend())}\n"
        f"Written by `python -m benchmarks.lab {' '.join(arguments)}`.\n\n"
        f"{found['note']}\n\n"
        + "\n".join(section(one) for one in found["experiments"])
        + f"\n{verdict(found['best'])}"
    )
    sys.stdout.write(PAGE.read_text())


if __name__ == "__main__":
    main()
