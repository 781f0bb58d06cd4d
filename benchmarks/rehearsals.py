"""How presets score on rehearsals: mean ± sd over seeds, each seed its own deal and training.

    python -m benchmarks.rehearsals tuned baseline --seeds 11 12 13 14 15

Each rehearsal is one look at 28,000 hidden labels. With the same `--work`, a rehearsal that was
scored before is not trained again. With `--members N`, the preset's own line is that of the first
members.
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
from benchmarks.tables import table
from kit.training.backend import choose_backend
from kit.training.committee import plan_training

KIT = Path(sys.executable).with_name("kit")
PAGE = Path(__file__).with_name("REHEARSALS.md")
HEADERS = ("preset", "score", "validation", "keras_test", "minutes", "seeds")


def rehearse(preset: str, members: int, seed: int, work: Path) -> dict[str, Any]:
    """Rehearse once, or read what an earlier rehearsal with the same settings gave."""
    committee = ["--members", str(members)] if members > 1 else []
    record = work / f"{preset}-{settings_digest(preset)}-{members}-{seed}.json"
    command = ["rehearse", "--preset", preset, *committee, "--seed", str(seed)]
    return {**recorded(record, command), "seed": seed}


def recorded(record: Path, command: list[str]) -> dict[str, Any]:
    """Run a command of the kit and keep its JSON in `record`, or read what is there already."""
    if not record.exists():
        ended = subprocess.run(
            [KIT, *command, "--json"], cwd=record.parent, stdout=subprocess.PIPE, check=True
        )
        record.write_bytes(ended.stdout)
    figures: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return figures


def settings_digest(preset: str) -> str:
    """Return a name for a preset's settings, because figures of other settings do not count."""
    given = {"preset": preset}
    plan = plan_training(given)
    settings = "".join(config.model_dump_json() for config in plan)
    return hashlib.sha256(settings.encode()).hexdigest()[:8]


def spread(values: list[float]) -> str:
    """Write the mean ± sd of shares, in per cent."""
    sd = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.2f}{sd}"


def row(name: str, runs: list[dict[str, Any]]) -> list[str]:
    """Return the cells of a preset, or of a committee of its runs."""
    shares = (
        [run[kind]["accuracy"] for run in runs] for kind in ("score", "validation", "keras_test")
    )
    minutes = statistics.median(run["seconds"]["fit"] for run in runs) / 60
    seeds = ", ".join(str(run["seed"]) for run in runs)
    return [name, *map(spread, shares), f"{minutes:.1f}", seeds]


def known_rows() -> dict[str, list[str]]:
    """Read the cells of the lines that the page has, by their first cell."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {cells[0]: cells for cells in rows[2:]}


def main() -> None:
    """Rehearse, and write the page."""
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
            # The first member is what the preset alone gives with that seed
            rows[name] = row(name, [run["members"][0] for run in runs])
            name = f"{given.members} × {name}"
        rows[name] = row(name, runs)
    PAGE.write_text(
        "# Rehearsals\n\n"
        f"Mean ± sd over seeds, in %. {describe(choose_backend())}\n\n"
        "- **score**: accuracy on the 28,000 hidden labels. Each seed has its own deal.\n"
        "- **validation**: accuracy on the rows held out of the 42,000: 10% of them, 20% for "
        "`baseline`, 2% for the larger presets.\n"
        "- **keras_test**: accuracy on the images of the Keras test split that were not trained "
        "on.\n"
        "- **minutes**: of training alone, median.\n\n"
        "Lines of a GPU (an H100, with JAX 0.11.2 and keras 3.15.1) have the score alone. On two "
        "cores, the same settings make other networks of the same kind.\n\n"
        "Each line was written by `python -m benchmarks.rehearsals PRESET --seeds …`, that of a "
        "committee with `--members N`. Lines with the same seeds were scored on the same hidden "
        "labels. [RECIPE.md](RECIPE.md) says what that means for `best-mlp`.\n\n"
        f"{table(HEADERS, rows.values())}\n",
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
