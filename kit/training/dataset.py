"""The digits of a training: to learn from, to be validated on, and to predict."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import Digits, Source
from kit.data.kaggle_csv import load_kaggle, load_kaggle_test
from kit.data.mnist import load_keras
from kit.data.oddities import describe_copies, describe_strangers
from kit.errors import DataError, NetworkError, UsageError

Rows = NDArray[np.int64]

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Dataset:
    """The digits of a training.

    Attributes:
        train: the labelled digits of the source, validation rows among them.
        keras_test: the Keras test split, labelled, or None if MNIST is not on this machine.
        test: the digits of Kaggle's test.csv, or None if it is not on this machine.
    """

    train: Digits
    keras_test: Digits | None
    test: Digits | None

    def describe(self, rows: tuple[Rows, Rows]) -> dict[str, dict[str, Any]]:
        """Return what `config.json` says of a run's digits, its training and validation rows."""
        data: dict[str, Any] = {
            part: None
            if digits is None
            else {"origin": digits.origin, "rows": len(digits), "fingerprint": digits.fingerprint}
            for part, digits in vars(self).items()
        }
        data["train"] |= {"copies": self.train.n_copies}
        test = 0 if self.test is None else len(self.test)
        counts = {"train": len(rows[0]), "validation": len(rows[1]), "test": test}
        return {"data": data, "rows": counts}

    def check_same(self, recorded: dict[str, dict[str, Any] | None], run: str) -> None:
        """Check that these are the digits that a run's `config.json` has as `data`.

        Parts that the run did not have may be new.

        Raises:
            DataError: a part is missing, or has other digits.
        """
        for part, before in recorded.items():
            digits: Digits | None = getattr(self, part)
            if before is not None and digits is None and part == "keras_test":
                # It says why MNIST is missing
                load_keras()
            found = "none" if digits is None else digits.fingerprint
            if before is not None and found != before["fingerprint"]:
                place = before["origin"] if digits is None else digits.origin
                marks = f"fingerprint {found[:12]}, expected {before['fingerprint'][:12]}"
                what = f"{place}: not the digits that {run} began with ({marks})."
                raise DataError(what, "Put those files back, or train a new run.")


def load_dataset(
    config: TrainConfig, source: Source | None = None, *, tell: bool = False
) -> Dataset:
    """Load the digits of the source, and what the other source has to validate or to predict.

    A `source` that was read already is not read again. If `tell`, copies and images that are not
    MNIST's are logged as warnings.

    Raises:
        DataError: a file that was asked for is missing or wrong.
        NetworkError: MNIST is the source, is not on this machine and cannot be downloaded.
    """
    mnist: Source | None = None
    if config.source == "keras":
        mnist = source or load_keras(config.data)
        dataset = Dataset(mnist.train, mnist.test, load_kaggle_test())
    else:
        kaggle = source or load_kaggle(config.data)
        try:
            mnist = load_keras()
        except (DataError, NetworkError) as error:
            # What is trained is complete without it
            if tell:
                left_out = "No image is compared with it, and the Keras test split is left out."
                LOGGER.warning("%s %s", error.what, left_out)
        dataset = Dataset(kaggle.train, None if mnist is None else mnist.test, kaggle.test)
    if tell:
        lines = describe_copies(dataset.train)
        if mnist is not None:
            lines += describe_strangers(filter(None, (dataset.train, dataset.test)), mnist)
        for line in lines:
            LOGGER.warning(line)
    return dataset


def split_digits(digits: Digits, config: TrainConfig) -> tuple[Rows, Rows]:
    """Split the rows of labelled digits into training and validation rows, each ascending.

    Equal images never stand on both sides. `last` holds out the final rows, as Keras's
    `validation_split` does, and their copies leave the training rows. `stratified` and folds hold
    out images with all their copies, and give each digit the share of these images that it has of
    all images, give or take one.

    Raises:
        UsageError: no row is left to train on, or none to validate on.
    """
    if digits.labels is None:
        raise ValueError("training needs labels")
    if config.split == "last" and config.fold is None:
        validation = np.arange(int(len(digits) * (1 - config.validation_fraction)), len(digits))
    else:
        images = np.unique(digits.first_rows)
        n = len(images)
        # Sort the images by digit, shuffled within each digit. Evenly spaced picks out of that
        # order give every digit its share.
        seed = config.seed if config.split_seed is None else config.split_seed
        shuffled = images[np.random.default_rng(seed).permutation(n)]
        by_digit = shuffled[np.argsort(digits.labels[shuffled], kind="stable")]
        if config.fold is not None:
            number, folds = config.fold
            held_out = by_digit[number - 1 :: folds]
        else:
            count = round(n * config.validation_fraction)
            held_out = by_digit[np.arange(count) * n // max(count, 1)]
        validation = np.flatnonzero(np.isin(digits.first_rows, held_out))
    training = rows_without(digits, validation)
    is_held_out = config.validation_fraction or config.fold
    if not len(training) or (is_held_out and not len(validation)):
        share = f"validation_fraction: {config.validation_fraction} of {len(digits)} rows"
        left = f"{len(training)} to train on and {len(validation)} to validate on"
        what = f"{share} leaves {left}."
        raise UsageError(what, "Choose a fraction that leaves some of both, or 0.")
    return training, validation


def rows_without(digits: Digits, rows: Rows) -> Rows:
    """Return the rows of all images that are not among those of `rows`, ascending."""
    return np.flatnonzero(~np.isin(digits.first_rows, digits.first_rows[rows]))
