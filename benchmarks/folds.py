"""What folds are good for: an estimate on every row, and the rows whose label is wrong.

    python -m benchmarks.folds --rounds 2

Each round deals a rehearsal of its own, trains five networks of the preset `quick` on it, and looks
at the hidden labels once. Then 200 labels of its train.csv are changed to another digit at random,
and five networks are trained on that.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.section import Round, run_section
from benchmarks.tables import table

KIT = Path(sys.executable).with_name("kit")
TITLE = "Folds"
PRESET, FOLDS = "quick", 5
CHANGED, FIRST = 200, 300
# Deals that no other figure uses
SEEDS = itertools.count(71)


def kit(folder: Path, *command: str, check: bool = True) -> dict[str, Any]:
    """Run a command of the kit, and read its JSON."""
    ended = subprocess.run(
        [KIT, *command, "--json"], cwd=folder, stdout=subprocess.PIPE, check=check
    )
    content: dict[str, Any] = json.loads(ended.stdout)
    return content


def change_labels(train: Path, target: Path, seed: int) -> set[int]:
    """Write a train.csv with changed labels; return their rows, 1 below the header."""
    header, *lines = train.read_text(encoding="utf-8").splitlines()
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(lines), CHANGED, replace=False).tolist()
    for row in rows:
        label, pixels = lines[row].split(",", 1)
        lines[row] = f"{(int(label) + rng.integers(1, 10)) % 10},{pixels}"
    target.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return {row + 1 for row in rows}


def measure(quick: bool) -> Round:
    """Train with folds on a new deal, as it is and with changed labels."""
    seed = next(SEEDS)
    given = ["--preset", PRESET, "--folds", str(FOLDS)]
    with tempfile.TemporaryDirectory(prefix="folds-") as work:
        here = Path(work)
        short = ["--epochs", "1"] if quick else []
        run = kit(here, "rehearse", *given, *short, "--seed", str(seed))
        dealt, noisy = here / "data" / f"rehearsal-{seed}", here / "noisy"
        noisy.mkdir()
        (noisy / "test.csv").write_bytes((dealt / "test.csv").read_bytes())
        changed = change_labels(dealt / "train.csv", noisy / "train.csv", seed)
        kit(
            here,
            "train",
            "--source",
            "kaggle",
            "--data",
            "noisy",
            *given,
            *short,
            "--seed",
            str(seed),
        )
        suspects = kit(here, "suspects")["suspects"]
    scores = [member["score"]["accuracy"] for member in run["members"]]
    return {
        "seed": seed,
        "estimate": run["validation"]["accuracy"],
        "scores": float(np.mean(scores)),
        "mean": run["score"]["accuracy"],
        "minutes": run["seconds"]["fit"] / 60,
        "found": sum(each["row"] in changed for each in suspects[:FIRST]),
        "suspects": len(suspects),
    }


def report(rounds: list[Round]) -> str:
    """Write the table of deals."""
    rows = [
        [
            str(each["seed"]),
            *(f"{100 * each[name]:.2f}" for name in ("estimate", "scores", "mean")),
            f"{each['minutes']:.1f}",
            f"{each['found']} of {CHANGED}",
            str(each["suspects"]),
        ]
        for each in rounds
    ]
    headers = [
        "deal",
        "out-of-fold accuracy, %",
        "hidden score of one network, %",
        "of the mean of five, %",
        "minutes",
        f"changed labels among the first {FIRST} suspects",
        "suspects",
    ]
    return (
        f"`kit train --preset {PRESET} --folds {FOLDS}`. The out-of-fold accuracy, of all 42,000 "
        "rows, estimates one such network. Its hidden score is the mean of the five, each alone.\n"
        "\n"
        f"{table(headers, rows)}"
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
