"""The commands: parse, call, print; nothing else."""

import io
import os
import sys
from pathlib import Path

from kit.errors import TrainingError


def main() -> None:
    """Run the command line, and end with the exit code that fits what happened."""
    _open_streams()
    # Only now, so that importing the package stays free of cost
    try:
        from kit.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    try:
        sys.stdout.flush()
    except OSError:
        # A full disk. Python would try once more when it ends, and change the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code == TrainingError.exit_code:
        # TensorFlow may crash as it is taken down after its memory ran out
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _open_streams() -> None:
    """Replace streams that are closed, and have stdout escape what its encoding lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
