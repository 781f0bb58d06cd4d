"""One trial of a study: a training that writes no run."""

from collections.abc import Callable

from kit.config import TrainConfig
from kit.errors import DataError
from kit.training.backend import load_backend
from kit.training.callback import Callback, Epoch
from kit.training.dataset import Dataset, load_dataset
from kit.training.split import split_digits

# The attribute of a trial that holds its settings
SETTINGS = "settings"


def train_network(
    config: TrainConfig, dataset: Dataset, after_epoch: Callable[[int, float], None]
) -> tuple[list[Epoch], int]:
    """Train what `config` says; return its epochs and how many weights it learned.

    Args:
        config: how to train, with rows held out.
        dataset: the digits.
        after_epoch: told each epoch and its validation accuracy, in [0, 1]; what it raises ends
            the training.

    Raises:
        TrainingError: the training has diverged.
    """
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    class _AfterEpoch(Callback):
        def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002
            after_epoch(epoch.epoch, epoch.val_accuracy or 0.0)

    predictor = Predictor.build(config)
    rows = split_digits(dataset.train, config)
    history = fit(predictor, dataset.train, rows, config, _AfterEpoch())
    return history, predictor.n_parameters


def load_same(config: TrainConfig, fingerprint: str) -> Dataset:
    """Load the digits that a configuration names, if they are those of a study.

    Raises:
        DataError: the files are missing or wrong, or have another fingerprint.
    """
    dataset = load_dataset(config)
    if dataset.train.fingerprint != fingerprint:
        raise DataError(
            f"{dataset.train.origin}: not the digits that the study is of.",
            "Use the same files for all of a study, on each machine.",
        )
    return dataset
