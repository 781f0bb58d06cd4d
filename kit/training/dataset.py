"""The digits of a training: to learn from, to be judged on, and to predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.config import TrainConfig
from kit.data.digits import Digits
from kit.data.kaggle_csv import load_kaggle, load_kaggle_test
from kit.data.mnist import load_keras
from kit.errors import DataError, NetworkError


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
