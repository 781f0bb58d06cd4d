"""The commands: parse, call, print; nothing else."""

import os
import sys


def main() -> None:
    """Run the command line, and end with the exit code that fits what happened."""
    try:
        # Only now, so that Ctrl-C while they are loaded leaves no traceback
        from kit.cli.output import flush_streams, open_streams
        from kit.errors import TrainingError

        open_streams()
        from kit.cli.main import run

        code = run(sys.argv[1:])
        flush_streams()
        if code == TrainingError.exit_code:
            # TensorFlow may crash as it is taken down after its memory ran out
            os._exit(code)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
