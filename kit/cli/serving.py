"""The local Kaggle of kit rehearse --serve."""

import shlex
import sys
import threading
from typing import TYPE_CHECKING

from kit.cli.output import note, print_json, print_lines
from kit.errors import UsageError

if TYPE_CHECKING:
    from kit.data.rehearsal import Rehearsal


def serve_rehearsal(rehearsal: "Rehearsal", port: int, *, json: bool) -> None:
    """Serve a rehearsal as Kaggle serves the competition, until Ctrl-C.

    Raises:
        UsageError: the port is taken.
    """
    from kit.local_kaggle import LocalKaggle

    state = rehearsal.folder / "local-kaggle.json"
    try:
        local = LocalKaggle(rehearsal.folder, rehearsal.solution, port=port, state=state)
    except OSError as error:
        raise UsageError(
            f"Port {port} cannot be used ({error.strerror}).", "Leave out --port to get a free one."
        ) from error
    with local:
        environment = local.environment()
        if json:
            print_json({"rehearsal": rehearsal.folder, "environment": environment})
        else:
            exported = " ".join(f"{name}={shlex.quote(v)}" for name, v in environment.items())
            data = f"--data {rehearsal.folder / 'download'}"
            print_lines(["# In another terminal:", f"export {exported}", f"kit download {data}"])
            print_lines([f"kit train --source kaggle {data}", "kit submit", "kit history"])
            note(f"Serving {rehearsal.folder} as Kaggle; its submissions stay in {state}.")
            note("Ctrl-C ends it.")
        # The reader of a pipe waits for the environment
        sys.stdout.flush()
        threading.Event().wait()
