"""kit draw: a person's own handwriting."""

import sys
import threading
from typing import Annotated

import typer

from kit.cli.app import command
from kit.cli.options import SUBMISSIONS, Json, Port, RunName, Submissions
from kit.cli.output import note, print_json, print_lines


@command("kit draw", "kit draw 20260131-120000-tuned --open", "kit draw --port 8000 --json")
def draw(
    run: RunName = None,
    port: Port = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Serve a page to draw a digit in, which shows what a run reads, until Ctrl-C.

    It prints the address of the page. Only browsers on this machine can reach it.
    """
    import webbrowser

    from kit.drawing import make_app
    from kit.loopback import LoopbackServer
    from kit.runs import find_run
    from kit.training.backend import load_backend

    found = find_run(submissions, run)
    load_backend()
    from kit.training.predictor import Predictor

    app = make_app(found.name, Predictor.load(found).predict)
    with LoopbackServer(app, port) as server:
        if json:
            print_json({"run": found.name, "address": server.address})
        else:
            print_lines([server.address])
            note(f"Draw a digit there, and {found.name} reads it. Ctrl-C ends it.")
        # The reader of a pipe waits for the address
        sys.stdout.flush()
        if open_page:
            webbrowser.open(server.address)
        threading.Event().wait()
