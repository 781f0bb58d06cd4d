"""kit download, kit submit, kit history, kit doctor."""

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.app import app
from kit.cli.options import SUBMISSIONS, Json, RunName, Submissions
from kit.cli.output import note, print_json, print_lines, print_table, with_interval
from kit.cli.progress import judging_clock, note_retry, transfer_bar
from kit.errors import DataError, KitError

if TYPE_CHECKING:
    from kit.kaggle.answers import Limits
    from kit.kaggle.client import Kaggle
    from kit.kaggle.entry import Entry
    from kit.kaggle.history import HistoryRow
    from kit.kaggle.receipt import Receipt

_CHART_WIDTH = 48
_SIGNS = {True: "ok", False: "!!", None: "--"}


@app.command(
    epilog="""\b
Examples:
  kit download
  kit download --force"""
)
def download(
    data: Annotated[Path, typer.Option(help="The folder for the files.", file_okay=False)] = Path(
        "data/kaggle"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Fetch the files even if they are there.")
    ] = False,
    json: Json = False,
) -> None:
    """Fetch the competition's files from Kaggle.

    They are train.csv, test.csv and sample_submission.csv. A transfer that broke off is continued.
    Files that are there and whole are not fetched again.
    """
    from kit.kaggle.client import Kaggle
    from kit.kaggle.download import download as download_files
    from kit.kaggle.download import find_files

    files = None if force else find_files(data)
    fetched = files is None
    if files is None:
        kaggle = Kaggle(on_retry=note_retry)
        with transfer_bar("Downloading") as progress:
            files = download_files(kaggle, data, progress)
    if json:
        print_json({"fetched": fetched, "folder": data, "files": [asdict(file) for file in files]})
        return
    if not fetched:
        note("All there already; --force fetches them again.")
    print_lines(f"{file.path}: {file.rows:,} rows, {file.total_bytes:,} bytes" for file in files)


@app.command(
    epilog="""\b
Examples:
  kit submit
  kit submit 20260131-120000-tuned --message "wider" --yes
  kit submit --file mine.csv --dry-run"""
)
def submit(
    run: RunName = None,
    file: Annotated[
        Path | None, typer.Option(help="Submit this file instead of a run's.", dir_okay=False)
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(
            help="Its description. [default: the run's name, preset, validation accuracy, commit]"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but send it.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the score.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Wait at most this many seconds for the score.")
    ] = 600,
    allow_overlap: Annotated[
        bool,
        typer.Option("--allow-overlap", help="Submit a run that has trained on these images."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Submit content that was submitted before.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before sending.")] = False,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Submit a run to Kaggle, and wait for its score.

    The file is checked first. If the command is interrupted and repeated, it still submits once.
    """
    from kit.kaggle.client import Kaggle
    from kit.kaggle.entry import prepare_entry
    from kit.kaggle.submit import submit as submit_entry

    entry = prepare_entry(submissions, run, file, message, allow_overlap=allow_overlap)
    kaggle = Kaggle(on_retry=note_retry)
    seen: list[Limits | None] = []

    def confirm(limits: "Limits | None") -> bool:
        seen.append(limits)
        note(f"{entry.name}: {entry.message}")
        note(f"Submissions left today: {limits.left if limits else 'Kaggle does not say'}")
        return not dry_run and (yes or _agreed())

    # a quarter of a megabyte needs no bar
    receipt = submit_entry(kaggle, entry, submissions, confirm, lambda _d, _s: None, again=again)
    if receipt is None:
        left = seen[0].left if seen[0] else None
        facts = {"sent": False, "file": entry.file, "message": entry.message, "left": left}
        if json:
            print_json({**facts, "sha256": entry.sha256})
        else:
            print_lines(["Nothing was sent."])
        return
    if not no_wait and not dry_run and not receipt.is_judged:
        try:
            receipt = _wait(kaggle, entry, receipt, timeout)
        except (KitError, KeyboardInterrupt):
            # a program, too, is to know what was sent
            if json:
                _print_receipt(entry, receipt, json=True)
            raise
    _print_receipt(entry, receipt, json=json)
    if receipt.status == "ERROR":
        from kit.kaggle.submit import rejection

        raise rejection(entry, receipt)


def _agreed() -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    try:
        return typer.confirm("Send it?", default=True, err=True)
    except typer.Abort:
        raise typer.Exit(130) from None


def _wait(kaggle: "Kaggle", entry: "Entry", receipt: "Receipt", timeout: float) -> "Receipt":
    from kit.kaggle.submit import wait_for_score

    try:
        with judging_clock(receipt.ref):
            return wait_for_score(kaggle, entry.receipt_path, timeout)
    except KeyboardInterrupt:
        note(f"Submission {receipt.ref} is at Kaggle. Go on waiting with: {_same_command(entry)}")
        raise


def _same_command(entry: "Entry") -> str:
    what = ["--file", str(entry.file)]
    if entry.run is not None:
        folder = entry.run.folder
        what = [entry.run.name if folder.parent == SUBMISSIONS else str(folder)]
    return shlex.join(["kit", "submit", *what, *["--allow-overlap"] * bool(entry.n_overlap)])


def _print_receipt(entry: "Entry", receipt: "Receipt", *, json: bool) -> None:
    from kit.kaggle.submit import compare

    foretold = compare(entry, receipt)
    if json:
        facts: dict[str, Any] = receipt.model_dump(exclude={"earlier", "known_refs"})
        beyond = {"significant": foretold.difference.significant} if foretold else {}
        print_json(
            {
                "sent": True,
                "run": entry.run.name if entry.run else None,
                "receipt": entry.receipt_path,
                **facts,
                "foretold": {**asdict(foretold), **beyond} if foretold else None,
            }
        )
        return
    lines = [f"Submission {receipt.ref}: {receipt.status}"]
    if receipt.status == "PENDING":
        lines.append(f"Its score comes with: {_same_command(entry)}")
    if receipt.public_score is not None:
        lines.append(f"Public score {receipt.public_score}")
    if foretold is not None:
        lines.append(f"Validation {with_interval(**asdict(foretold.validation))}")
        significant = "significant" if foretold.difference.significant else "not significant"
        difference = f"{foretold.difference.difference:+.2%}"
        lines.append(f"The score differs by {difference}; the difference is {significant}.")
    if receipt.n_overlap:
        lines.append(f"It has trained on {receipt.n_overlap:,} of these images: the score is void.")
    print_lines(lines)


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
    """List all runs and submissions, with validation and score.

    Submissions that were made elsewhere are listed too. If Kaggle cannot be asked, the command says
    so and shows what is known without it.
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


@app.command(
    epilog="""\b
Examples:
  kit doctor
  kit doctor --json"""
)
def doctor(
    data: Annotated[
        Path,
        typer.Option(help="The folder of the competition's files.", file_okay=False),
    ] = Path("data/kaggle"),
    json: Json = False,
) -> None:
    """Look for whatever would stop a submission.

    Each fault is shown with its remedy. The exit code is the one that a command would end with
    because of the first fault, or 0.
    """
    from kit.kaggle.doctor import diagnose

    checks = diagnose(data)
    code = next((check.exit_code for check in checks if check.exit_code), 0)
    if json:
        print_json({"ok": code == 0, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print_lines([f"{_SIGNS[check.ok]}  {check.name}: {check.found}"])
            if check.remedy is not None:
                print_lines([f"      {check.remedy}"])
        if code == 0:
            note("Nothing is in the way of a submission.")
    if code:
        raise typer.Exit(code)
