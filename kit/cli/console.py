"""What a person sees: tables on stdout, progress and notes on stderr."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


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


class TrainingBar:
    """A training's progress on stderr: a bar for a person, a line an epoch for a log."""

    def __init__(self, bar: "Progress | None", resume: str) -> None:
        self._bar = bar
        self._resume = resume
        self._task: TaskID | None = None
        self.run: str | None = None
        self._epochs = 0
        self._members = 0
        self._member = ""

    def stage(self, name: str) -> None:
        """Say that something without a measured length begins."""
        shown = f"{self._member}{name}"
        if self._bar is None:
            note(f"{shown} …")
        elif self._task is None:
            self._task = self._bar.add_task(shown, total=None, figures="")
        else:
            self._bar.update(self._task, description=shown, figures="")

    def begin_committee(self, run: str, members: int) -> None:
        """Say the committee's name, by which it can be resumed."""
        self.run, self._members = run, members
        note(f"Committee {run} of {members}; if it is interrupted: {self._resume} {run}")

    def begin_member(self, number: int) -> None:
        """Say which member is trained."""
        self._member = f"Member {number}/{self._members}: "

    def begin(self, run: str, epochs: int) -> None:
        """Say the run's name, by which it can be resumed."""
        self._epochs = epochs
        if self._members:
            note(f"{self._member}run {run}")
        else:
            self.run = run
            note(f"Run {run}; if it is interrupted: {self._resume} {run}")
        self.stage("Loading Keras")
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, total=epochs)

    def progress(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        """Say how far an epoch is, with its figures."""
        figures = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=f"{self._member}Epoch {epoch}/{self._epochs}",
                completed=epoch - 1 + share,
                figures=figures,
            )
        elif share == 1:
            note(f"{self._member}Epoch {epoch}/{self._epochs}: {figures}")


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
    shown = TrainingBar(bar, resume)
    try:
        if bar is None:
            yield shown
        else:
            with bar:
                yield shown
    except (KeyboardInterrupt, OSError):
        # A full disk loses no work either
        if shown.run is not None:
            note(f"Interrupted. Go on with: {resume} {shown.run}")
        raise
