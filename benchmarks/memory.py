"""Peak memory of `kit train`, preset by preset, beside a plain Keras `fit` script."""

import contextlib
import io
import tempfile

from benchmarks.apart import apart, peak_resident
from benchmarks.section import Report, Request, Round
from benchmarks.tables import spread, table
from kit.config import PRESETS, make_config
from kit.data.mnist import load_keras
from kit.training.backend import load_backend

TITLE = "Peak memory"
PLAIN = "plain `fit` of the base program"


def measure(request: Request) -> Round:
    """Train each preset for one epoch: MB of resident memory at the highest, by contender."""
    small = ["--hidden", "16"] if request.quick else []
    peaks = {
        f"`kit train --preset {preset}`": apart(_kit_train, ["--preset", preset, *small])
        for preset in PRESETS
    }
    return peaks | {PLAIN: apart(_plain_fit)}


def _kit_train(options: list[str]) -> float:
    from kit.cli.main import run

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        # Away from data/, so that no preset has more to predict than another
        with contextlib.chdir(folder):
            code = run(["train", *options, "--epochs", "1", "--submissions", folder, "--json"])
        if code:
            raise RuntimeError(f"kit train {' '.join(options)} ended with exit code {code}.")
    return peak_resident()


def _plain_fit() -> float:
    load_backend()
    from benchmarks.trainings import train_with_keras

    source = load_keras()
    config = make_config({"preset": "baseline", "epochs": 1})
    network = train_with_keras(source.train, config, lambda _network: None)
    network.predict(source.test.images, verbose=0)
    return peak_resident()


def report(rounds: list[Round]) -> Report:
    """Tabulate the peaks."""
    rows = [[name, spread([each[name] for each in rounds], 0)] for name in rounds[0]]
    pixels = 70_000 * 784 / 1e6
    return Report(
        "The most memory that was resident at once, Python and its libraries included, over one "
        "epoch on MNIST's 60,000 images and predicting the 10,000 of the test split. The images "
        f"themselves are {pixels:.0f} MB as uint8, {4 * pixels:.0f} as float32.\n\n"
        + table(["program", "peak, MB"], rows)
    )
