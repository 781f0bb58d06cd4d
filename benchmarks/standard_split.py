"""A committee on MNIST's standard split: trained on all 60,000 images, judged on the 10,000.

    python -m benchmarks.standard_split best --members 3 --seed 31

No row is held out, and nothing is chosen here. What was trained in the same `--work` with the same
settings is not trained again.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.rehearsals import recorded, settings_digest, spread
from kit.cli.telling import word_normalization
from kit.training.backend import choose_backend

PAGE = Path(__file__).with_name("STANDARD_SPLIT.md")


def train(preset: str, members: int, seed: int, work: Path) -> dict[str, Any]:
    """Train the committee, or read what an earlier call with the same settings gave."""
    record = work / f"standard-{preset}-{settings_digest(preset)}-{members}-{seed}.json"
    given = ["--preset", preset, "--members", str(members), "--seed", str(seed)]
    return recorded(record, ["train", "--source", "keras", "--validation-fraction", "0", *given])


def main() -> None:
    """Train, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--work", type=Path, help="Where the runs go; keep it to read them later.")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="standard-"))
    work.mkdir(parents=True, exist_ok=True)
    found = train(given.preset, given.members, given.seed, work)
    rows = [
        f"| seed {member['seed']}, {word_normalization(member['normalization'])} "
        f"| {member['judged']['accuracy']:.2%} | {member['seconds']['fit'] / 60:.1f} |"
        for member in found["members"]
    ]
    alone = spread([member["judged"]["accuracy"] for member in found["members"]])
    together = found["judged"]
    low, high = (f"{100 * bound:.2f}" for bound in together["interval"])
    PAGE.write_text(
        "# The standard split\n\n"
        f"Trained on MNIST's {found['rows']['train']:,} training images, none held out, and "
        f"judged on its {together['n']:,} test images, which chose nothing; what was judged on "
        f"them before stands in [RECIPE.md](RECIPE.md). {describe(choose_backend())}\n"
        f"Written by `python -m benchmarks.standard_split {given.preset} --members {given.members} "
        f"--seed {given.seed}`.\n\n"
        "| member | test accuracy | minutes of training |\n| --- | --- | --- |\n"
        + "\n".join(rows)
        + f"\n\nOne alone: {alone}%. Committee of {given.members} × `{given.preset}`: "
        f"**{together['accuracy']:.2%}** (95% interval {low} to {high}).\n"
    )
    sys.stdout.write(PAGE.read_text())


if __name__ == "__main__":
    main()
