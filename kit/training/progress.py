"""How far a training has come, and how that is kept on disk."""

import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.mnist import BROKEN_NPZ
from kit.errors import DataError
from kit.files import whole_file


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows gave.

    Attributes:
        epoch: 1 for the first.
        loss: mean cross-entropy while training, in nats.
        accuracy: share of right answers while training, in [0, 1].
        val_loss: the same on the validation rows after the epoch, or None without them.
        val_accuracy: likewise.
        learning_rate: what it has come to after the epoch's last step.
        seconds: of training and validation.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float


@dataclass
class Progress:
    """What a training has come to, and can go on from.

    Attributes:
        history: the epochs so far.
        variables: the network's and the optimizer's, after the last of them.
        best: the network's variables after the best epoch, where patience asks for it.
    """

    history: list[Epoch] = field(default_factory=list)
    variables: list[NDArray[Any]] = field(default_factory=list)
    best: list[NDArray[Any]] = field(default_factory=list)


def save_progress(path: Path, progress: Progress) -> None:
    """Write a training's progress, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    arrays: dict[str, Any] = {f"variable_{i}": value for i, value in enumerate(progress.variables)}
    arrays |= {f"best_{i}": value for i, value in enumerate(progress.best)}
    arrays["history"] = np.array(json.dumps([asdict(epoch) for epoch in progress.history]))
    with whole_file(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_progress(path: Path) -> Progress | None:
    """Read a training's progress, or None if it never came to be saved.

    Raises:
        DataError: the file is broken.
    """
    try:
        content = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        return None
    try:
        with np.load(content, allow_pickle=False) as file:
            return Progress(
                history=[Epoch(**row) for row in json.loads(str(file["history"]))],
                variables=_numbered(file, "variable_"),
                best=_numbered(file, "best_"),
            )
    except (*BROKEN_NPZ, KeyError) as error:
        raise DataError(
            f"{path}: not a training's progress ({error}).",
            "Remove it, and --resume trains from the first epoch.",
        ) from error


def _numbered(file: Any, prefix: str) -> list[NDArray[Any]]:
    count = sum(name.startswith(prefix) for name in file.files)
    return [file[f"{prefix}{i}"] for i in range(count)]
