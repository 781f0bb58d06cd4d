"""kit tune."""

import shlex
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from kit.cli.app import app
from kit.cli.options import SUBMISSIONS, Data, Json, Source, Storage, Submissions, Workers
from kit.cli.output import print_json, print_lines, print_table
from kit.cli.progress import search_bar


class PrunerName(StrEnum):
    """What ends hopeless trials."""

    median = "median"
    halving = "halving"
    hyperband = "hyperband"
    none = "none"


@app.command(
    epilog="""\b
Examples:
  kit tune --trials 100 --timeout 36000 --workers 2
  kit tune --study warps --source kaggle --epochs 30
  kit tune --study warps --storage postgresql://kit@db.example/kit
  kit tune --show warps
  kit train --from-study warps"""
)
def tune(
    trials: Annotated[
        int, typer.Option(min=1, help="How many the study is to have, on all machines together.")
    ] = 50,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after so many seconds.")
    ] = None,
    study: Annotated[str, typer.Option(help="Its name; one that exists goes on.")] = "tune",
    storage: Storage = None,
    workers: Workers = 1,
    pruner: Annotated[
        PrunerName, typer.Option(help="Ends trials that do worse than others did.")
    ] = PrunerName.median,
    epochs: Annotated[
        int | None, typer.Option(help="Of each trial. [default: the tuned preset's]")
    ] = None,
    source: Source = None,
    data: Data = None,
    show: Annotated[
        str | None, typer.Option(metavar="STUDY", help="Show what it has found; train nothing.")
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Search for hyperparameters, judged by validation.

    The rows held out for it are the training rows' own. Searched are depth and widths,
    normalization, dropout, optimizer, rate and schedule, batch size, label smoothing, weight decay
    and warps. An interrupted study goes on with the same command; the same --study and --storage on
    several machines share it.
    """
    from kit.search.study import default_storage, load_study, study_figures
    from kit.search.study_pictures import draw_study

    address = storage or default_storage(submissions)
    if show is None:
        from kit.config import make_config
        from kit.search.study import tune as tune_study

        given = {"epochs": epochs, "source": source and source.value, "data": data, "name": study}
        base = make_config({name: value for name, value in given.items() if value is not None})
        until = None if timeout is None else time.time() + timeout
        # The workers are ended, too
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        with search_bar("Trials", until) as tell:

            def watch(done: int, best: float | None) -> None:
                tell(done, trials, "" if best is None else f"best validation {best:.2%}")

            tune_study(
                address, study, base, watch,
                trials=trials, pruner=pruner.value, workers=workers, until=until,
            )  # fmt: skip
    found = load_study(address, show or study)
    figures = study_figures(found)
    pictures = draw_study(found, figures["importances"], submissions / "pictures")
    if json:
        print_json({**figures, "pictures": pictures})
    else:
        _tell(figures, pictures)
        if figures["best"]:
            command = ["kit", "train", "--from-study", figures["study"]]
            if storage is None and submissions != SUBMISSIONS:
                command += ["--submissions", str(submissions)]
            # An address may hold a password
            where = "" if storage is None else ", with the same --storage or KIT_STORAGE"
            print_lines([f"Train the best: {shlex.join(command)}{where}"])
    if show is None and not figures["best"] and figures["failures"]:
        raise typer.Exit(8)


def _tell(figures: dict[str, Any], pictures: list[Path]) -> None:
    states = ", ".join(f"{count} {state}" for state, count in figures["trials"].items())
    print_lines([f"Study {figures['study']}: {states or 'no trial yet'}"])
    print_table(
        "Best trials",
        ["trial", "validation, %", "seconds", "hyperparameters"],
        [
            [
                str(trial["trial"]),
                f"{100 * (trial['val_accuracy'] or 0.0):.2f}",
                f"{trial['seconds'] or 0.0:.0f}",
                ", ".join(f"{name} {_short(value)}" for name, value in trial["params"].items()),
            ]
            for trial in figures["best"]
        ],
    )
    print_table(
        "Importance",
        ["hyperparameter", "share"],
        [[name, f"{share:.2f}"] for name, share in figures["importances"].items()],
    )
    for trial, reason in figures["failures"].items():
        print_lines([f"Trial {trial} failed: {reason}"])
    print_lines([f"Picture: {picture}" for picture in pictures])


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
