"""One change of the recipe, judged on rows that it did not train on: a line of RECIPE.md.

    python -m benchmarks.recipe '{"epochs": 140}' --seeds 101 102

Each seed deals 42,000 of MNIST's 70,000 images, of which 28,000 train and 14,000 judge.
"""

import argparse
import json

import numpy as np

from kit.competition import TRAIN_ROWS
from kit.config import TrainConfig, make_config
from kit.data.digits import Digits
from kit.data.mnist import load_keras
from kit.metrics import log_loss
from kit.training.backend import choose_backend, load_backend
from kit.training.callback import Callback
from kit.training.dataset import split_digits

# Each line of RECIPE.md changes something of this. Batches of 500 divide the 28,000
BASE = {
    "preset": "tuned",
    "epochs": 70,
    "batch_size": 500,
    "views": 17,
    "validation_fraction": 1 / 3,
}


def deal(seed: int) -> Digits:
    """Deal 42,000 labelled digits. No rehearsal has the same ones."""
    source = load_keras()
    assert source.train.labels is not None
    assert source.test.labels is not None
    chosen = np.random.default_rng((7, seed)).permutation(70_000)[:TRAIN_ROWS]
    pixels = np.concatenate([source.train.pixels, source.test.pixels])[chosen]
    labels = np.concatenate([source.train.labels, source.test.labels])[chosen]
    return Digits(pixels, labels, f"deal {seed}")


def judge(config: TrainConfig, digits: Digits) -> tuple[int, float]:
    """Train; return the mistakes on the rows that are held out, and their log-loss in nats."""
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    rows = split_digits(digits, config)
    predictor = Predictor.build(config)
    fit(predictor, digits, rows, config, Callback())
    held_out = digits.take(rows[1])
    assert held_out.labels is not None
    probabilities = predictor.predict(held_out)
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
        mistakes, loss = judge(make_config({**BASE, "seed": seed, **given.changed}), deal(seed))
        print(f"deal {seed}: {mistakes} mistakes in 14,000, log-loss {loss:.4f}")


if __name__ == "__main__":
    main()
