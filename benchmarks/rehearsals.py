"""How presets score on rehearsals: mean ± sd over seeds, each seed its own deal and training.

    python -m benchmarks.rehearsals tuned baseline --seeds 11 12 13 14 15

Each rehearsal is one look at 28,000 hidden labels. Rehearsals that were scored before are not
trained again: what `kit rehearse` said of them stands in the folder of the runs. With --members,
the preset's own line is that of the first members.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from kit.config import make_config
from kit.training.backend import choose_backend

KIT = Path(sys.executable).with_name("kit")
TABLE = Path(__file__).with_name("REHEARSALS.md")
HEAD = (
    "| preset | score on 28,000 hidden labels "
    "| validation rows: 10% of the 42,000, of `baseline` 20, of `best` 2 "
    "| unseen part of the Keras test split | minutes | seeds |"
)


def rehearse(preset: str, members: int, seed: int, work: Path) -> dict[str, Any]:
    """Rehearse once, or read what an earlier rehearsal with the same settings gave."""
    committee = ["--members", str(members)] if members > 1 else []
    record = work / f"{preset}-{settings_digest(preset)}-{members}-{seed}.json"
    command = ["rehearse", "--preset", preset, *committee, "--seed", str(seed)]
    return {**recorded(record, command), "seed": seed}


def recorded(record: Path, command: list[str]) -> dict[str, Any]:
    """Run a command of the kit beside its record, unless it was recorded, and read what it said."""
    if not record.exists():
        ended = subprocess.run(
            [KIT, *command, "--json"], cwd=record.parent, stdout=subprocess.PIPE, check=True
        )
        record.write_bytes(ended.stdout)
    figures: dict[str, Any] = json.loads(record.read_text())
    return figures


def settings_digest(preset: str) -> str:
    """Name a preset's settings: what was measured of others is no figure of it."""
    settings = make_config({"preset": preset}).model_dump_json()
    return hashlib.sha256(settings.encode()).hexdigest()[:8]


def spread(values: list[float]) -> str:
    """Word the mean ± sd of shares, in per cent."""
    sd = f" ± {statistics.stdev(values):.2%}".replace("%", "") if len(values) > 1 else ""
    return f"{statistics.mean(values):.2%}".replace("%", "") + sd


def row(name: str, runs: list[dict[str, Any]]) -> str:
    """Write the line of a preset, or of a committee of its runs."""
    minutes = statistics.median(run["seconds"]["fit"] for run in runs) / 60
    cells = [
        name,
        spread([run["score"]["accuracy"] for run in runs]),
        spread([run["validation"]["accuracy"] for run in runs]),
        spread([run["judged"]["accuracy"] for run in runs]),
        f"{minutes:.1f}",
        ", ".join(str(run["seed"]) for run in runs),
    ]
    return f"| {' | '.join(cells)} |"


def known_rows() -> dict[str, str]:
    """Read the lines that stand already, by the first cell's name."""
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| ---")]
    return {line.split(" | ")[0].removeprefix("| "): line for line in rows[1:]}


def main() -> None:
    """Rehearse, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, required=True)
    parser.add_argument("--members", type=int, default=1, help="Of a committee each.")
    parser.add_argument("--work", type=Path, help="Where the runs go; keep it to go on later.")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="rehearsals-"))
    work.mkdir(parents=True, exist_ok=True)
    rows = known_rows()
    for preset in given.presets:
        runs = [rehearse(preset, given.members, seed, work) for seed in given.seeds]
        name = f"`{preset}`"
        if given.members > 1:
            # The first member is what the preset is on its own with that seed
            rows[name] = row(name, [run["members"][0] for run in runs])
            name = f"{given.members} × {name}"
        rows[name] = row(name, runs)
    TABLE.write_text(
        "# Rehearsals\n\n"
        "Mean ± sd over seeds, in %. Minutes are of training alone, median. "
        f"{describe(choose_backend())}\n"
        "Each line was written by `python -m benchmarks.rehearsals PRESET --seeds …`, a "
        "committee's with `--members N`. Lines of the same seeds look at the same hidden labels; "
        "what that means for `best` stands in [RECIPE.md](RECIPE.md).\n\n"
        f"{HEAD}\n| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows.values()) + "\n"
    )
    sys.stdout.write(TABLE.read_text())


if __name__ == "__main__":
    main()
