"""One training of a search: no run is written, and only the figures stay."""

import base64
import tempfile
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import Digits
from kit.data.overlap import seen_in_training
from kit.errors import DataError
from kit.training.backend import load_backend
from kit.training.material import Material, load_material
from kit.training.normalization import normalise_digits
from kit.training.progress import Epoch
from kit.training.split import split_rows

# A trial that dies begins anew, on whatever machine
NEVER = float("inf")


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
    material: Material,
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
    import keras

    from kit.training.fit import fit
    from kit.training.networks import build_network, with_probabilities
    from kit.training.prediction import predict

    # What earlier trainings of this process compiled would stay in memory
    keras.utils.clear_session()
    rows = split_rows(labels, config)
    network = build_network(config)
    model = with_probabilities(network)
    train = normalise_digits(material.train, config.normalization)
    test = _unseen_test(material) if read_at else None
    if test is not None:
        test = normalise_digits(test, config.normalization)
    accuracies: dict[int, float] = {}
    correct: dict[int, NDArray[np.bool_]] = {}

    def report(epoch: int, share: float, figures: dict[str, float]) -> None:
        if share < 1:
            return
        accuracies[epoch] = figures["val_accuracy"]
        if test is not None and epoch in read_at:
            correct[epoch] = predict(model, test).argmax(axis=1) == test.labels
        after_epoch(epoch, figures["val_accuracy"])

    with tempfile.TemporaryDirectory(prefix="kit-") as folder:
        state = Path(folder) / "state.npz"
        history = fit(network, train, rows, config, state, report, state_seconds=NEVER)
    return Trained(
        parameters=int(sum(np.prod(weight.shape) for weight in network.trainable_weights)),
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


def load_same(config: TrainConfig, fingerprint: str) -> Material:
    """Load the digits that a configuration names, if they are those of a study.

    Raises:
        DataError: the files are missing or wrong, or have another fingerprint.
    """
    material = load_material(config)
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


def _unseen_test(material: Material) -> Digits | None:
    if material.keras_test is None:
        return None
    seen = seen_in_training(material.keras_test, material.train)
    return material.keras_test.take(np.flatnonzero(~seen))
