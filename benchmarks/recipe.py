"""One change of the recipe, judged on rows that it did not train on: a line of RECIPE.md.

    python -m benchmarks.recipe '{"epochs": 140}' --seeds 101 102

Each seed deals 42,000 of MNIST's 70,000 images, of which 28,000 train and 14,000 judge.
"""

import argparse
import json
import sys

import numpy as np

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits
from kit.data.mnist import load_keras
from kit.data.rehearsal import TRAIN_ROWS
from kit.metrics import log_loss
from kit.training.backend import choose_backend, load_backend
from kit.training.normalization import normalise_digits
from kit.training.split import split_digits

# Whatever somebody changes it is changed of this; batches of 500 divide the 28,000
BASE = {"preset": "tuned", "epochs": 70, "batch_size": 500, "views": 17}


def deal(seed: int) -> Digits:
    """Deal the training rows of a study: other ones than any rehearsal's, of the same images."""
    source = load_keras()
    if source.train.labels is None or source.test.labels is None:
        raise ValueError("a study needs labels")
    chosen = np.random.default_rng((7, seed)).permutation(70_000)[:TRAIN_ROWS]
    pixels = np.concatenate([source.train.pixels, source.test.pixels])[chosen]
    labels = np.concatenate([source.train.labels, source.test.labels])[chosen]
    return Digits(pixels, labels, f"deal {seed}")


def judge(config: TrainConfig, digits: Digits) -> tuple[int, float]:
    """Train on two thirds; give the mistakes on the others, and their log-loss in nats."""
    from benchmarks.trainings import train_with_kit
    from kit.training.networks import with_probabilities
    from kit.training.prediction import predict

    rows = split_digits(digits, config)
    network = train_with_kit(digits, rows, config, lambda _: None)
    held_out = normalise_digits(digits.take(rows[1]), config.normalization)
    probabilities = predict(with_probabilities(network), held_out, config.views)
    if held_out.labels is None:
        raise ValueError("judging needs labels")
    mistakes = np.count_nonzero(probabilities.argmax(axis=1) != held_out.labels)
    return int(mistakes), log_loss(probabilities, held_out.labels)


def main() -> None:
    """Train on each deal, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("changed", type=json.loads, help="Settings, as a JSON object.")
    parser.add_argument("--seeds", nargs="+", type=int, required=True)
    given = parser.parse_args()
    choose_backend()
    load_backend()
    for seed in given.seeds:
        settings = {**BASE, "seed": seed, "validation_fraction": 1 / 3, **given.changed}
        mistakes, loss = judge(make_config(settings), deal(seed))
        sys.stdout.write(f"deal {seed}: {mistakes} mistakes in 14,000, log-loss {loss:.4f}\n")


if __name__ == "__main__":
    main()
