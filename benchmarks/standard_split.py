"""A committee on MNIST's standard split: trained on all 60,000 images, judged on the 10,000.

    python -m benchmarks.standard_split best-mlp --members 3 --seed 31

No row is held out, and nothing is chosen here. With the same `--work` and settings, nothing is
trained again.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.rehearsals import recorded, settings_digest, spread
from benchmarks.tables import table
from kit.config import describe_normalization
from kit.training.backend import choose_backend

PAGE = Path(__file__).with_name("STANDARD_SPLIT.md")


def train(preset: str, members: int, seed: int, work: Path) -> dict[str, Any]:
    """Train the committee, or read what an earlier call with the same settings gave."""
    record = work / f"standard-{preset}-{settings_digest(preset)}-{members}-{seed}.json"
    given = ["--preset", preset, "--members", str(members), "--seed", str(seed)]
    return recorded(record, ["train", "--source", "keras", "--validation-fraction", "0", *given])


def row(member: dict[str, Any]) -> list[str]:
    """Return the cells of a member."""
    ways = describe_normalization(member["normalization"])
    name = ", ".join([f"seed {member['seed']}", *([ways] if ways else [])])
    minutes = member["seconds"]["fit"] / 60
    return [name, f"{member['keras_test']['accuracy']:.2%}", f"{minutes:.1f}"]


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
    alone = spread([member["keras_test"]["accuracy"] for member in found["members"]])
    together = found["keras_test"]
    low, high = (f"{100 * bound:.2f}" for bound in together["interval"])
    PAGE.write_text(
        "# The standard split\n\n"
        f"Trained on MNIST's {found['rows']['train']:,} training images; none is held out. Judged "
        f"on the {together['n']:,} images of the Keras test split, which chose nothing here. "
        "[RECIPE.md](RECIPE.md) says what was judged on them before. "
        f"{describe(choose_backend())}\n"
        f"Written by `python -m benchmarks.standard_split {given.preset} --members {given.members} "
        f"--seed {given.seed}`.\n\n"
        + table(("member", "keras_test", "minutes of training"), map(row, found["members"]))
        + f"\n\nOne alone: {alone}%. Committee of {given.members} × `{given.preset}`: "
        f"**{together['accuracy']:.2%}** (95% interval {low} to {high}).\n",
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
