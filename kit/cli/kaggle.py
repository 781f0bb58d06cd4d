"""kit download, kit submit, kit history, kit doctor."""

import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.app import command, resume_command
from kit.cli.options import SUBMISSIONS, Json, RunName, Submissions
from kit.cli.output import note, print_facts, print_json, print_lines, print_table, with_interval
from kit.cli.progress import judging_clock, note_retry, transfer_bar
from kit.errors import CompetitionError, KitError, UsageError, visible

if TYPE_CHECKING:
    from kit.kaggle.answers import Limits, Submission
    from kit.kaggle.entry import Entry
    from kit.kaggle.history import HistoryRow
    from kit.kaggle.receipt import Attempt
    from kit.runs import Run

Files = Annotated[
    Path, typer.Option(help="The folder of the competition's files.", file_okay=False)
]
KAGGLE = Path("data/kaggle")
_CHART_WIDTH = 48
_SIGNS = {True: "ok", False: "!!", None: "--"}


@command("kit download", "kit download --force")
def download(
    data: Files = KAGGLE,
    force: Annotated[bool, typer.Option("--force", help="Fetch what is there again.")] = False,
    json: Json = False,
) -> None:
    """Fetch the competition's files from Kaggle.

    They are train.csv, test.csv and sample_submission.csv. A transfer that broke off is continued.
    Files that are there and whole are not fetched again.
    """
    from kit.competition import ROWS, find_files
    from kit.kaggle.client import Kaggle
    from kit.kaggle.download import download as download_files

    files = there = None if force else find_files(data)
    if files is None:
        kaggle = Kaggle(on_retry=note_retry)
        with transfer_bar("Downloading") as progress:
            files = download_files(kaggle, data, progress)
    else:
        note("All there already; --force fetches them again.")
    told = [{"path": file, "total_bytes": file.stat().st_size, "rows": ROWS[file.name]}
            for file in files]  # fmt: skip
    lines = ["{path}: {rows:,} rows, {total_bytes:,} bytes".format(**file) for file in told]
    facts = {"fetched": there is None, "folder": data, "files": told}
    print_facts(facts, lines, as_json=json)


