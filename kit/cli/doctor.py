"""kit doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import app
from kit.cli.console import note, print_json, print_lines
from kit.cli.options import Json

_SIGNS = {True: "ok", False: "!!", None: "--"}


@app.command(
    epilog="""\b
Examples:
  kit doctor
  kit doctor --json"""
)
def doctor(
    data: Annotated[
        Path, typer.Option(help="Where the competition's files should be.", file_okay=False)
    ] = Path("data/kaggle"),
    json: Json = False,
) -> None:
    """Look for whatever would stop a submission.

    Beside each thing that is wrong stands its remedy. Ends with the exit code that a command would
    end with because of it, 0 if all is well.
    """
    from kit.kaggle.doctor import diagnose

    checks = diagnose(data)
    code = next((check.exit_code for check in checks if check.exit_code), 0)
    if json:
        print_json({"ok": code == 0, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print_lines([f"{_SIGNS[check.ok]}  {check.name}: {check.found}"])
            if check.remedy is not None:
                print_lines([f"      {check.remedy}"])
        if code == 0:
            note("Nothing is in the way of a submission.")
    if code:
        raise typer.Exit(code)
