"""What a training tells about itself: epochs, the state that it can resume from, and a callback."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """The figures of one pass over the training rows.

    Attributes:
        epoch: 1 for the first.
        loss: mean cross-entropy while training, in nats.
        accuracy: share of right answers while training, in [0, 1].
        val_loss: the loss on the validation rows after the epoch, or None without such rows.
        val_accuracy: the accuracy on the validation rows, or None without such rows.
        learning_rate: the rate after the epoch's last step.
        seconds: the time that training and validation took.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float


@dataclass
class FitState:
    """Everything that a training needs to resume after an epoch.

    Attributes:
        history: the epochs so far.
        variables: NumPy arrays, the network's and the optimizer's, after the last epoch.
        best: NumPy arrays, the network's after the best epoch; empty without `patience`.
    """

    history: list[Epoch] = field(default_factory=list)
    variables: list[Any] = field(default_factory=list)
    best: list[Any] = field(default_factory=list)


class Callback:
    """Told about a training's progress. Override what you need; each method here does nothing.

    An exception that a method raises ends the training.
    """

    def on_stage(self, name: str) -> None:
        """Work without a measured length begins, such as reading the digits."""

    def on_committee_begin(self, run: str, members: int) -> None:
        """A committee begins. `run` is the name to resume it by."""

    def on_member_begin(self, number: int) -> None:
        """The next member of a committee begins; 1 is the first."""

    def on_run_begin(self, run: str, epochs: int) -> None:
        """A run begins to train for `epochs` epochs. `run` is the name to resume it by."""

    def on_batches_end(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        """A part of an epoch is done: `share`, in (0, 1), of it in all. `logs` has the figures."""

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:
        """An epoch is done. `state()` copies the state to resume from, which takes a moment."""
