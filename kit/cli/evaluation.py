"""kit validate, kit check, kit score, kit suspects, kit serve: judging on this machine."""

import shlex
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import command
from kit.cli.options import SUBMISSIONS, Json, MovedData, Port, Rehearsals, RunName, Submissions
from kit.cli.output import note, print_facts, print_json, print_lines, print_table, with_interval
from kit.cli.pictures import draw_digits
from kit.competition import TEST_ROWS
from kit.errors import DataError, UsageError

# The text shows the first faults, --json all of them
SHOWN_FAULTS = 20
SHOWN_MISTAKES = 6


@command("kit validate", "kit validate 20260131-120000-tuned --json")
def validate(
    run: RunName = None, submissions: Submissions = SUBMISSIONS, json: Json = False
) -> None:
    """Judge a run on the images of the Keras test split that it has not seen."""
    from kit.data.mnist import load_keras
    from kit.evaluation.judging import judge_keras_test
    from kit.metrics import per_digit
    from kit.runs import find_run

    found = find_run(submissions, run)
    judged = judge_keras_test(found, load_keras().test)
    accuracy, confusion = asdict(judged.accuracy), judged.confusion.tolist()
    digits, total = per_digit(judged.confusion), judged.n_overlap + judged.accuracy.n
    if json:
        told = {"run": found.name, "n_total": total, "n_overlap": judged.n_overlap, **accuracy}
        print_json({**told, "confusion": confusion, "digits": digits})
        return
    seen = f"{judged.n_overlap:,} seen in training, judged on {judged.accuracy.n:,}"
    print_lines([f"Run {found.name} on the Keras test split", f"{total:,} images, {seen}"])
    print_lines([f"Accuracy {with_interval(accuracy)}"])
    print_table(
        "Confusion: rows are the truth, columns the prediction",
        ["truth", *map(str, range(10))],
        [[digit, *row] for digit, row in enumerate(confusion)],
        [
            ["", *("green" if i == j else "red" if n else "dim" for j, n in enumerate(row))]
            for i, row in enumerate(confusion)
        ],
    )
    rows = []
    for digit in digits:
        low, high = digit["interval"]
        shares = (digit["precision"], digit["recall"], digit["f1"])
        worded = [None if share is None else f"{share:.2%}" for share in shares]
        rows.append([digit["digit"], digit["n"], *worded, f"{low:.2%} to {high:.2%}"])
    columns = ["digit", "images", "precision", "recall", "F1", "95% interval of the recall"]
    print_table("Each digit", columns, rows)
    worst = judged.mistakes[:SHOWN_MISTAKES]
    captions = [
        f"{judged.labels[i]} read as {judged.predicted[i]}, {judged.certainty[i]:.2%} sure"
        for i in worst
    ]
    draw_digits(judged.digits.pixels[worst], captions)


@command(
    "kit check submissions/20260131-120000-tuned/submission.csv",
    "kit check mine.csv --rows 100 --json",
)
def check(
    file: Annotated[Path, typer.Argument(help="A submission file.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows it must have.")] = TEST_ROWS,
    json: Json = False,
) -> None:
    """List every fault of a submission file."""
    from kit.submission import check_submission, count_faults

    checked = check_submission(file, rows)
    if json:
        print_json(asdict(checked))
    elif checked.ok:
        print_lines([f"{file}: a valid submission of {checked.rows:,} rows"])
        if not checked.in_order:
            note("Its rows are not in the order of their ids. Kaggle matches rows by id.")
    else:
        print_lines(f"{file}, {fault}" for fault in checked.faults[:SHOWN_FAULTS])
        if more := checked.faults[SHOWN_FAULTS:]:
            print_lines([f"… and {len(more):,} more; --json lists them all"])
        note(f"{file}: {count_faults(checked.faults)}; it has {checked.rows:,} rows.")
        note("Mend those lines, or make a new file with: kit train --source kaggle")
    if not checked.ok:
        raise typer.Exit(3)


