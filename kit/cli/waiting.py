"""What a person sees while Kaggle is waited for: transfers, tries, the judging."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kit.cli.console import note


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
        yield lambda done, size: bar.update(task, completed=done, total=size)


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
