"""Every bar: trainings, searches, transfers, and waiting for Kaggle. All of it is on stderr."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

from kit.cli.output import note
from kit.training.callback import Callback

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from kit.training.callback import Epoch


class CtrlC:
    """Hears Ctrl-C even where a library swallows the exception that it raises.

    JAX has the garbage collector call it, and Python ignores what is raised in there.
    """

    def __init__(self) -> None:
        self._was_heard = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Remember Ctrl-C until the end; where it is ignored, it stays ignored."""
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def raise_again(self) -> None:
        """Raise what was swallowed.

        Raises:
            KeyboardInterrupt: there was a Ctrl-C.
        """
        if self._was_heard:
            raise KeyboardInterrupt

    def _hear(self, _number: int, _frame: object) -> None:
        self._was_heard = True
        raise KeyboardInterrupt


class TrainingBar(Callback):
    """Shows a training's progress on stderr: a bar for a person, a line for each epoch in a log."""

    def __init__(self, bar: "Progress | None", resume: str, ctrl_c: CtrlC) -> None:
        self._bar = bar
        self._ctrl_c = ctrl_c
        self._resume = resume
        self._task: TaskID | None = None
        self.run: str | None = None
        self._epochs = 0
        self._members = 0
        self._member = ""

    def on_stage(self, name: str) -> None:
        """Say that work without a measured length begins."""
        self._ctrl_c.raise_again()
        shown = f"{self._member}{name}"
        if self._bar is None:
            note(f"{shown} …")
        elif self._task is None:
            self._task = self._bar.add_task(shown, total=None, figures="")
        else:
            self._bar.update(self._task, description=shown, figures="")

    def on_committee_begin(self, run: str, members: int) -> None:
        """Say the committee's name, by which it can be resumed."""
        self.run, self._members = run, members
        note(f"Committee {run} of {members}; if it is interrupted: {self._resume} {run}")

    def on_member_begin(self, number: int) -> None:
        """Say which member is trained."""
        self._member = f"Member {number}/{self._members}: "

    def on_run_begin(self, run: str, epochs: int) -> None:
        """Say the run's name, by which it can be resumed."""
        self._epochs = epochs
        if self._members:
            note(f"{self._member}run {run}")
        else:
            self.run = run
            note(f"Run {run}; if it is interrupted: {self._resume} {run}")
        self.on_stage("Loading Keras")
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, total=epochs)

    def on_batches_end(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        """Move the bar within an epoch."""
        self._ctrl_c.raise_again()
        self._move(epoch, epoch - 1 + share, _figures(logs))

    def on_epoch_end(self, epoch: "Epoch", state: object) -> None:  # noqa: ARG002
        """Move the bar, or print a line."""
        self._ctrl_c.raise_again()
        logs = {"loss": epoch.loss, "accuracy": epoch.accuracy}
        if epoch.val_accuracy is not None:
            logs["val_accuracy"] = epoch.val_accuracy
        self._move(epoch.epoch, epoch.epoch, _figures(logs))
        if self._bar is None:
            note(f"{self._member}Epoch {epoch.epoch}/{self._epochs}: {_figures(logs)}")

    def _move(self, epoch: int, completed: float, figures: str) -> None:
        if self._bar is not None and self._task is not None:
            description = f"{self._member}Epoch {epoch}/{self._epochs}"
            self._bar.update(
                self._task, description=description, completed=completed, figures=figures
            )


def _figures(logs: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in logs.items())


@contextmanager
def training_bar(resume: str) -> Iterator[TrainingBar]:
    """Show a training's progress on stderr; an interruption prints the line that resumes it."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeftColumn

        bar: Progress | None = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeftColumn(),
            console=Console(stderr=True),
            transient=True,
        )
    else:
        bar = None
    ctrl_c = CtrlC()
    shown = TrainingBar(bar, resume, ctrl_c)
    try:
        with ctrl_c.heard(), bar or nullcontext():
            yield shown
    except (KeyboardInterrupt, OSError):
        # A full disk loses no work either
        if shown.run is not None:
            note(f"Interrupted. Go on with: {resume} {shown.run}")
        raise


class Clock:
    """Estimates the time left from the trials that were finished since it was made.

    Rich's own column forgets what is older than half a minute, and a trial takes longer.
    """

    def __init__(self, until: float | None) -> None:
        self._began, self._until = time.time(), until
        self._first = 0
        self._last: int | None = None

    def left(self, done: int, total: int) -> str:
        """Word the time left, as `0:12:30 left`, or nothing before the first trial is done."""
        if self._last is None:
            self._first = done
        elif done < self._last:
            # Another lot of trials
            self._began, self._first = time.time(), done
        self._last = done
        if done == self._first or done >= total:
            return ""
        now = time.time()
        seconds = (now - self._began) / (done - self._first) * (total - done)
        if self._until is not None:
            seconds = min(seconds, max(self._until - now, 0.0))
        return f"{timedelta(seconds=round(seconds))} left"


@contextmanager
def search_bar(what: str, until: float | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Show on stderr how many trials are done: a bar for a person, a line each for a log.

    Args:
        what: what is counted, in the plural.
        until: when no further one begins, in seconds since 1970; None for never.
    """
    clock = Clock(until)
    # So that SIGTERM, too, ends the workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeElapsedColumn as TimeGoneColumn

            with Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"), TimeGoneColumn(),
                TextColumn("{task.fields[left]}"),
                console=Console(stderr=True), transient=True,
            ) as bar:  # fmt: skip
                task = bar.add_task(what, total=None, figures="", left="")
                yield lambda done, total, figures: bar.update(
                    task, completed=done, total=total, figures=figures,
                    left=clock.left(done, total),
                )  # fmt: skip
        else:
            told = -1

            def tell(done: int, total: int, figures: str) -> None:
                nonlocal told
                if done != told:
                    told = done
                    words = [f"{what}: {done} of {total}", figures, clock.left(done, total)]
                    note("  ".join(word for word in words if word))

            yield tell
    except (KeyboardInterrupt, SystemExit) as ended:
        word = "Interrupted" if isinstance(ended, KeyboardInterrupt) else "Ended"
        note(f"{word}; what was finished is kept. The same command goes on.")
        raise


def note_retry(what: str, seconds: float) -> None:
    """Say that a call failed and will be tried again."""
    note(f"{what} Trying again in {seconds:.0f} s …" if seconds >= 1 else f"{what} Trying again …")


@contextmanager
def transfer_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a transfer's progress on stderr: a bar for a person, two lines for a log."""
    if not sys.stderr.isatty():
        note(f"{name} …")
        yield lambda _done, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn
    from rich.progress import TransferSpeedColumn as SpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeLeftColumn(), console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size or None)


@contextmanager
def judging_clock(ref: int | None) -> Iterator[None]:
    """Show on stderr that a submission is waited for: how long already, for a person."""
    told = f"Waiting for Kaggle to judge submission {ref} …"
    if not sys.stderr.isatty():
        note(told)
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as clock:
        clock.add_task(told, total=None)
        yield
