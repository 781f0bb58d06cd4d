"""Chooses the training rows that are held out for validation."""

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import Digits
from kit.errors import UsageError

Rows = NDArray[np.int64]


def split_rows(labels: NDArray[np.int64], config: TrainConfig) -> tuple[Rows, Rows]:
    """Split the rows of int64 (n,) labels into training and validation rows, each ascending.

    `last` holds out the final rows, as Keras's `validation_split` does. `stratified` gives each
    digit the share of the validation rows that it has of all rows, give or take one row.
    """
    n = len(labels)
    if config.split == "last":
        kept = int(n * (1 - config.validation_fraction))
        return np.arange(kept), np.arange(kept, n)
    # Sort the rows by digit, shuffled within each digit. Evenly spaced picks out of that order give
    # every digit its share.
    seed = config.seed if config.split_seed is None else config.split_seed
    shuffled = np.random.default_rng(seed).permutation(n)
    by_digit = shuffled[np.argsort(labels[shuffled], kind="stable")]
    held_out = round(n * config.validation_fraction)
    picks = (np.arange(held_out) * n) // max(held_out, 1)
    validation = np.sort(by_digit[picks])
    return np.setdiff1d(np.arange(n), validation), validation


def split_digits(digits: Digits, config: TrainConfig) -> tuple[Rows, Rows]:
    """Split labelled digits as `split_rows` does, if that leaves enough of them.

    Raises:
        UsageError: no row is left to train on, or none to validate on.
    """
    if digits.labels is None:
        raise ValueError("training needs labels")
    training, validation = split_rows(digits.labels, config)
    if not len(training) or (config.validation_fraction and not len(validation)):
        raise UsageError(
            f"validation_fraction: {config.validation_fraction} of {len(digits)} rows leaves "
            f"{len(training)} to train on and {len(validation)} to validate on.",
            "Choose a fraction that leaves some of both, or 0.",
        )
    return training, validation
