"""What a person sees while trials are tried, and the options of the commands that try them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def search_bar(what: str, command: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show on stderr how many trials are done: a bar for a person, a line each for a log.

    Args:
        what: what is counted, in the plural.
        command: what goes on after Ctrl-C.
    """
    try:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeElapsedColumn as TimeGoneColumn
            from rich.progress import TimeRemainingColumn as TimeLeftColumn

            with Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"), TimeGoneColumn(), TextColumn("left"),
                TimeLeftColumn(elapsed_when_finished=True),
                console=Console(stderr=True), transient=True,
            ) as bar:  # fmt: skip
                task = bar.add_task(what, total=None, figures="")
                yield lambda done, total, figures: bar.update(
                    task, completed=done, total=total, figures=figures
                )
        else:
            told = -1

            def tell(done: int, total: int, figures: str) -> None:
                nonlocal told
                if done != told:
                    told = done
                    note(f"{what}: {done} of {total} {figures}".rstrip())

            yield tell
    except KeyboardInterrupt:
        note(f"Interrupted; what was finished is kept. Go on with: {command}")
        raise
