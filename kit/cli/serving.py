"""kit serve."""

import os
import shlex
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import command
from kit.cli.options import Json
from kit.cli.output import note, print_json, print_lines
from kit.errors import DataError, UsageError


@command("kit serve", "kit serve --seed 7 --port 8000", "kit serve --json")
def serve(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rehearsal's deal.")] = 0,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to serve at; 0 takes a free one.")
    ] = 0,
    data: Annotated[
        Path, typer.Option(help="The folder for rehearsal-SEED/.", file_okay=False)
    ] = Path("data"),
    json: Json = False,
) -> None:
    """Serve a rehearsal as Kaggle serves the competition, until Ctrl-C.

    It prints the environment variables with which kit download, kit submit and Kaggle's own client
    talk to this local Kaggle. It scores submissions and keeps them from one start to the next. Only
    programs on this machine can reach it.
    """
    from requests.utils import should_bypass_proxies

    from kit.data.mnist import load_keras
    from kit.data.rehearsal import make_rehearsal
    from kit.local_kaggle import LocalKaggle

    rehearsal = make_rehearsal(load_keras(), seed, data)
    state = rehearsal / "local-kaggle.json"
    try:
        local = LocalKaggle(rehearsal, rehearsal / "solution.csv", port=port, state=state)
    except OSError as error:
        if error.filename is not None:
            raise
        reason = os.strerror(error.errno or 0)
        raise UsageError(
            f"Port {port} cannot be used ({reason}).", "Leave out --port to get a free one."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{state} or {rehearsal / 'solution.csv'} is damaged.",
            "Remove the first to start without submissions. Remove the folder to make it anew.",
        ) from error
    with local:
        environment = local.environment()
        if should_bypass_proxies("http://localhost", None):
            note(
                "NO_PROXY covers localhost here. A terminal that sets it again does not reach this "
                "server. Run there: export NO_PROXY= no_proxy="
            )
        if json:
            print_json({"rehearsal": rehearsal, "environment": environment})
        else:
            exported = " ".join(f"{name}={shlex.quote(v)}" for name, v in environment.items())
            files = f"--data {rehearsal / 'download'}"
            print_lines(["# In another terminal:", f"export {exported}", f"kit download {files}"])
            print_lines([f"kit train --source kaggle {files}", "kit submit", "kit history"])
            note(f"Serving {rehearsal} as Kaggle; its submissions stay in {state}.")
            note("Ctrl-C ends it.")
        # The reader of a pipe waits for the environment
        sys.stdout.flush()
        threading.Event().wait()
