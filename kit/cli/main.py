"""One command line, run: its command, and how its failure reaches the person."""

import logging
import os
import sys
import traceback

import typer

from kit.cli.app import app
from kit.cli.output import note
from kit.errors import KitError, one_line

# Commands stand in the help in the order in which they are imported
# isort: off
from kit.cli import training, evaluation, report, handwriting, kaggle, search  # noqa: F401
# isort: on


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    # Wherever it stands, so that a failed line can be repeated with it at the end
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    # Warnings go to stderr, as Python writes them where nobody has configured logging
    logging.getLogger("kit").handlers = [logging.lastResort or logging.StreamHandler()]
    try:
        given = arguments or ["--help"]
        code = app(given, prog_name="kit", standalone_mode=False, obj=["kit", *given])
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (SystemExit, BrokenPipeError) as ended:
        # typer, too, exits when the reader of a pipe has gone
        if isinstance(ended, SystemExit) and not isinstance(ended.__context__, BrokenPipeError):
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return 141
    except typer.Abort:
        # Ctrl-C, in answer to a question
        return 130
    except KitError as error:
        return _fail(error, error.what, error.remedy, error.exit_code, debug)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        what = f"{place}{error.strerror or error}."
        return _fail(error, what, "Check the disk's space and the folder's permissions.", 3, debug)
    except Exception as error:  # noqa: BLE001 - whatever else comes up is a bug, and is said so
        # A wrong command line. The class of these errors has a public name only in some versions
        # of typer, but all of them have this method.
        if hasattr(error, "format_message"):
            context = getattr(error, "ctx", None)
            command = context.command_path if context is not None else "kit"
            what = error.format_message().replace("Value error, ", "")
            return _fail(error, what, f"See: {command} --help", 2, debug)
        what = f"A bug in the kit: {type(error).__name__}: {error}"
        remedy = "Repeat the command with --debug and report what it shows."
        return _fail(error, what, remedy, 1, debug)


def _fail(error: BaseException, what: str, remedy: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
        if isinstance(error, KitError):
            # That ended with both lines
            return exit_code
    in_colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    bold, plain = ("\033[1;31m", "\033[0m") if in_colour else ("", "")
    note(f"{bold}{one_line(what)}{plain}\n{remedy}")
    return exit_code
