"""kit experiment, kit tune."""

import contextlib
import shlex
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kit.cli.app import command, given_settings, given_submissions
from kit.cli.options import SUBMISSIONS, Data, Epochs, Json, Preset, Source, Storage, Submissions
from kit.cli.output import print_json, print_lines, print_table
from kit.cli.progress import search_bar
from kit.errors import TrainingError, UsageError


@command(
    "kit experiment batch-size",
    "kit experiment units --values 400,800,1600 --seeds 3",
    "kit experiment all --epochs 3 --json",
    "kit experiment best --workers 1",
)
def experiment(
    context: typer.Context,
    name: Annotated[
        Literal["epochs", "batch-size", "units", "hidden", "all", "best"],
        typer.Argument(
            help="What to change. all runs the four experiments; best also compares the network "
            "with all the best values with the base program."
        ),
    ],
    values: Annotated[
        str | None, typer.Option(help="What to try, such as 100,200. [default: the lab's values]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to try each value with.")] = 1,
    epochs: Epochs = None,
    source: Source = None,
    data: Data = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one a core, at most 4]")
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Repeat the lab's experiments, one setting at a time.

    Each experiment changes one setting of the lab's base program. Finished trainings are kept as
    JSON files in the folder experiments beside the runs, and nothing is trained twice. After an
    interruption, the same command goes on.
    """
    given = given_settings(locals())
    from kit.config import make_config
    from kit.search.experiments import Laboratory, draw_experiment
    from kit.search.processes import cores

    if name in ("all", "best") and values is not None:
        what = f"--values: {name} runs four experiments, each with its own values."
        raise UsageError(what, "Name one experiment, or leave --values out.")
    base = make_config({**given, "preset": "baseline", "name": "experiment"})
    # Small networks do not use several cores well, and each process needs a gigabyte or two
    numbers, workers = _numbers(values), workers or min(len(cores()), 4)
    with search_bar("Trainings", shlex.join(context.obj)) as tell:
        laboratory = Laboratory(submissions / "experiments", workers, tell)
        results = laboratory.run(name, base, seeds, numbers)
    for table in results["experiments"]:
        table["picture"] = submissions / "pictures" / f"experiment-{table['name']}.png"
        draw_experiment(table, table["picture"])
    failures = [f"{training}: {why}" for training, why in results["failures"].items()]
    if json:
        print_json(results)
    else:
        for table in results["experiments"]:
            _tell_table(table)
        print_lines([results["note"]])
        if results["best"]:
            _tell_best(results["best"])
        print_lines(f"Failed: {failure}" for failure in failures)
        print_lines([f"Trained {results['trained']} networks in {results['seconds']:.0f} s."])
    if failures:
        what = f"Failed trainings: {len(failures)}. {failures[0].rstrip('.')}."
        raise TrainingError(what, "The same command tries them again and keeps what was finished.")


def _numbers(text: str | None) -> list[int]:
    with contextlib.suppress(ValueError):
        numbers = [] if text is None else [int(part) for part in text.split(",")]
        # A larger number is a typing error
        if all(1 <= number <= 1_000_000 for number in numbers):
            return numbers
    what = f"--values: {text!r} is not a list of whole numbers from 1 to 1,000,000."
    raise UsageError(what, "Write it as 100,200,400.")


def _tell_table(table: dict[str, Any]) -> None:
    from kit.search.experiments import EXPERIMENTS

    kit, lab = table["best_by_validation"], table["best_by_keras_test"]
    both = "kit's and lab's choice" if kit == lab else "kit's choice"
    marks = {lab: "lab's choice", kit: both}
    columns = ["validation, %", "Keras test, %", "parameters", "s an epoch", "s in all", "best"]
    print_table(
        f"{EXPERIMENTS[table['name']][0]}, seeds {', '.join(map(str, table['seeds']))}",
        [table["name"], *columns],
        [
            [
                row["value"], _spread(row, "validation", 100), _spread(row, "keras_test", 100),
                f"{row['parameters']:,}", _spread(row, "seconds_per_epoch"),
                _spread(row, "seconds", digits=1), marks.get(row["value"], ""),
            ]
            for row in table["rows"]
        ],
    )  # fmt: skip
    if epoch := table["no_longer_rises_after"]:
        print_lines([f"Validation accuracy no longer rises after epoch {epoch}."])
    print_lines([f"Picture: {table['picture']}", ""])


def _tell_best(told: dict[str, Any]) -> None:
    settings, comparison = told["settings"], told["comparison"]
    first, second = (_spread(told[each], "keras_test", 100) for each in ("best", "base"))
    ends = (comparison["difference"], *comparison["interval"])
    difference, low, high = (f"{100 * each:+.2f}" for each in ends)
    units = " and ".join(map(str, settings["hidden"]))
    chosen = f"{settings['epochs']} epochs, batch size {settings['batch_size']}, {units} units"
    significant = "significant" if comparison["significant"] else "not significant"
    print_lines([f"All the best values: {chosen}."])
    print_lines([f"Accuracy on the Keras test split: {first}%, the base program's {second}%."])
    print_lines([f"Difference: {difference} points (95% interval {low} to {high})."])
    print_lines([f"It is {significant} (McNemar's test, p = {comparison['p_value']:.2g})."])


def _spread(row: dict[str, Any], figure: str, scale: int = 1, digits: int = 2) -> str:
    mean, sd = row[figure], row[f"{figure}_sd"]
    told = f"{scale * mean:.{digits}f}"
    return told if sd is None else f"{told} ± {scale * sd:.{digits}f}"


@command(
    "kit tune --trials 100 --timeout 36000 --workers 2",
    "kit tune --study warps --source kaggle --epochs 30",
    "kit tune --study convolutions --preset cnn",
    "kit tune --study warps --storage postgresql://kit@db.example/kit",
    "kit tune --show warps",
    "kit train --from-study warps",
)
def tune(
    context: typer.Context,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials of the study, those of all machines together.")
    ] = 50,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after this many seconds.")
    ] = None,
    study: Annotated[str, typer.Option(help="Its name; one that exists is continued.")] = "tune",
    storage: Storage = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    preset: Preset = None,
    epochs: Epochs = None,
    source: Source = None,
    data: Data = None,
    show: Annotated[
        str | None, typer.Option(metavar="STUDY", help="Show a study's results; train nothing.")
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Search for hyperparameters, judged by validation.

    Validation uses a tenth of the training rows, held out. The search varies the number and width
    of layers, batch normalization, dropout, optimizer, learning rate and schedule, batch size,
    label smoothing, weight decay and warps; with --preset cnn, also the filters and kernels of its
    convolutions. The same command continues an interrupted study. Machines that use the same
    --study and --storage share a study.
    """
    given = given_settings(locals())
    from kit.search.study import default_address, draw_study, load_study, study_figures

    address = storage or default_address(submissions)
    if show is None:
        from kit.config import make_config
        from kit.search.storage import address_label
        from kit.search.study import make_objective
        from kit.search.study import tune as tune_study
        from kit.search.workers import Job

        # The fewer rows that some presets hold out would not tell trials apart. The study's name
        # becomes the beginning of its runs' names
        base = make_config({"validation_fraction": 0.1, **given, "name": study})
        until = None if timeout is None else time.time() + timeout
        # An address may hold a password
        label = address_label(address)
        again = shlex.join(part.replace(address, label) for part in context.obj)
        # A signal that interrupts the bar ends the workers, too
        with search_bar("Trials", again) as tell:
            objective = partial(make_objective, base)
            job = Job(address, study, objective, trials, base.epochs, workers, until)
            tune_study(job, base, tell)
    found = load_study(address, show or study)
    figures = study_figures(found)
    pictures = draw_study(found, figures["importances"], submissions / "pictures")
    if json:
        print_json({**figures, "pictures": pictures})
    else:
        _tell_study(figures, pictures)
        if figures["best"]:
            place = [] if storage else given_submissions(submissions)
            best = shlex.join(["kit", "train", "--from-study", figures["study"], *place])
            where = ", with the same --storage or KIT_STORAGE" if storage else ""
            print_lines([f"Train the best: {best}{where}"])


def _tell_study(figures: dict[str, Any], pictures: list[Path]) -> None:
    states = ", ".join(f"{count} {state}" for state, count in figures["trials"].items())
    print_lines([f"Study {figures['study']}: {states or 'no trial yet'}"])
    rows = []
    for trial in figures["best"]:
        params = (f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                  for name, value in trial["params"].items())  # fmt: skip
        validation, seconds = trial["validation"] or 0.0, trial["seconds"] or 0.0
        figure = [trial["trial"], f"{100 * validation:.2f}", f"{seconds:.0f}"]
        rows.append([*figure, ", ".join(params)])
    print_table("Best trials", ["trial", "validation, %", "seconds", "hyperparameters"], rows)
    shares = [[name, f"{share:.2f}"] for name, share in figures["importances"].items()]
    print_table("Importance", ["hyperparameter", "share"], shares)
    print_lines(f"Trial {trial} failed: {why}" for trial, why in figures["failures"].items())
    print_lines(f"Picture: {picture}" for picture in pictures)
