"""What a training works with: digits to learn from, to be judged on, and to predict."""

from dataclasses import dataclass

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
