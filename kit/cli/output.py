"""What a person or a program reads: tables, lines and JSON on stdout, notes on stderr."""

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.metrics import Accuracy
    from kit.runs import Run


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    sys.stdout.write(json.dumps(content, default=_plain, allow_nan=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} has no place in JSON")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, as they are."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def note(line: str) -> None:
    """Print a line on stderr, if it can be written to: no work is broken off for a note."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")


def visible(text: str) -> str:
    """Put somebody's text into one line: line ends and what a terminal obeys become escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def print_table(title: str, columns: list[str], rows: Iterable[list[str]]) -> None:
    """Print a table on stdout: ruled for a person, tab-separated for a pipe."""
    rows = [[visible(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        print_lines(["\t".join(columns), *("\t".join(row) for row in rows)])
        return
    from rich import box
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        justify: JustifyMethod = "left" if number == 0 else "right"
        # Somebody will copy a name or a path, so no word is broken, however narrow the terminal
        words = [word for row in [columns, *rows] for word in row[number].split()]
        table.add_column(Text(column), justify=justify, min_width=max(map(len, words), default=0))
    for row in rows:
        # Text, because [brackets] are no markup
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table, crop=False)


def with_interval(accuracy: float | None, n: int, interval: tuple[float, float]) -> str:
    """Word an accuracy in [0, 1] with its 95% interval and its number of images."""
    if accuracy is None:
        return f"unknown ({n} images)"
    low, high = interval
    return f"{accuracy:.2%} (95% interval {low:.2%} to {high:.2%}, {n:,} images)"


def figures(run: "Run", scores: "Mapping[str, Accuracy] | None" = None) -> dict[str, Any]:
    """Return a run's figures for --json, with those of its members.

    Args:
        run: the run.
        scores: the accuracy of each run on hidden labels, by name, if known.
    """
    metrics, file = run.metrics, run.metrics["submission"]
    told = {
        **metrics,
        "run": run.name,
        "submission": None if file is None else str(run.folder / file),
    }
    if "members" in metrics and scores is not None:
        told["members"] = [
            {**member, "score": asdict(scores[member["run"]])} for member in metrics["members"]
        ]
    return told


def tell(run: "Run", scores: "Mapping[str, Accuracy] | None" = None) -> None:
    """Print a run's figures; for a committee, its members first.

    Args:
        run: the run.
        scores: the accuracy of each run on hidden labels, by name, if known.
    """
    if "members" in run.metrics:
        _tell_members(run.metrics["members"], scores)
    print_lines(_told(run))


def _tell_members(members: list[dict[str, Any]], scores: "Mapping[str, Accuracy] | None") -> None:
    columns = ["member", "preset", "seed", "normalization", "validation, %", "keras_test, %"]
    rows = [
        [
            member["run"],
            member["preset"],
            str(member["seed"]),
            word_normalization(member["normalization"]),
            # keras_test is None if MNIST was not on this machine
            *(
                _percent((member[kind] or {}).get("accuracy"))
                for kind in ("validation", "keras_test")
            ),
        ]
        for member in members
    ]
    if scores is not None:
        columns.append("score, %")
        rows = [[*row, _percent(scores[row[0]].accuracy)] for row in rows]
    print_table("Members", columns, rows)


def word_normalization(settings: dict[str, Any] | None) -> str:
    """Word the setting `normalization`, as JSON has it: `width 20, slant`, or a dash for none."""
    width, slant = (settings or {}).get("width"), (settings or {}).get("slant")
    ways = [*([f"width {width}"] * bool(width)), *(["slant"] * bool(slant))]
    return ", ".join(ways) or "–"


def _percent(accuracy: float | None) -> str:
    return "–" if accuracy is None else f"{100 * accuracy:.2f}"


def _told(run: "Run") -> list[str]:
    metrics = run.metrics
    overlap, members = metrics["overlap"].get("test"), metrics.get("members")
    what, by_all = ("committee", " by all members") if members else ("run", "")
    lines = [_made(run)]
    for kind, name in (("validation", "Validation"), ("keras_test", "Keras test")):
        # Of a single run, kit validate shows it
        if metrics[kind] and metrics[kind]["n"] and (members or kind == "validation"):
            shown = {key: metrics[kind][key] for key in ("accuracy", "n", "interval")}
            lines.append(f"{name} accuracy {with_interval(**shown)}")
    if not metrics["validation"]["n"]:
        lines.append(
            f"No row was held out for validation{by_all}: this {what} has no validation estimate."
        )
    if overlap is None:
        lines.append("No submission: Kaggle's test.csv is missing (kit download fetches it).")
    else:
        lines.append(f"Submission {run.folder / metrics['submission']}")
        if overlap["n_overlap"]:
            seen = f"{overlap['n_overlap']:,} of its {overlap['n']:,} images"
            lines.append(f"Overlap: {seen} were trained on, so its score would say nothing.")
    return lines


def _made(run: "Run") -> str:
    metrics = run.metrics
    if "members" in metrics:
        return f"Committee of {len(metrics['members'])} runs: {run.folder}"
    seconds = metrics["seconds"]
    epochs = "1 epoch" if metrics["epochs"] == 1 else f"{metrics['epochs']} epochs"
    trained = f"Trained {epochs} on {metrics['rows']['train']:,} rows"
    return f"{trained} in {seconds['fit']:.0f} s, {seconds['total']:.0f} s in all: {run.folder}"
