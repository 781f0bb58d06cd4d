"""The root of the commands."""

from typing import Annotated

import typer

from kit import __version__

app = typer.Typer(
    name="kit",
    help="From handwritten digits to a scored entry in Kaggle's Digit Recognizer.",
    epilog="Start with: kit rehearse --seed 1",
    # Help by rich would double the time that a command needs to start
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
