"""The local Kaggle of kit rehearse --serve."""

import shlex
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from kit.cli.output import note, print_json, print_lines
from kit.errors import UsageError

if TYPE_CHECKING:
    from kit.data.rehearsal import Rehearsal

_STATE = "local-kaggle.json"


def serve_rehearsal(rehearsal: "Rehearsal", port: int, *, json: bool) -> None:
    """Serve a rehearsal as Kaggle serves the competition, until Ctrl-C.

    Raises:
        UsageError: the port is taken.
    """
    from kit.local_kaggle import LocalKaggle

    state = rehearsal.folder / _STATE
    try:
        local = LocalKaggle(rehearsal.folder, rehearsal.solution, port=port, state=state)
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be used ({error.strerror}).", "Leave out --port to get a free one."
        ) from error
    with local:
        environment = local.environment()
        copy = rehearsal.folder / "download"
        if json:
            print_json({"rehearsal": rehearsal.folder, "environment": environment})
        else:
            print_lines(_instructions(environment, copy))
            note(f"Serving {rehearsal.folder} as Kaggle; its submissions stay in {state}.")
            note("Ctrl-C ends it.")
        # The reader of a pipe waits for the environment
        sys.stdout.flush()
        threading.Event().wait()


def _instructions(environment: dict[str, str], copy: Path) -> list[str]:
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return [
        "# In another terminal:",
        f"export {settings}",
        f"kit download --data {copy}",
        f"kit train --source kaggle --data {copy}",
        "kit submit",
        "kit history",
    ]
