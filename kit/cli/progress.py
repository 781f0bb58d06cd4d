"""Every bar: trainings, searches, transfers, and waiting for Kaggle. All of it is on stderr.

A person sees a bar, also in a notebook, which is gone at the end. A log gets lines.
"""

import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from kit.cli.output import note
from kit.training.callback import Callback, Epoch

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

# Where a bar shows the figures of a training or a search
_FIGURES = "{task.fields[figures]}"


def _progress(*columns: "str | ProgressColumn") -> "Progress":
    """Rich's bar, disabled in a log."""
    ipython = sys.modules.get("IPython")
    # A terminal's IPython has no kernel
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        from kit.cli.notebook import NotebookBar

        return NotebookBar()
    from rich.console import Console
    from rich.progress import Progress

    in_log = not sys.stderr.isatty()
    # Rich before 14 ends a bar with an empty line, even if disabled, unless it is interactive
    console = Console(stderr=True, force_interactive=in_log or None)
    return Progress("{task.description}", *columns, console=console, transient=True, disable=in_log)


class _Interruption:
    """Ctrl-C or SIGTERM: raised when it comes, and raised again by `check`.

    JAX has Python's garbage collector call the handler, and Python ignores what is raised in there.

    Attributes:
        again: the command that goes on, once there is something to go on with.
        is_deferred: whether only `check` raises. While TensorFlow is loaded, an exception that
            reaches its C++ can abort the process.
    """

    again = ""
    is_deferred = False
    error: BaseException | None = None

    def handle(self, number: int, _frame: object) -> None:
        self.error = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(143)
        if not self.is_deferred:
            raise self.error

    def check(self) -> None:
        if self.error is not None:
            raise self.error


@contextmanager
def _interruptible() -> Iterator[_Interruption]:
    """Hear Ctrl-C and SIGTERM; an interruption prints the command that goes on."""
    interruption = _Interruption()
    # Where Ctrl-C is ignored, it stays ignored. Only the main thread hears signals
    usual = (signal.default_int_handler, signal.SIG_DFL)
    is_main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    heard = {s: signal.getsignal(s) for s in signals if signal.getsignal(s) in usual}
    for number in heard:
        signal.signal(number, interruption.handle)
    try:
        yield interruption
    except BaseException as error:  # noqa: BLE001 - TensorFlow makes others of interruptions
        ended = interruption.error or error
        # A full disk loses no work either
        if interruption.again and isinstance(ended, KeyboardInterrupt | SystemExit | OSError):
            note(f"Interrupted. Go on with: {interruption.again}")
        raise ended from error.__cause__
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


class TrainingBar(Callback):
    """Shows a training's progress: a bar for a person, a line for each epoch in a log."""

    def __init__(self, bar: "Progress", interruption: _Interruption, resume: str) -> None:
        self._bar, self._interruption, self._resume = bar, interruption, resume
        self._task = bar.add_task("Starting", total=None, figures="")
        self._epochs = self._members = 0
        self._member = ""

    def on_stage(self, name: str) -> None:
        """Say that work without a measured length begins."""
        self._show(f"{self._member}{name}")
        if self._bar.disable:
            note(f"{self._member}{name} …")

    def on_committee_begin(self, run: str, members: int) -> None:
        """Say the committee's name, by which it can be resumed."""
        self._members, self._interruption.again = members, f"{self._resume} {run}"
        note(f"Committee {run} of {members}; if it is interrupted: {self._interruption.again}")

    def on_member_begin(self, number: int) -> None:
        """Say which member is trained."""
        self._member = f"Member {number}/{self._members}: "

    def on_run_begin(self, run: str, epochs: int) -> None:
        """Say the run's name, by which it can be resumed."""
        self._epochs = epochs
        if self._members:
            note(f"{self._member}run {run}")
        else:
            self._interruption.again = f"{self._resume} {run}"
            note(f"Run {run}; if it is interrupted: {self._interruption.again}")
        self.on_stage("Loading Keras")
        self._bar.reset(self._task, total=epochs)
        self._interruption.is_deferred = True

    def on_batches_end(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        """Move the bar within an epoch."""
        figures = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        self._show(f"{self._member}Epoch {epoch}/{self._epochs}", figures, epoch - 1 + share)

    def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002
        """Move the bar, or print a line."""
        figures = {name: getattr(epoch, name) for name in ("loss", "accuracy", "val_accuracy")}
        logs = {name: value for name, value in figures.items() if value is not None}
        self.on_batches_end(epoch.epoch, 1.0, logs)
        if self._bar.disable:
            (shown,) = self._bar.tasks
            note(f"{shown.description}: {shown.fields['figures']}")

    def _show(self, description: str, figures: str = "", completed: float | None = None) -> None:
        self._interruption.is_deferred = False
        self._interruption.check()
        self._bar.update(self._task, description=description, figures=figures, completed=completed)


@contextmanager
def training_bar(resume: str) -> Iterator[TrainingBar]:
    """Show a training's progress; an interruption prints the line that resumes it."""
    from rich.progress import BarColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), _FIGURES, TimeElapsedColumn(), "left")
    with _interruptible() as interruption, _progress(*columns, TimeRemainingColumn()) as bar:
        yield TrainingBar(bar, interruption, resume)


@contextmanager
def search_bar(what: str, again: str) -> Iterator[Callable[..., None]]:
    """Show how many of `what` are done: a bar for a person, a line each for a log.

    It yields `tell(done, total, best=None)`; `best` is the best validation accuracy so far. `again`
    is the command that goes on after an interruption, which prints it.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), _FIGURES, TimeElapsedColumn(), "left")
    with _interruptible() as interruption, _progress(*columns, TimeRemainingColumn()) as bar:
        interruption.again = again
        # Rich's estimate is of the last half minute, and a trial takes longer
        bar.speed_estimate_period = math.inf
        task = bar.add_task(what, total=None, figures="")

        def tell(done: int, total: int, best: float | None = None) -> None:
            interruption.check()
            (shown,) = bar.tasks
            is_news = (done, total) != (shown.completed, shown.total)
            if shown.total is None or done < shown.completed:
                # Another lot begins now, of which some may have been done before
                bar.reset(task, total=total, completed=done)
                bar.advance(task, 0)
            figures = "" if best is None else f"best validation {best:.2%}"
            bar.update(task, completed=done, total=total, figures=figures)
            if bar.disable and is_news:
                seconds = shown.time_remaining
                left = f"{timedelta(seconds=seconds)} left" if seconds else ""
                note("  ".join(filter(None, [f"{what}: {done} of {total}", figures, left])))

        yield tell


def note_retry(what: str, seconds: float) -> None:
    """Say that a call failed and will be tried again."""
    note(f"{what} Trying again in {seconds:.0f} s …" if seconds >= 1 else f"{what} Trying again …")


@contextmanager
def transfer_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a transfer's progress: a bar for a person, a line for a log."""
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _progress(*columns) as bar:
        if bar.disable:
            note(f"{name} …")
        task = bar.add_task(name, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size or None)


@contextmanager
def judging_clock(ref: int | None) -> Iterator[None]:
    """Show that a submission is waited for: how long already, for a person."""
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    told = f"Waiting for Kaggle to judge submission {ref} …"
    with _progress(SpinnerColumn(), TimeElapsedColumn()) as bar:
        if bar.disable:
            note(told)
        bar.add_task(told, total=None)
        yield