@command("kit score mine.csv --solution data/rehearsal-1/solution.csv")
def score(
    file: Annotated[Path, typer.Argument(help="A submission file.")],
    solution: Annotated[Path, typer.Option(help="The true labels, as ImageId,Label.")],
    json: Json = False,
) -> None:
    """Score a submission file against known labels."""
    from kit.evaluation.judging import score_submission

    figures = asdict(score_submission(file, solution))
    print_facts(figures, [f"Score {with_interval(figures)}"], as_json=json)


@command(
    "kit train --source kaggle --folds 5",
    "kit suspects",
    "kit suspects 20260131-120000-tuned --json",
)
def suspects(
    run: RunName = None,
    data: MovedData = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """List the training rows whose label is probably wrong, the clearest first.

    It needs a run that was trained with --folds, where each row was judged by a network that had
    not seen it.
    """
    from kit.evaluation.judging import judge_validation
    from kit.runs import find_run

    found = find_run(submissions, run)
    if not found.metrics.get("folds"):
        what = f"{found.name}: was trained without folds."
        raise UsageError(what, "Train with: kit train --source kaggle --folds 5")
    judged = judge_validation(found, data)
    ranked = judged.rank_suspects()
    labels, predicted = judged.labels[ranked], judged.predicted[ranked]
    of_labels = judged.probabilities[ranked, labels]
    columns = (judged.rows[ranked] + 1, labels, predicted, judged.certainty[ranked], of_labels)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    if json:
        names = ("row", "label", "predicted", "probability", "label_probability")
        told = [dict(zip(names, each, strict=True)) for each in rows]
        print_json({"run": found.name, "suspects": told})
        return
    print_table(
        "Rows whose label is probably wrong; row 1 is the first below the header",
        ["row", "label", "network says", "sure", "of the label"],
        [[*numbers, f"{sure:.1%}", f"{of_label:.1%}"] for *numbers, sure, of_label in rows],
    )


@command("kit serve", "kit serve --seed 7 --port 8000", "kit serve --json")
def serve(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rehearsal's deal.")] = 0,
    port: Port = 0,
    data: Rehearsals = Path("data"),
    json: Json = False,
) -> None:
    """Serve a rehearsal as Kaggle serves the competition, until Ctrl-C.

    It prints the environment variables with which kit download, kit submit and Kaggle's own client
    talk to this local Kaggle. It scores submissions and keeps them from one start to the next. Only
    programs on this machine can reach it.
    """
    from requests.utils import should_bypass_proxies

    from kit.data.mnist import load_keras
    from kit.data.rehearsal import make_rehearsal
    from kit.local_kaggle.app import LocalKaggle

    rehearsal = make_rehearsal(load_keras(), seed, data)
    state = rehearsal / "local-kaggle.json"
    try:
        local = LocalKaggle(rehearsal, rehearsal / "solution.csv", port=port, state=state)
    except ValueError as error:
        raise DataError(
            f"{state} or {rehearsal / 'solution.csv'} is damaged.",
            "Remove the first to start without submissions. Remove the folder to make it anew.",
        ) from error
    with local:
        environment = local.environment()
        if should_bypass_proxies("http://localhost", None):
            note(
                "NO_PROXY covers localhost here. A terminal that sets it again does not reach this "
                "server. Run there: export NO_PROXY= no_proxy="
            )
        exported = " ".join(f"{name}={shlex.quote(v)}" for name, v in environment.items())
        files = f"--data {rehearsal / 'download'}"
        lines = ["# In another terminal:", f"export {exported}", f"kit download {files}"]
        lines += [f"kit train --source kaggle {files}", "kit submit", "kit history"]
        print_facts({"rehearsal": rehearsal, "environment": environment}, lines, as_json=json)
        note(f"Serving {rehearsal} as Kaggle; its submissions stay in {state}. Ctrl-C ends it.")
        # The reader of a pipe waits for the environment
        sys.stdout.flush()
        threading.Event().wait()
