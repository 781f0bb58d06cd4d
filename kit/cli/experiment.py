"""kit experiment."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.app import app
from kit.cli.console import print_json, print_lines, print_table
from kit.cli.options import SUBMISSIONS, Data, Json, Source, Submissions
from kit.cli.searching import Storage, search_bar
from kit.errors import UsageError

if TYPE_CHECKING:
    from kit.search.laboratory import Best, Outcome
    from kit.search.tables import Row, Spread, Table


class ExperimentName(StrEnum):
    """What is changed in the lab's base program."""

    epochs = "epochs"
    batch_size = "batch-size"
    units = "units"
    hidden = "hidden"
    all = "all"
    best = "best"


@app.command(
    epilog="""\b
Examples:
  kit experiment batch-size
  kit experiment units --values 400,800,1600 --seeds 3
  kit experiment all --epochs 3 --json
  kit experiment best --workers 1
  kit experiment all --storage postgresql://kit@db.example/kit"""
)
def experiment(
    name: Annotated[ExperimentName, typer.Argument(help="Which; best compares the best of all.")],
    values: Annotated[
        str | None,
        typer.Option(help="What to try, such as 100,200. [default: the lab's values]"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to try each value with.")] = 1,
    epochs: Annotated[
        int | None, typer.Option(help="The base program's. [default: the lab's, 100]")
    ] = None,
    source: Source = None,
    data: Data = None,
    storage: Storage = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes on this machine, which share its cores. "
            "[default: one a core, at most 4]",
        ),
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Repeat the lab's experiments, one setting at a time.

    Each changes one setting of the lab's base program; best takes all the best values. What was
    trained before is not trained again, and the same command goes on after an interruption. The
    same --storage on several machines shares the work among them.
    """
    from kit.search.experiments import EXPERIMENTS, base_program, make_plan
    from kit.search.laboratory import Laboratory
    from kit.search.pictures import draw_experiment
    from kit.search.storage import default_storage
    from kit.search.workers import usual_workers

    several = name in (ExperimentName.all, ExperimentName.best)
    if several and values is not None:
        raise UsageError(
            f"--values: {name.value} has four kinds of them.",
            "Name one experiment, or leave it out.",
        )
    given = {"epochs": epochs, "source": source and source.value, "data": data}
    base = base_program({setting: value for setting, value in given.items() if value is not None})
    chosen = list(EXPERIMENTS) if several else [name.value]
    plans = [make_plan(one, base, seeds, _numbers(values)) for one in chosen]

    with search_bar("Trainings") as tell:

        def watch(done: int, total: int) -> None:
            tell(done, total, "")

        laboratory = Laboratory(
            storage or default_storage(submissions), base, workers or usual_workers()
        )
        outcome = laboratory.run(plans, watch)
        best = laboratory.run_best(outcome, watch) if name == ExperimentName.best else None
    pictures = [submissions / "pictures" / f"experiment-{one}.png" for one in chosen]
    for table, picture in zip(outcome.tables, pictures, strict=True):
        draw_experiment(table, picture)
    if json:
        print_json(_figures(outcome, best, pictures))
    else:
        _tell(outcome, best, pictures)
    if outcome.failures:
        raise typer.Exit(8)


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--values: {text!r} is no list of whole numbers.", "Give them as 100,200,400."
        ) from error


def _figures(outcome: "Outcome", best: "Best | None", pictures: list[Path]) -> dict[str, Any]:
    from kit.search.tables import FLATTERY, standstill

    trained, seconds = _effort(outcome, best)
    return {
        "study": outcome.study,
        "experiments": [
            {
                "name": table.plan.experiment.name,
                "seeds": table.plan.seeds,
                "epochs": table.plan.base.epochs,
                "rows": [asdict(row) for row in table.rows],
                "missing": table.missing,
                "times_compare": table.times_compare,
                "best_by_validation": _value(table.best_by_validation),
                "best_by_test": _value(table.best_by_test),
                "no_longer_rises_after": standstill(table.histories[0])
                if table.plan.experiment.name == "epochs" and table.histories
                else None,
                "picture": picture,
            }
            for table, picture in zip(outcome.tables, pictures, strict=True)
        ],
        "note": FLATTERY,
        "best": best
        and {
            "settings": best.config.model_dump(mode="json"),
            "best": asdict(best.best),
            "base": asdict(best.base),
            "comparison": {
                **asdict(best.comparison),
                "beyond_chance": best.comparison.beyond_chance,
            },
        },
        "setups": [asdict(setup) for setup in outcome.setups],
        "failures": [asdict(failure) for failure in outcome.failures],
        "trained": trained,
        "seconds": seconds,
    }


def _effort(outcome: "Outcome", best: "Best | None") -> tuple[int, float]:
    """How many networks were trained, and how many seconds that took."""
    if best is None:
        return outcome.trained, outcome.seconds
    return outcome.trained + best.trained, outcome.seconds + best.seconds


def _value(row: "Row | None") -> int | None:
    return None if row is None else row.value


def _tell(outcome: "Outcome", best: "Best | None", pictures: list[Path]) -> None:
    from kit.search.tables import FLATTERY, standstill

    for table, picture in zip(outcome.tables, pictures, strict=True):
        _tell_table(table)
        if table.plan.experiment.name == "epochs" and table.histories:
            still = standstill(table.histories[0])
            print_lines([f"Validation accuracy no longer rises after epoch {still}."])
        print_lines([f"Picture: {picture}", ""])
    print_lines([FLATTERY])
    if len(outcome.setups) > 1:
        fastest = outcome.setups[0]
        print_table(
            "Workers on this machine",
            ["workers", "threads each", "trainings", "million weights × rows a second"],
            [[str(s.workers), str(s.threads), str(s.trainings), f"{s.speed:,.0f}"]
             for s in outcome.setups],
        )  # fmt: skip
        print_lines([f"Faster in all: --workers {fastest.workers}."])
    if best is not None:
        _tell_best(best)
    for failure in outcome.failures:
        print_lines([f"Failed: {failure.what}: {failure.reason}"])
    trained, seconds = _effort(outcome, best)
    print_lines([f"Trained {trained} networks in {seconds:.0f} s."])


def _tell_table(table: "Table") -> None:
    marks = {_value(table.best_by_test): " lab's choice"}
    chosen = _value(table.best_by_validation)
    marks[chosen] = " kit's and lab's choice" if chosen in marks else " kit's choice"
    name = table.plan.experiment.name
    print_table(
        f"{table.plan.experiment.changes}, seeds {', '.join(map(str, table.plan.seeds))}",
        [name, "validation, %", "test, %", "parameters", "s an epoch", "s in all", "best"],
        [
            [
                str(row.value), _percent(row.val_accuracy), _percent(row.test_accuracy),
                f"{row.parameters:,}", _spread(row.seconds_per_epoch, 2), _spread(row.seconds, 1),
                marks.get(row.value, "").strip(),
            ]
            for row in table.rows
        ],
    )  # fmt: skip
    if not table.times_compare:
        print_lines(["Its seconds are of different machines, backends or numbers of workers."])
    if table.missing:
        print_lines([f"No training came through for: {', '.join(map(str, table.missing))}"])


def _tell_best(best: "Best") -> None:
    config, comparison = best.config, best.comparison
    low, high = comparison.interval
    layers = " and ".join(map(str, config.hidden))
    better = "better" if comparison.difference > 0 else "not better"
    chance = "more than" if comparison.beyond_chance else "no more than"
    chosen = f"{config.epochs} epochs, batch size {config.batch_size}, {layers} units"
    accuracies = (
        f"Test accuracy {_percent(best.best.test_accuracy)}%, "
        f"the base program's {_percent(best.base.test_accuracy)}%"
    )
    verdict = (
        f"{better}, by {100 * comparison.difference:+.2f} points "
        f"(95% interval {100 * low:+.2f} to {100 * high:+.2f})"
    )
    test = f"McNemar's test, p = {comparison.p_value:.2g}"
    print_lines([f"All the best values: {chosen}."])
    print_lines([f"{accuracies}: {verdict}, which is {chance} chance would give ({test})."])


def _percent(spread: "Spread") -> str:
    sd = "" if spread.sd is None else f" ± {100 * spread.sd:.2f}"
    return f"{100 * spread.mean:.2f}{sd}"


def _spread(spread: "Spread", digits: int) -> str:
    sd = "" if spread.sd is None else f" ± {spread.sd:.{digits}f}"
    return f"{spread.mean:.{digits}f}{sd}"
