"""What a person or a program reads: tables, lines and JSON on stdout, notes on stderr."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping
from copy import deepcopy
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.pictures import draw_curve
from kit.errors import visible

if TYPE_CHECKING:
    from kit.runs import Run


def open_streams() -> None:
    """Replace streams that are closed, and have stdout escape what its encoding lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
            setattr(sys, name, nowhere)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on stdout; it may hold paths."""
    sys.stdout.write(json.dumps(content, default=os.fspath, allow_nan=False) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, as they are."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def print_facts(facts: dict[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print facts for a program, or the lines that say them to a person."""
    if as_json:
        print_json(facts)
    else:
        print_lines(lines)


def note(line: str) -> None:
    """Print a line on stderr, if it can be written to: no work is broken off for a note."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")


def print_table(
    title: str,
    columns: list[str],
    rows: Iterable[Iterable[object]],
    styles: Iterable[Iterable[str]] | None = None,
) -> None:
    """Print a table on stdout: ruled for a person, tab-separated for a pipe. None is shown as –.

    `styles` are rich's, one for each cell.
    """
    shown = [[visible("–" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        print_lines("\t".join(row) for row in [columns, *shown])
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        # Somebody will copy a name or a path, so no word is broken, however narrow the terminal
        widest = max(len(word) for row in [columns, *shown] for word in row[number].split())
        table.add_column(column, justify="right" if number else "left", min_width=widest)
    for row, styles_of_row in zip(shown, styles or repeat(repeat("")), strict=False):
        table.add_row(*map(Text, row, styles_of_row))
    # [brackets] are no markup
    Console(markup=False, emoji=False).print(table, crop=False)


def with_interval(figures: Mapping[str, Any]) -> str:
    """Word an accuracy in [0, 1] with its 95% interval and its number of images, `n`."""
    if figures["accuracy"] is None:
        return f"unknown ({figures['n']} images)"
    low, high = figures["interval"]
    share = f"{figures['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%}"
    return f"{share}, {figures['n']:,} images)"


def print_run(
    run: "Run", *, as_json: bool, scores: dict[str, Any] | None = None, **more: object
) -> None:
    """Print a run's figures, with those of its members, for a person or a program.

    `scores` are the accuracies of the run and its members on hidden labels, as JSON has them, by
    name. `more` is added to the JSON.
    """
    file = run.metrics["submission"]
    # Copied as what it is, because it names its file where something is missing
    told = deepcopy(run.metrics)
    told |= {"run": run.name, "submission": file and run.folder / file, **more}
    if scores:
        for each in (told, *told.get("members", [])):
            each["score"] = scores[each["run"]]
    if as_json:
        print_json(told)
        return
    if members := told.get("members"):
        from kit.config import describe_normalization

        kinds = [kind for kind in ("validation", "keras_test", "score") if kind in members[0]]
        rows = []
        for member in members:
            # keras_test is None if MNIST was not on this machine
            accuracies = [(member[kind] or {}).get("accuracy") for kind in kinds]
            shares = [None if x is None else f"{100 * x:.2f}" for x in accuracies]
            ways = describe_normalization(member["normalization"]) or None
            rows.append([member["run"], member["preset"], member["seed"], ways, *shares])
        columns = ["member", "preset", "seed", "normalization", *(f"{kind}, %" for kind in kinds)]
        print_table("Members", columns, rows)
    print_lines(_lines(told, run.folder))
    # A committee was not trained itself
    if not members:
        draw_curve(run.history)


def _lines(told: dict[str, Any], folder: Path) -> list[str]:
    members, overlap, seconds = told.get("members"), told["overlap"].get("test"), told["seconds"]
    if members:
        lines = [f"Committee of {len(members)} runs: {folder}"]
    else:
        epochs = "1 epoch" if told["epochs"] == 1 else f"{told['epochs']} epochs"
        trained = f"Trained {epochs} on {told['rows']['train']:,} rows in {seconds['fit']:.0f} s"
        lines = [f"{trained}, {seconds['total']:.0f} s in all: {folder}"]
    for kind, name in (("validation", "Validation"), ("keras_test", "Keras test")):
        figures = told[kind]
        # Of a single run, kit validate shows it
        if figures and figures["n"] and (members or kind == "validation"):
            lines.append(f"{name} accuracy {with_interval(figures)}")
            if kind == "validation" and told.get("folds"):
                lines[-1] += ", of one of its networks, each on the fold it has not seen"
    if not told["validation"]["n"]:
        what = " by all members: this committee" if members else ": this run"
        lines.append(f"No row was held out for validation{what} has no validation estimate.")
    if overlap is None:
        lines.append("No submission: Kaggle's test.csv is missing (kit download fetches it).")
    else:
        lines.append(f"Submission {told['submission']}")
        if overlap["n_overlap"]:
            seen = f"{overlap['n_overlap']:,} of its {overlap['n']:,} images"
            lines.append(f"Overlap: {seen} were trained on, so its score would say nothing.")
    if "score" in told:
        lines.append(f"Score on the hidden labels {with_interval(told['score'])}")
    return lines
