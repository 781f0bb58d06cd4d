"""The commands: parse, call, print; nothing else."""

import sys


def main() -> None:
    """Run the command line, and end with the exit code that fits what happened."""
    # Only now, so that importing the package stays free of cost
    try:
        from kit.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
