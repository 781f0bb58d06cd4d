"""kit predict, kit draw: what a run reads in your own pictures and drawings."""

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import command
from kit.cli.options import SUBMISSIONS, Json, Port, RunName, Submissions, complete_run_name
from kit.cli.output import note, print_facts, print_json, print_table
from kit.errors import DataError, one_line, visible

# More pictures than these are not drawn
DRAWN = 12


@command(
    "kit predict seven.jpg",
    "kit predict photos --save digits.npz",
    "kit predict digits.npz --run 20260131-120000-tuned --json",
)
def predict(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURE...",
            help="Photos or drawings of one digit each (PNG, JPEG, WebP), or folders of them; "
            "28×28 images in .npy or .npz are read as they are.",
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A run's name or folder. [default: the newest]",
            autocompletion=complete_run_name,
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Write the 28×28 images there.")
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Read the digits in your own pictures.

    The digit is cut out of each picture and becomes a 28×28 image like MNIST's: light on dark, of
    one size, centred. That image is what the network sees.
    """
    import numpy as np

    from kit.cli.pictures import draw_digits
    from kit.data.digits import SIDE, Digits
    from kit.data.photos import list_pictures, read_images
    from kit.files import write_arrays
    from kit.runs import find_run

    found = find_run(submissions, run)
    files, read, failures = list[str](), [], list[DataError]()
    for path in list_pictures(pictures):
        try:
            images = read_images(path)
        except DataError as error:
            failures.append(error)
        else:
            read.append(images)
            files += [f"{path}[{i}]" if len(images) > 1 else str(path) for i in range(len(images))]
    if read:
        from kit import Predictor

        pixels = np.concatenate(read)
        probabilities = Predictor.load(found).predict(Digits(pixels, None, "pictures"))
        if save is not None:
            write_arrays(save, {"images": pixels.reshape(-1, SIDE, SIDE)})
        told = [
            {"picture": file, "digit": row.index(max(row)), "sure": max(row), "probabilities": row}
            for file, row in zip(files, probabilities.tolist(), strict=True)
        ]
        if json:
            failed = [{"what": failure.what, "remedy": failure.remedy} for failure in failures]
            print_json({"run": found.name, "images": told, "failures": failed})
        else:
            rows = [[each["picture"], each["digit"], f"{each['sure']:.1%}"] for each in told]
            print_table(f"Read by {found.name}", ["picture", "digit", "sure"], rows)
            draw_digits(pixels[:DRAWN], [f"{digit}: {file}" for file, digit, _ in rows[:DRAWN]])
    # The others are read nevertheless
    for failure in failures[:-1]:
        note(f"{one_line(failure.what)}\n{failure.remedy}")
    if failures:
        raise failures[-1]


@command("kit draw", "kit draw 20260131-120000-tuned --open", "kit draw --port 8000 --json")
def draw(
    run: RunName = None,
    port: Port = 0,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Serve a page to draw a digit in, which shows what a run reads, until Ctrl-C.

    It prints the address of the page. Only browsers on this machine can reach it.
    """
    import webbrowser

    from kit.drawing.app import make_app
    from kit.loopback import LoopbackServer
    from kit.runs import find_run

    found = find_run(submissions, run)
    from kit import Predictor

    app = make_app(found.name, Predictor.load(found).predict)
    with LoopbackServer(app, port) as server:
        facts = {"run": found.name, "address": server.address}
        print_facts(facts, [server.address], as_json=json)
        note(f"Draw a digit there, and {visible(found.name)} reads it. Ctrl-C ends it.")
        # The reader of a pipe waits for the address
        sys.stdout.flush()
        if open_it and not webbrowser.open(server.address):
            note("No browser was found to open it in.")
        threading.Event().wait()
