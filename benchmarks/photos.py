"""How many photos of digits `kit predict` reads right, by what is unusual in them.

    python -m benchmarks.photos --rounds 2

Each round trains the preset `quick` on MNIST's 60,000 training digits, and photographs other digits
of the 10,000 that it has not seen: tests/written_digits.py.
"""

import itertools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.folds import kit
from benchmarks.section import Round, run_section
from benchmarks.tables import table
from kit.data.mnist import load_keras
from tests.written_digits import KINDS, take_photo

TITLE = "Photos of digits"
# The tests take photos with seeds below a thousand
SEEDS = itertools.count(1_000, 1_000)
OF_EACH_KIND = 20
SHARE_WANTED = 0.97


def measure(quick: bool) -> Round:
    """Take photos of each kind, and have a new network read them: how many right by kind."""
    seed, photos = next(SEEDS), len(KINDS) * (1 if quick else OF_EACH_KIND)
    test = load_keras().test
    assert test.labels is not None
    rows = np.random.default_rng(seed).choice(len(test), photos, replace=False).tolist()
    right = dict.fromkeys(KINDS, 0)
    with tempfile.TemporaryDirectory(prefix="photos-") as work:
        here = Path(work)
        (here / "photos").mkdir()
        for number, row in enumerate(rows):
            photo = take_photo(test.pixels[row], KINDS[number % len(KINDS)], seed + number)
            (here / "photos" / f"{number:04}.jpg").write_bytes(photo)
        short = ["--epochs", "1"] if quick else []
        kit(here, "train", "--preset", "quick", *short, "--seed", str(seed))
        for image in kit(here, "predict", "photos", check=False)["images"]:
            number = int(Path(image["picture"]).stem)
            right[KINDS[number % len(KINDS)]] += image["digit"] == test.labels[rows[number]]
    return {"right": right, "photos": photos}


def report(rounds: list[Round]) -> str:
    """Write the table of kinds."""
    photos = sum(each["photos"] for each in rounds)
    right = {kind: sum(each["right"][kind] for each in rounds) for kind in KINDS}
    rows = [
        [kind, f"{right[kind]} of {photos // len(KINDS)}"]
        for kind in sorted(KINDS, key=lambda kind: (-right[kind], KINDS.index(kind)))
    ]
    rows.append(["all", f"{100 * sum(right.values()) / photos:.1f}%"])
    return (
        "Digits of the Keras test split, which the network has not seen, written on paper by a "
        "program and photographed by it. Wanted: "
        f"{SHARE_WANTED:.0%}.\n\n{table(['what is unusual', 'read right'], rows)}"
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
