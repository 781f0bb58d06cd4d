"""Which of the training rows are held out for validation."""

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig

Rows = NDArray[np.int64]


def split_rows(labels: NDArray[np.int64], config: TrainConfig) -> tuple[Rows, Rows]:
    """Split the rows of int64 (n,) labels into training and validation rows, each ascending.

    `last` holds out the final rows, as Keras's `validation_split` does. `stratified` gives each
    digit the share of the validation rows that it has of all rows, give or take one row.
    """
    n = len(labels)
    if config.validation == "last":
        kept = int(n * (1 - config.validation_fraction))
        return np.arange(kept), np.arange(kept, n)
    # Rows in an order that goes through the digits one after the other, shuffled within each:
    # evenly spaced picks out of it give every digit its share.
    shuffled = np.random.default_rng(config.seed).permutation(n)
    by_digit = shuffled[np.argsort(labels[shuffled], kind="stable")]
    held_out = round(n * config.validation_fraction)
    picks = (np.arange(held_out) * n) // max(held_out, 1)
    validation = np.sort(by_digit[picks])
    return np.setdiff1d(np.arange(n), validation), validation
