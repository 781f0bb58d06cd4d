"""How presets score on rehearsals: mean ± sd over seeds, each seed its own deal and training.

    python benchmarks/rehearsals.py tuned baseline --seeds 11 12 13 14 15

Each rehearsal is one look at 28,000 hidden labels. Rehearsals that were scored before are not
trained again: what `kit rehearse` said of them stands in the folder of the runs.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

KIT = Path(sys.executable).with_name("kit")
TABLE = Path(__file__).with_name("REHEARSALS.md")


def rehearse(preset: str, seed: int, work: Path) -> dict[str, Any]:
    """Rehearse once, or read what an earlier rehearsal gave."""
    record = work / f"{preset}-{seed}.json"
    if not record.exists():
        ended = subprocess.run(
            [KIT, "rehearse", "--preset", preset, "--seed", str(seed), "--json"],
            cwd=work,
            stdout=subprocess.PIPE,
            check=True,
        )
        record.write_bytes(ended.stdout)
    figures: dict[str, Any] = json.loads(record.read_text())
    return figures


def spread(values: list[float]) -> str:
    """Word the mean ± sd of shares, in per cent."""
    sd = f" ± {statistics.stdev(values):.2%}".replace("%", "") if len(values) > 1 else ""
    return f"{statistics.mean(values):.2%}".replace("%", "") + sd


def row(preset: str, runs: list[dict[str, Any]]) -> str:
    """Write a preset's line of the table."""
    minutes = statistics.median(run["seconds"]["fit"] for run in runs) / 60
    cells = [
        f"`{preset}`",
        spread([run["score"]["accuracy"] for run in runs]),
        spread([run["validation"]["accuracy"] for run in runs]),
        spread([run["judged"]["accuracy"] for run in runs]),
        f"{minutes:.1f}",
        ", ".join(str(run["seed"]) for run in runs),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Rehearse, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, required=True)
    parser.add_argument("--work", type=Path, help="Where the runs go; keep it to go on later.")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="rehearsals-"))
    work.mkdir(parents=True, exist_ok=True)
    rows = [row(preset, [rehearse(preset, seed, work) for seed in given.seeds])
            for preset in given.presets]  # fmt: skip
    versions = ", ".join(f"{name} {version(name)}" for name in ("keras", "tensorflow", "numpy"))
    TABLE.write_text(
        "# Rehearsals\n\n"
        f"Mean ± sd over seeds, in %. {platform.machine()}, {os.cpu_count()} shared cores, "
        f"{versions}, Python {platform.python_version()}. Minutes are of training alone, median.\n"
        "Written by `python benchmarks/rehearsals.py "
        f"{' '.join(given.presets)} --seeds {' '.join(map(str, given.seeds))}`.\n\n"
        "| preset | score on 28,000 hidden labels | validation, 10% of the 42,000 (baseline: 20%) "
        "| unseen part of the Keras test split | minutes | seeds |\n"
        "| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )
    sys.stdout.write(TABLE.read_text())


if __name__ == "__main__":
    main()
