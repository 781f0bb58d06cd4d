"""One training of a search: no run is written, and only the figures stay."""

import base64
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import Digits
from kit.data.overlap import seen_in_training
from kit.errors import DataError
from kit.training.backend import load_backend
from kit.training.callback import Callback, Epoch
from kit.training.dataset import Dataset, load_dataset
from kit.training.split import split_rows


@dataclass(frozen=True)
class Reading:
    """What a network had come to after an epoch.

    Attributes:
        epoch: 1 for the first.
        val_accuracy: on the rows held out, in [0, 1].
        test_accuracy: on those of the Keras test split that it has not seen, in [0, 1].
        seconds: of training and validation up to there.
        correct: which of those test images it got right, packed as `pack` does.
    """

    epoch: int
    val_accuracy: float
    test_accuracy: float
    seconds: float
    correct: str


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        parameters: weights that it learned.
        history: its epochs.
        readings: what it had come to where that was asked for.
    """

    parameters: int
    history: list[Epoch]
    readings: list[Reading]

    def plain(self) -> dict[str, Any]:
        """The same, as JSON can hold it."""
        return asdict(self)


def train_network(
    config: TrainConfig,
    material: Dataset,
    read_at: Collection[int] = (),
    after_epoch: Callable[[int, float], None] = lambda _epoch, _val_accuracy: None,
) -> Trained:
    """Train what `config` says, and judge the network on the Keras test split after some epochs.

    Args:
        config: how to train, with rows held out.
        material: the digits.
        read_at: the epochs, from 1, after which to judge it.
        after_epoch: told each epoch and its validation accuracy, in [0, 1]; what it raises ends
            the training.

    Raises:
        UsageError: the loss has become infinite, or no number.
    """
    labels = material.train.labels
    if labels is None:
        raise ValueError("training needs labels")
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    predictor = Predictor.build(config)
    rows = split_rows(labels, config)
    test = _unseen_test(material) if read_at else None
    accuracies: dict[int, float] = {}
    correct: dict[int, NDArray[np.bool_]] = {}

    class _Read(Callback):
        def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002
            accuracies[epoch.epoch] = epoch.val_accuracy or 0.0
            if test is not None and epoch.epoch in read_at:
                correct[epoch.epoch] = predictor.predict(test, 1).argmax(axis=1) == test.labels
            after_epoch(epoch.epoch, accuracies[epoch.epoch])

    history = fit(predictor, material.train, rows, config, _Read())
    return Trained(
        parameters=predictor.n_parameters,
        history=history,
        readings=[
            Reading(
                epoch=epoch,
                val_accuracy=accuracies[epoch],
                test_accuracy=float(right.mean()),
                seconds=sum(past.seconds for past in history[:epoch]),
                correct=pack(right),
            )
            for epoch, right in correct.items()
        ],
    )


def load_same(config: TrainConfig, fingerprint: str) -> Dataset:
    """Load the digits that a configuration names, if they are those of a study.

    Raises:
        DataError: the files are missing or wrong, or have another fingerprint.
    """
    material = load_dataset(config)
    if material.train.fingerprint != fingerprint:
        raise DataError(
            f"{material.train.origin}: not the digits that the study is of.",
            "Use the same files for all of a study, on each machine.",
        )
    return material


def pack(right: NDArray[np.bool_]) -> str:
    """Pack bool (n,) into text, its length first."""
    return f"{len(right)}:{base64.b64encode(np.packbits(right).tobytes()).decode()}"


def unpack(text: str) -> NDArray[np.bool_]:
    """Unpack what `pack` has packed into bool (n,)."""
    n, packed = text.split(":")
    bits = np.frombuffer(base64.b64decode(packed), np.uint8)
    return np.unpackbits(bits, count=int(n)).astype(np.bool_)


def _unseen_test(material: Dataset) -> Digits | None:
    if material.keras_test is None:
        return None
    seen = seen_in_training(material.keras_test, material.train)
    return material.keras_test.take(np.flatnonzero(~seen))
