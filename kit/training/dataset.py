"""The digits of a training: to learn from, to hold out, to be judged on, and to predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import Digits
from kit.data.kaggle_csv import load_kaggle, load_kaggle_test
from kit.data.mnist import load_keras
from kit.errors import DataError, NetworkError, UsageError

Rows = NDArray[np.int64]


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

    def describe(self) -> dict[str, dict[str, Any] | None]:
        """Return origin, rows and fingerprint of each part, for a run's `config.json`."""
        return {
            part: None
            if digits is None
            else {"origin": digits.origin, "rows": len(digits), "fingerprint": digits.fingerprint}
            for part, digits in vars(self).items()
        }

    def check_same(self, recorded: Mapping[str, dict[str, Any] | None], run: str) -> None:
        """Check that these are the digits of a run. Parts that the run did not have may be new.

        Args:
            recorded: what `describe` returned when the run began.
            run: the run's name.

        Raises:
            DataError: a part is missing, or has other digits.
        """
        described = self.describe()
        for part, before in recorded.items():
            now = described[part]
            if before is not None and (now is None or now["fingerprint"] != before["fingerprint"]):
                found = "none" if now is None else f"fingerprint {now['fingerprint'][:12]}…"
                raise DataError(
                    f"{before['origin']}: not the digits that {run} began with "
                    f"({found}, expected {before['fingerprint'][:12]}…).",
                    "Put those files back, or train a new run.",
                )


def load_dataset(config: TrainConfig) -> Dataset:
    """Load the digits of the source, and what the other source has to judge or to predict.

    Raises:
        DataError: a file that was asked for is missing or wrong.
        NetworkError: MNIST is the source, is not on this machine and cannot be downloaded.
    """
    if config.source == "kaggle":
        kaggle = load_kaggle(config.data)
        return Dataset(kaggle.train, _keras_test(), kaggle.test)
    keras = load_keras(config.data)
    return Dataset(keras.train, keras.test, load_kaggle_test())


def _keras_test() -> Digits | None:
    try:
        return load_keras().test
    except (DataError, NetworkError):
        # The run is complete without it; `kit validate` says what was missing
        return None


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
