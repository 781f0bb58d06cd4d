"""What a training works with: digits to learn from, to be judged on, and to predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.config import TrainConfig
from kit.data.digits import Digits
from kit.data.kaggle_csv import load_kaggle, load_kaggle_test
from kit.data.mnist import load_keras
from kit.errors import DataError, NetworkError


@dataclass(frozen=True, eq=False)
class Material:
    """The digits of a training.

    Attributes:
        train: the labelled digits of the source, validation rows among them.
        keras_test: the Keras test split, labelled, or None where MNIST is not at hand.
        kaggle_test: what a submission predicts, or None where Kaggle's files are not at hand.
    """

    train: Digits
    keras_test: Digits | None
    kaggle_test: Digits | None

    @property
    def roles(self) -> dict[str, Digits | None]:
        """The same, by the names that a run's records give them."""
        return {"train": self.train, "keras_test": self.keras_test, "test": self.kaggle_test}

    def describe(self) -> dict[str, dict[str, Any] | None]:
        """Origin, rows and fingerprint of each, for a run's `config.json`."""
        return {
            role: None
            if digits is None
            else {"origin": digits.origin, "rows": len(digits), "fingerprint": digits.fingerprint}
            for role, digits in self.roles.items()
        }

    def check_same(self, recorded: Mapping[str, dict[str, Any] | None], run: str) -> None:
        """See to it that these are the digits of a run; those it did not have are let pass.

        Args:
            recorded: what `describe` gave when the run began.
            run: its name.

        Raises:
            DataError: some are missing, or others.
        """
        described = self.describe()
        for role, before in recorded.items():
            now = described[role]
            if before is not None and (now is None or now["fingerprint"] != before["fingerprint"]):
                found = "none" if now is None else f"fingerprint {now['fingerprint'][:12]}…"
                raise DataError(
                    f"{before['origin']}: not the digits that {run} began with "
                    f"({found}, expected {before['fingerprint'][:12]}…).",
                    "Put those back, or train a new run.",
                )


def load_material(config: TrainConfig) -> Material:
    """Load the source's digits, and of the other source what a run is judged on or predicts.

    Raises:
        DataError: a file that was asked for is missing or wrong.
        NetworkError: the Keras source is not at hand and cannot be downloaded.
    """
    if config.source == "kaggle":
        kaggle = load_kaggle(config.data)
        return Material(kaggle.train, _keras_test(), kaggle.test)
    keras = load_keras(config.data)
    return Material(keras.train, keras.test, load_kaggle_test())


def _keras_test() -> Digits | None:
    try:
        return load_keras().test
    except (DataError, NetworkError):
        # The run is whole without it; `kit validate` says what was missing
        return None
