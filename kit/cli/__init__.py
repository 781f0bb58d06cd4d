"""The commands: parse, call, print; nothing else."""

import os
import sys


def main() -> None:
    """Run the command line, and end with the exit code that fits what happened."""
    try:
        # Only now, so that Ctrl-C while they are loaded leaves no traceback
        from kit.cli.output import open_streams
        from kit.errors import TrainingError

        open_streams()
        from kit.cli.main import run

        code = run(sys.argv[1:])
        try:
            sys.stderr.flush()
            sys.stdout.flush()
        except OSError:
            # A full disk, or the reader of a pipe has gone. Python would try once more when it
            # ends, complain, and change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == TrainingError.exit_code:
            # TensorFlow may crash as it is taken down after its memory ran out
            os._exit(code)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
