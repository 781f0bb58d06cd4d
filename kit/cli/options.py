"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

SUBMISSIONS = Path("submissions")


def complete_run_name(context: typer.Context, typed: str) -> list[str]:
    """List the runs whose names begin with what was typed."""
    from kit.runs import list_runs

    submissions = context.params.get("submissions") or SUBMISSIONS
    return [run.name for run in list_runs(submissions) if run.name.startswith(typed)]


Submissions = Annotated[
    Path, typer.Option(envvar="KIT_SUBMISSIONS", help="The folder of the runs.", file_okay=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RunName = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's name or folder. [default: the newest]",
        autocompletion=complete_run_name,
    ),
]
Source = Annotated[
    Literal["keras", "kaggle"] | None,
    typer.Option(help="Where the digits come from. [default: keras]"),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="MNIST's .npz, or Kaggle's folder or .zip. [default: data/mnist.npz, or data/kaggle]"
    ),
]
MovedData = Annotated[
    Path | None, typer.Option(help="Where the digits are now. [default: where they were]")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training rows.")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="baseline (the lab's), quick, tuned, best-mlp, cnn, best, committee. [default: tuned]",
        metavar="NAME",
    ),
]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="The port to serve at; 0 takes a free one.")
]
Rehearsals = Annotated[Path, typer.Option(help="The folder for rehearsal-SEED/.", file_okay=False)]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="KIT_STORAGE",
        metavar="URL",
        help="The studies' database: sqlite:///FILE or postgresql://… "
        "[default: studies.db in the runs' folder]",
    ),
]
