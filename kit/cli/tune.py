"""kit tune."""

import shlex
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.app import app
from kit.cli.options import SUBMISSIONS, Data, Json, Source, Storage, Submissions, Workers
from kit.cli.output import print_json, print_lines, print_table
from kit.cli.progress import search_bar

if TYPE_CHECKING:
    from kit.search.results import Found

_SHOWN = 10


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
    from kit.search.pictures import draw_study
    from kit.search.results import read_study
    from kit.search.storage import default_storage

    address = storage or default_storage(submissions)
    if show is None:
        from kit.config import make_config
        from kit.search.tune import Order
        from kit.search.tune import tune as tune_study

        given = {"epochs": epochs, "source": source and source.value, "data": data, "name": study}
        base = make_config(
            {setting: value for setting, value in given.items() if value is not None}
        )
        until = None if timeout is None else time.time() + timeout
        with search_bar("Trials", until) as tell:

            def watch(done: int, total: int, best: float | None) -> None:
                tell(done, total, "" if best is None else f"best validation {best:.2%}")

            tune_study(address, Order(study, base, trials, pruner.value, workers, until), watch)
    found = read_study(address, show or study)
    pictures = draw_study(found.study, found.importances, submissions / "pictures")
    if json:
        print_json(_figures(found, pictures))
    else:
        _tell(found, pictures)
        if found.best:
            command = ["kit", "train", "--from-study", found.study.study_name]
            if storage is None and submissions != SUBMISSIONS:
                command += ["--submissions", str(submissions)]
            # An address may hold a password
            where = "" if storage is None else ", with the same --storage or KIT_STORAGE"
            print_lines([f"Train the best: {shlex.join(command)}{where}"])
    if show is None and not found.best and found.failures:
        raise typer.Exit(8)


def _figures(found: "Found", pictures: list[Path]) -> dict[str, Any]:
    return {
        "study": found.study.study_name,
        "trials": found.states,
        "best": [
            {
                "trial": trial.number,
                "val_accuracy": trial.value,
                "params": trial.params,
                "parameters": trial.user_attrs.get("parameters"),
                "seconds": trial.user_attrs.get("seconds"),
            }
            for trial in found.best[:_SHOWN]
        ],
        "importances": found.importances,
        "failures": found.failures,
        "pictures": pictures,
    }


def _tell(found: "Found", pictures: list[Path]) -> None:
    states = ", ".join(f"{count} {state}" for state, count in found.states.items())
    name = found.study.study_name
    print_lines([f"Study {name}: {states or 'no trial yet'}"])
    print_table(
        "Best trials",
        ["trial", "validation, %", "seconds", "hyperparameters"],
        [
            [
                str(trial.number),
                f"{100 * (trial.value or 0.0):.2f}",
                f"{trial.user_attrs.get('seconds', 0.0):.0f}",
                ", ".join(f"{param} {_short(value)}" for param, value in trial.params.items()),
            ]
            for trial in found.best[:_SHOWN]
        ],
    )
    print_table(
        "Importance",
        ["hyperparameter", "share"],
        [[param, f"{share:.2f}"] for param, share in found.importances.items()],
    )
    for trial, reason in found.failures.items():
        print_lines([f"Trial {trial} failed: {reason}"])
    print_lines([f"Picture: {picture}" for picture in pictures])


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
