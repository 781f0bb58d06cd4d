"""The root of the commands, and what several of them need."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import CommandFunctionType

from kit import __version__
from kit.cli.options import SUBMISSIONS

app = typer.Typer(
    name="kit",
    help="From handwritten digits to a scored entry in Kaggle's Digit Recognizer.",
    epilog="Start with: kit rehearse --seed 1",
    # Help by rich would double the time that a command needs to start
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def command(*examples: str) -> Callable[[CommandFunctionType], CommandFunctionType]:
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


def given_settings(options: dict[str, Any]) -> dict[str, Any]:
    """Those of a command's options that are settings and were given."""
    from kit.config import TrainConfig

    names = [name for name in TrainConfig.model_fields if options.get(name) not in (None, [])]
    return {name: options[name] for name in names}


def resume_command(submissions: Path) -> str:
    """The command that completes an interrupted run, without the run's name."""
    return shlex.join(["kit", "train", *given_submissions(submissions), "--resume"])


def given_submissions(submissions: Path) -> list[str]:
    """The option that names the folder of the runs, where a command needs it."""
    return [] if submissions == SUBMISSIONS else ["--submissions", str(submissions)]
