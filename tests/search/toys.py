"""Objectives that train nothing, and a command of its own that runs them."""

import errno
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import Trial

from kit.cli.progress import search_bar
from kit.errors import TrainingError
from kit.search.storage import open_storage
from kit.search.workers import Job, Objective, run_workers


@dataclass(frozen=True)
class Square:
    """Makes -x², in five steps; each worker leaves a file named by its process in `folder`."""

    folder: Path
    seconds: float = 0.05

    def __call__(self) -> Objective:
        (self.folder / str(os.getpid())).touch()
        return self.compute

    def compute(self, trial: Trial) -> float:
        x = trial.suggest_float("x", -10, 10)
        for step in range(5):
            time.sleep(self.seconds / 5)
            trial.report(-(x**2), step)
        return -(x**2)


@dataclass(frozen=True)
class Faulty:
    """Fails in the way that its kind says: each trial, or each other one."""

    kind: str
    each_other: bool = False

    def __call__(self) -> Objective:
        return self.compute

    def compute(self, trial: Trial) -> float:
        if self.each_other and trial.number % 2:
            return 1.0
        if self.kind == "memory":
            raise MemoryError("OOM when allocating tensor of shape [1200,\n 784]")
        if self.kind == "disk":
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/kit-1")
        if self.kind == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        raise TrainingError("the loss is nan", "Try a smaller rate.")


def begin(
    address: str, objective: Square | Faulty, trials: int, workers: int, **more: float
) -> Job:
    """Create the study `toy`, and say what to do."""
    optuna.create_study(
        study_name="toy", storage=open_storage(address), direction="maximize", load_if_exists=True
    )
    given = {"grace_seconds": 3, **more}
    return Job(address, "toy", objective, trials, 5, workers, **given)  # type: ignore[arg-type]


def workers_of(folder: Path) -> list[int]:
    """The processes that have left their file in a folder, oldest first."""
    files = [file for file in folder.iterdir() if file.name.isdigit()]
    return [int(file.name) for file in sorted(files, key=lambda file: file.stat().st_mtime)]


if __name__ == "__main__":
    job = begin(sys.argv[1], Square(Path(sys.argv[2]), 0.5), 1_000, workers=2)
    with search_bar("Trials", "toys.py") as tell:
        run_workers(job, lambda trials: tell(0, 1))
