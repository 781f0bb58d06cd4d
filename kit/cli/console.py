"""What a person sees: tables on stdout, progress and notes on stderr."""

import json
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.training.callback import Callback

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from kit.training.callback import Epoch


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    sys.stdout.write(json.dumps(content, default=_plain, allow_nan=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} has no place in JSON")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, as they are."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def note(line: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(f"{line}\n")


def print_table(title: str, columns: list[str], rows: Iterable[list[str]]) -> None:
    """Print a table on stdout: ruled for a person, tab-separated for a pipe."""
    if not sys.stdout.isatty():
        print_lines(["\t".join(columns), *("\t".join(row) for row in rows)])
        return
    from rich import box
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        justify: JustifyMethod = "left" if number == 0 else "right"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        # as it is: [brackets] are no markup
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def with_interval(accuracy: float | None, n: int, interval: tuple[float, float]) -> str:
    """Word an accuracy in [0, 1] with its 95% interval and the number of images behind it."""
    if accuracy is None:
        return f"unknown ({n} images)"
    low, high = interval
    return f"{accuracy:.2%} (95% interval {low:.2%} to {high:.2%}, {n:,} images)"


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
    """Show a training's progress on stderr; what interrupts it leaves the line that goes on."""
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
