"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Submissions = Annotated[
    Path, typer.Option(envvar="KIT_SUBMISSIONS", help="The folder of the runs.", file_okay=False)
]


def _complete_run(context: typer.Context, typed: str) -> list[str]:
    from kit.runs import list_runs

    submissions = context.params.get("submissions") or SUBMISSIONS
    return [run.name for run in list_runs(submissions) if run.name.startswith(typed)]


RunName = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's name or folder. [default: the newest]",
        autocompletion=_complete_run,
    ),
]
SUBMISSIONS = Path("submissions")
