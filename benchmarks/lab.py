"""The lab's four experiments and the best of all, at full length: tables and pictures.

    python -m benchmarks.lab --seeds 2

Also says whether one process with all cores or two that share them is faster, on a shortened
experiment. It is one study, so an interrupted run goes on where `--work` is the same folder.
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


def experiment(work: Path, *arguments: str) -> dict[str, Any]:
    """Run `kit experiment` in a folder, and read what it says."""
    command = [KIT, "experiment", *arguments, "--json"]
    ended = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


def percent(row: dict[str, Any], figure: str) -> str:
    """Word a share's mean ± sd over seeds in per cent."""
    sd = "" if row[f"{figure}_sd"] is None else f" ± {100 * row[f'{figure}_sd']:.2f}"
    return f"{100 * row[figure]:.2f}{sd}"


def seconds(row: dict[str, Any], figure: str, digits: int) -> str:
    """Word a duration's mean ± sd over seeds in seconds."""
    sd = "" if row[f"{figure}_sd"] is None else f" ± {row[f'{figure}_sd']:.{digits}f}"
    return f"{row[figure]:.{digits}f}{sd}"


def section(found: dict[str, Any]) -> str:
    """Write an experiment's table and picture."""
    name = found["name"]
    lines = [
        f"## {TITLES[name]}",
        "",
        "| value | validation, % | keras_test, % | parameters | s an epoch | s in all | best |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        marks = [
            mark
            for mark, key in (
                ("kit's choice", "best_by_validation"),
                ("lab's", "best_by_keras_test"),
            )
            if found[key] == row["value"]
        ]
        cells = [
            str(row["value"]), percent(row, "validation"), percent(row, "keras_test"),
            f"{row['parameters']:,}", seconds(row, "seconds_per_epoch", 2),
            seconds(row, "seconds", 0), ", ".join(marks),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    if found["no_longer_rises_after"]:
        still = found["no_longer_rises_after"]
        lines += ["", f"Validation accuracy of the first seed no longer rises after epoch {still}."]
    shutil.copy(found["picture"], PICTURES / f"{name}.png")
    lines += ["", f"![{TITLES[name]}](lab/{name}.png)", ""]
    return "\n".join(lines)


def verdict(best: dict[str, Any]) -> str:
    """Write what the network with all the best values came to."""
    settings, comparison = best["settings"], best["comparison"]
    low, high = comparison["interval"]
    chance = "more than" if comparison["beyond_chance"] else "no more than"
    better = "better" if comparison["difference"] > 0 else "not better"
    layers = " and ".join(map(str, settings["hidden"]))
    return (
        "## All the best values\n\n"
        f"{settings['epochs']} epochs, batch size {settings['batch_size']}, {layers} units: "
        f"keras_test {percent(best['best'], 'keras_test')}%, the base program's "
        f"{percent(best['base'], 'keras_test')}%. That is {better}, by "
        f"{100 * comparison['difference']:+.2f} points (95% interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}), {chance} chance would give (McNemar's test, "
        f"p = {comparison['p_value']:.2g}).\n"
    )


def main() -> None:
    """Run the experiments, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=100, help="Of the base program.")
    parser.add_argument("--work", type=Path, help="Where the study goes; keep it to go on later.")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="lab-"))
    work.mkdir(parents=True, exist_ok=True)
    PICTURES.mkdir(exist_ok=True)
    arguments = ("--seeds", str(given.seeds), "--epochs", str(given.epochs))
    found = experiment(work, "best", *arguments)
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
