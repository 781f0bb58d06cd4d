"""The root of the commands, and the options that several of them share."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from kit import __version__

_Function = TypeVar("_Function", bound=Callable[..., Any])

app = typer.Typer(
    name="kit",
    help="From handwritten digits to a scored entry in Kaggle's Digit Recognizer.",
    epilog="Start with: kit rehearse --seed 1",
    # Help by rich would double the time that a command needs to start
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def command(*examples: str) -> Callable[[_Function], _Function]:
    """Make a function a command of `kit`, whose help ends with examples."""
    # \b keeps each on a line of its own
    return app.command(epilog="\n  ".join(["\b\nExamples:", *examples]))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of a failure; works anywhere.")
    ] = False,
) -> None:
    """Read the options before the command."""


def complete_run_name(context: typer.Context, typed: str) -> list[str]:
    """List the runs whose names begin with what was typed."""
    from kit.runs import list_runs

    submissions = context.params.get("submissions") or SUBMISSIONS
    return [run.name for run in list_runs(submissions) if run.name.startswith(typed)]


def resume_command(submissions: Path) -> str:
    """The command that completes an interrupted run, without the run's name."""
    if submissions == SUBMISSIONS:
        return "kit train --resume"
    return f"kit train --submissions {shlex.quote(str(submissions))} --resume"


SUBMISSIONS = Path("submissions")
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
Preset = Annotated[
    str | None,
    typer.Option(
        help="baseline (the lab's), quick, tuned, best, cnn or committee. [default: tuned]",
        metavar="NAME",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="KIT_STORAGE",
        metavar="URL",
        help="The studies' database: sqlite:///FILE or postgresql://… "
        "[default: studies.db in the runs' folder]",
    ),
]
