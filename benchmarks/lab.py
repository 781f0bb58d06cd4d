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


def compare_workers(work: Path) -> list[dict[str, Any]]:
    """Train the experiment on units for a few epochs, with one process and then with two."""
    work.mkdir(exist_ok=True)
    short = ("units", "--epochs", "4")
    experiment(work, *short, "--workers", "1")
    setups: list[dict[str, Any]] = experiment(work, *short, "--seeds", "2", "--workers", "2")[
        "setups"
    ]
    return setups


def percent(spread: dict[str, Any]) -> str:
    """Word a share's mean ± sd in per cent."""
    sd = "" if spread["sd"] is None else f" ± {100 * spread['sd']:.2f}"
    return f"{100 * spread['mean']:.2f}{sd}"


def seconds(spread: dict[str, Any], digits: int) -> str:
    """Word a duration's mean ± sd in seconds."""
    sd = "" if spread["sd"] is None else f" ± {spread['sd']:.{digits}f}"
    return f"{spread['mean']:.{digits}f}{sd}"


def section(found: dict[str, Any]) -> str:
    """Write an experiment's table and picture."""
    name = found["name"]
    lines = [
        f"## {TITLES[name]}",
        "",
        "| value | validation, % | test, % | parameters | s an epoch | s in all | best |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        marks = [
            mark
            for mark, key in (("kit's choice", "best_by_validation"), ("lab's", "best_by_test"))
            if found[key] == row["value"]
        ]
        cells = [
            str(row["value"]), percent(row["val_accuracy"]), percent(row["test_accuracy"]),
            f"{row['parameters']:,}", seconds(row["seconds_per_epoch"], 2),
            seconds(row["seconds"], 0), ", ".join(marks),
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
        f"{settings['epochs']} epochs, batch size {settings['batch_size']}, {layers} units: test "
        f"accuracy {percent(best['best']['test_accuracy'])}%, the base program's "
        f"{percent(best['base']['test_accuracy'])}%. That is {better}, by "
        f"{100 * comparison['difference']:+.2f} points (95% interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}), {chance} chance would give (McNemar's test, "
        f"p = {comparison['p_value']:.2g}).\n"
    )


def workers(setups: list[dict[str, Any]]) -> str:
    """Write which number of processes was faster."""
    rows = "\n".join(
        f"| {s['workers']} | {s['threads']} | {s['trainings']} | {s['speed']:,.0f} |"
        for s in setups
    )
    return (
        "## Workers\n\n"
        "The experiment on units, 4 epochs of each; speed is in millions of weights × rows that "
        "all workers together learned from a second.\n\n"
        "| workers | threads each | trainings | speed |\n| --- | --- | --- | --- |\n"
        f"{rows}\n\nFaster: `--workers {setups[0]['workers']}`.\n"
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
    setups = compare_workers(work / "workers")
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
        + f"\n{verdict(found['best'])}\n{workers(setups)}"
    )
    sys.stdout.write(PAGE.read_text())


if __name__ == "__main__":
    main()
