"""kit history."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kit.cli.app import app
from kit.cli.console import note, print_json, print_lines, print_table
from kit.cli.options import SUBMISSIONS, Json, Submissions
from kit.cli.waiting import note_retry
from kit.errors import DataError, KitError

if TYPE_CHECKING:
    from kit.kaggle.history import HistoryRow

_CHART_WIDTH = 48


@app.command(
    epilog="""\b
Examples:
  kit history
  kit history --offline --json"""
)
def history(
    offline: Annotated[
        bool, typer.Option("--offline", help="Show what is known without asking Kaggle.")
    ] = False,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """List all runs and submissions, foretold and scored.

    Submissions made from elsewhere are listed too. Where Kaggle cannot be asked, that is said, and
    what is known without it is shown.
    """
    from kit.kaggle.history import read_history

    failure: KitError | None = None
    rows: list[HistoryRow] = []
    if not offline:
        from kit.kaggle.client import Kaggle

        try:
            rows = read_history(submissions, Kaggle(on_retry=note_retry))
        except DataError:
            raise
        except KitError as error:
            # what is wrong with the runs themselves comes up again without Kaggle
            failure = error
            note(f"Kaggle could not be asked: {error.what}\n{error.remedy}")
    if offline or failure is not None:
        rows = read_history(submissions, None)
    if json:
        shown = [{**asdict(row), "time": row.time.isoformat()} for row in rows]
        asked = not offline and failure is None
        print_json({"online": asked, "failure": failure and failure.what, "history": shown})
        return
    if not rows:
        print_lines([f"No runs in {submissions}, and no submissions. Make one with: kit train"])
        return
    print_table(
        "Runs and submissions, newest first (UTC)",
        ["run", "time", "source", "preset", "validation", "keras_test", "score", "ref", "status"],
        [_cells(row) for row in rows],
    )
    _print_chart(rows)
    for row in rows:
        if row.reason:
            print_lines([f"{row.ref} was rejected: {row.reason}"])


def _cells(row: "HistoryRow") -> list[str]:
    return [
        row.run or f"elsewhere: {row.description}",
        f"{row.time:%Y-%m-%d %H:%M}",
        row.source or "–",
        row.preset or "–",
        *(
            "–" if figures is None or figures.accuracy is None else f"{figures.accuracy:.2%}"
            for figures in (row.validation, row.keras_test)
        ),
        row.public_score or "–",
        "–" if row.ref is None else str(row.ref),
        {"SENDING": "not known to have arrived"}.get(row.status or "", row.status or "–"),
    ]


def _print_chart(rows: "list[HistoryRow]") -> None:
    """Draw validation (v, with its interval) and public score (s) of each run on one scale."""
    drawn = [
        (row.run, row.validation.accuracy, row.validation.interval, float(row.public_score))
        for row in rows
        if row.run and row.public_score and row.validation and row.validation.accuracy is not None
    ]
    if not drawn or not sys.stdout.isatty():
        return
    low = min(min(interval[0], score) for _, _, interval, score in drawn)
    high = max(max(interval[1], score) for _, _, interval, score in drawn)
    scale = (_CHART_WIDTH - 1) / max(high - low, 1e-9)
    wide = max(len(name) for name, *_ in drawn)
    note_line = "v validation with its 95% interval, s public score, * both"
    print_lines([f"{'':{wide}}  {low:<{_CHART_WIDTH // 2}.2%}{high:>{_CHART_WIDTH // 2}.2%}"])
    for name, accuracy, interval, score in drawn:
        line = [" "] * _CHART_WIDTH
        first, last, v, s = (round((x - low) * scale) for x in (*interval, accuracy, score))
        line[first : last + 1] = "─" * (last + 1 - first)
        line[v] = "v"
        line[s] = "*" if s == v else "s"
        print_lines([f"{name:{wide}}  {''.join(line)}"])
    print_lines([f"{'':{wide}}  {note_line}"])