@command(
    "kit submit",
    'kit submit 20260131-120000-tuned --message "wider" --yes',
    "kit submit --file mine.csv --dry-run",
)
def submit(
    run: RunName = None,
    file: Annotated[
        Path | None, typer.Option(help="Submit this file instead of a run's.", dir_okay=False)
    ] = None,
    message: Annotated[
        str | None, typer.Option(help="Its description. [default: the run's name and figures]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but send it.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the score.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 600,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Submit a run that trained on these images.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Submit the same once more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before sending.")] = False,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Submit a run to Kaggle, and wait for its score.

    The file is checked first. If the command is interrupted and repeated, it still submits once.
    """
    if file is not None and str(file) == "-" and not (yes or dry_run):
        raise UsageError("--file -: nobody can be asked.", "Repeat the command with --yes.")
    from kit.kaggle.entry import prepare_entry

    entry = prepare_entry(submissions, run, file, message, allow_overlap=allow_overlap)
    from kit.kaggle.client import Kaggle
    from kit.kaggle.submit import submit as submit_entry
    from kit.kaggle.submit import wait_for_score

    kaggle = Kaggle(on_retry=note_retry)
    left: int | None = None

    def confirm(limits: "Limits | None") -> bool:
        nonlocal left
        left = limits.left if limits else None
        name = entry.run.name if entry.run else entry.file
        note(visible(f"{name}: {entry.attempt.message}"))
        note(f"Submissions left today: {'Kaggle does not say' if left is None else left}")
        is_asked = not yes and sys.stdin.isatty() and sys.stderr.isatty()
        return not dry_run and (not is_asked or typer.confirm("Send it?", default=True, err=True))

    try:
        attempt = submit_entry(kaggle, entry, confirm, note, again=again)
    except KeyboardInterrupt:
        note("Interrupted. Repeat the command: it looks for what was sent, and submits once.")
        raise
    if attempt is None:
        facts = entry.attempt.model_dump(include={"file", "message", "sha256"})
        print_facts({"sent": False, **facts, "left": left}, ["Nothing was sent."], as_json=json)
        return
    try:
        if not no_wait and not dry_run and not attempt.is_judged:
            with judging_clock(attempt.ref):
                attempt = wait_for_score(kaggle, attempt, timeout)
    finally:
        # Whatever ends the waiting, it is said what was sent
        _print_receipt(entry, attempt, json=json)
    check_accepted(attempt, entry)


def _print_receipt(entry: "Entry", attempt: "Attempt", *, json: bool) -> None:
    comparison = _compare(entry, attempt)
    lines = [f"Submission {attempt.ref}: {attempt.status}"]
    if not attempt.is_judged:
        lines.append("Its score comes later: kit history shows it, and kit submit waits for it.")
    if attempt.public_score:
        lines.append(f"Public score {attempt.public_score}")
    if comparison is not None:
        lines.append(f"Validation {with_interval(comparison['validation'])}")
        difference = comparison["difference"]["difference"]
        significant = "significant" if comparison["significant"] else "not significant"
        lines.append(f"The score differs by {difference:+.2%}; the difference is {significant}.")
    if attempt.n_overlap:
        lines.append(f"It has trained on {attempt.n_overlap:,} of these images: the score is void.")
    head = {"sent": True, "run": entry.run and entry.run.name, "receipt": attempt.path}
    facts = attempt.model_dump(mode="json", exclude={"known_refs", "count"})
    facts |= {**head, "comparison": comparison}
    print_facts(facts, map(visible, lines), as_json=json)


def _share(attempt: "Attempt") -> float | None:
    """The public score, where it is an accuracy: a number from 0 to 1."""
    with suppress(ValueError):
        if 0 <= (score := float(attempt.public_score or "")) <= 1:
            return score
    return None


def _compare(entry: "Entry", attempt: "Attempt") -> dict[str, Any] | None:
    """The accuracy in validation, the score as an accuracy, and how they differ, if both are."""
    from kit.metrics import Accuracy, accuracy_difference

    figures, share = _accuracy(entry.run, "validation"), _share(attempt)
    if figures is None or share is None:
        return None
    rows = entry.content.count(b"\n") - 1
    score = Accuracy.from_counts(round(share * rows), rows)
    difference = accuracy_difference(score, Accuracy(**figures))
    told = {"validation": figures, "score": asdict(score)}
    return {**told, "significant": difference.pop("significant"), "difference": difference}


def check_accepted(attempt: "Attempt", entry: "Entry") -> None:
    """Raise a CompetitionError if Kaggle has rejected the submission."""
    from kit.kaggle.exchange import SUBMISSIONS_PAGE

    if attempt.status == "ERROR":
        reason = (attempt.reason or "it gives no reason").rstrip(".")
        remedy = f"kit check {entry.file} finds faults of the file; see also {SUBMISSIONS_PAGE}"
        raise CompetitionError(f"Kaggle rejected submission {attempt.ref}: {reason}.", remedy)


@command("kit history", "kit history --offline --json")
def history(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Kaggle.")] = False,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """List all runs and submissions, with validation and score.

    Submissions that were made elsewhere are listed too, and runs that can be resumed. If Kaggle
    cannot be asked, the command says so and shows what is known without it.
    """
    from kit.kaggle.history import read_history
    from kit.runs import list_drafts

    listed: list[Submission] = []
    failure = None
    if not offline:
        from kit.kaggle.client import Kaggle

        try:
            listed = Kaggle(on_retry=note_retry).list_submissions()
        except KitError as error:
            failure = error.what
            note(f"Kaggle could not be asked: {error}")
    rows, damaged = read_history(submissions, listed)
    for each in damaged:
        note(str(each))
    unfinished = list_drafts(submissions)
    if json:
        told = {"online": not offline and failure is None, "failure": failure}
        lists = {"damaged": [each.what for each in damaged], "unfinished": unfinished}
        print_json({**told, **lists, "history": [_facts(row) for row in rows]})
        return
    for run in unfinished:
        note(f"Interrupted; go on with: {resume_command(submissions)} {run}")
    if not rows:
        print_lines([f"No runs in {submissions}, and no submissions. Make one with: kit train"])
        return
    print_table(
        "Runs and submissions, newest first (UTC)",
        ["run", "time", "source", "preset", "validation", "Keras test", "score", "ref", "status"],
        [_cells(row) for row in rows],
    )
    _print_chart(rows)
    rejected = [attempt for _, _, attempt in rows if attempt is not None and attempt.reason]
    print_lines(f"{each.ref} was rejected: {visible(each.reason or '')}" for each in rejected)


def _facts(row: "HistoryRow") -> dict[str, Any]:
    """A row as JSON has it."""
    run, attempt = row.run, row.attempt
    of_attempt = ("ref", "status", "public_score", "reason")
    return {
        "time": row.time.isoformat(),
        "run": run and run.name,
        **{key: run and run.metrics.get(key) for key in ("source", "preset")},
        **{key: _accuracy(run, key) for key in ("validation", "keras_test")},
        **{key: attempt and getattr(attempt, key) for key in of_attempt},
        "description": attempt and attempt.message,
        "file": attempt and attempt.file,
    }


def _accuracy(run: "Run | None", kind: str) -> dict[str, Any] | None:
    """A run's accuracy, with its interval and its number of images, if it has one."""
    figures = run.metrics.get(kind) if run else None
    if not figures or not figures.get("n"):
        return None
    return {key: figures[key] for key in ("accuracy", "n", "interval")}


def _cells(row: "HistoryRow") -> list[object]:
    facts = _facts(row)
    is_own = row.attempt is not None and row.attempt.path.name
    other = f"file: {facts['file']}" if is_own else f"elsewhere: {facts['description']}"
    accuracies = (facts["validation"], facts["keras_test"])
    cells = [
        facts["run"] or other,
        f"{row.time:%Y-%m-%d %H:%M}",
        facts["source"],
        facts["preset"],
        *(figures and f"{figures['accuracy']:.2%}" for figures in accuracies),
        facts["public_score"],
        facts["ref"],
        "not known to have arrived" if facts["status"] == "SENDING" else facts["status"],
    ]
    return [cell or None for cell in cells]


def _print_chart(rows: "list[HistoryRow]") -> None:
    """Draw validation (v, with its interval) and public score (s) of each run on one scale."""
    drawn = [
        (run.name, (*figures["interval"], figures["accuracy"], score))
        for _, run, attempt in rows
        if run and attempt and (score := _share(attempt)) is not None
        if (figures := _accuracy(run, "validation"))
    ]
    if not drawn or not sys.stdout.isatty():
        return
    shown = [share for _, shares in drawn for share in shares]
    low, high, wide = min(shown), max(shown), max(len(name) for name, _ in drawn)
    for name, shares in drawn:
        scale = (_CHART_WIDTH - 1) / max(high - low, 1e-9)
        first, last, v, s = (round((share - low) * scale) for share in shares)
        line = [" "] * _CHART_WIDTH
        line[first : last + 1] = "─" * (last + 1 - first)
        line[v], line[s] = "v", "*" if s == v else "s"
        print_lines([f"{name:{wide}}  {''.join(line)}"])
    legend = "v validation with its 95% interval, s public score, * both"
    print_lines([f"From {low:.2%} to {high:.2%}: {legend}"])


@command("kit doctor", "kit doctor --json")
def doctor(data: Files = KAGGLE, json: Json = False) -> None:
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
