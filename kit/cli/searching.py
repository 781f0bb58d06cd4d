"""What a person sees while trials are tried, and the options of the commands that try them."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer

from kit.cli.console import note

Storage = Annotated[
    str | None,
    typer.Option(
        envvar="KIT_STORAGE",
        metavar="URL",
        help="The studies' database: sqlite:///FILE or postgresql://… "
        "[default: studies.db in the runs' folder]",
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes on this machine, which share its cores.")
]


class Clock:
    """Foretells how long trials will go on, from those that were done since it was made.

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
    except KeyboardInterrupt:
        note("Interrupted; what was finished is kept. The same command goes on.")
        raise
