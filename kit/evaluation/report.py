"""What a report says of a run, or of several beside each other, and the file that says it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from kit.data.mnist import load_keras
from kit.errors import DataError, KitError
from kit.evaluation.judging import Judged, judge_keras_test, judge_validation, score_submission
from kit.evaluation.page import make_page
from kit.files import write_whole
from kit.metrics import Accuracy, calibration, compare, per_digit
from kit.runs import Run, members_of
from kit.submission import read_submission
from kit.training.predictions import load_predictions

Facts = dict[str, Any]
# Gives the attempts of a run's receipt, oldest first
ReadReceipt = Callable[[Run], list[Facts]]
# How many pictures a gallery has at most
GALLERY = 24
_CURVES = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


def write_report(
    runs: Sequence[Run], path: Path, read_receipt: ReadReceipt, data: Path | None = None
) -> Facts:
    """Write the report of some runs to `path`, whole or not at all, and return what it says.

    What cannot be shown, such as pictures where the digits are gone, is in the `left_out` of a run,
    with the remedy. `data` is where the source's files are now, if they are not where the runs have
    read them.

    Raises:
        DataError: a run's record is damaged.
        OSError: the file cannot be written.
    """
    gathered = [_gather(run, read_receipt, data) for run in runs]
    pairs = [
        {"first": one["name"], "second": other["name"], **_compare(judged, other_judged)}
        for (one, judged), (other, other_judged) in combinations(gathered, 2)
    ]
    facts: Facts = {"runs": [each for each, _ in gathered], "pairs": pairs}
    # A folder's name may have bytes that are no UTF-8
    write_whole(path, make_page(facts).encode("utf-8", "backslashreplace"))
    return facts


def _gather(run: Run, read_receipt: ReadReceipt, data: Path | None) -> tuple[Facts, list[Judged]]:
    """The facts of a run, and the digits that tell how good it is itself."""
    left_out: list[Facts] = []

    @contextmanager
    def section(title: str) -> Iterator[None]:
        try:
            yield
        except (KitError, OSError) as error:
            what = getattr(error, "what", str(error))
            remedy = getattr(error, "remedy", "Check that the file is there and can be read.")
            left_out.append({"section": title, "what": what, "remedy": remedy})

    metrics, folds = run.metrics, run.metrics.get("folds")
    judged: dict[str, Judged] = {}
    facts: Facts = {"name": run.name, "config": run.config, "metrics": metrics}
    facts |= {"members": metrics.get("members", []), "folds": folds, "left_out": left_out}
    facts |= {"histories": [], "attempts": [], "versions": run.config["versions"]}
    facts |= dict.fromkeys(("disagreements", "suspects", "submission"))
    with section("learning curve"):
        trained = members_of(run) or [run]
        facts["versions"] = trained[0].config["versions"] | run.config["versions"]
        facts["histories"] = [
            {"name": each.name, "columns": _read_history(each)} for each in trained
        ]
    with section("Keras test split"):
        judged["keras_test"] = judge_keras_test(run, load_keras().test)
        if not len(judged["keras_test"].rows):
            what = f"{run.name}: was trained or validated on all of its images."
            raise DataError(what, "Nothing is left there to judge this run on.")
    if metrics["rows"]["validation"]:
        with section("validation rows"):
            judged["validation"] = judge_validation(run, data)
    facts["judged"] = {name: _describe(each) for name, each in judged.items() if len(each.rows)}
    if facts["members"] and "keras_test" in judged:
        with section("disagreements of the members"):
            facts["disagreements"] = _disagreements(run, judged["keras_test"])
    if folds and "validation" in judged:
        suspects = judged["validation"].rank_suspects().tolist()
        pictures = [_picture(judged["validation"], i) for i in suspects[:GALLERY]]
        facts["suspects"] = {"n": len(suspects), "pictures": pictures}
    if metrics["submission"]:
        with section("submission"):
            # Where the validation rows are not those of the run, neither are the labels there
            facts["submission"] = _submission(run, data if "validation" in judged else None)
    with section("receipt"):
        facts["attempts"] = read_receipt(run)
    # Validation with folds judges one of its networks, not the run
    return facts, [each for name, each in judged.items() if name == "keras_test" or not folds]


def _read_history(run: Run) -> Facts:
    """The columns of the run's history, but for those where nothing was measured."""
    path = run.folder / "history.csv"
    try:
        table = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
        columns = {name: table[name] for name in _CURVES}
        if not table.size:
            raise ValueError("it has no epoch")  # noqa: TRY301 - told like the other faults
    except (OSError, ValueError, IndexError) as error:
        what = f"{path}: not as the kit writes it ({error})."
        raise DataError(what, "Put the file back, or train again.") from error
    return {name: values.tolist() for name, values in columns.items() if not np.isnan(values).all()}


def _describe(judged: Judged) -> Facts:
    unsure = np.argsort(judged.certainty, kind="stable")[: GALLERY // 2]
    return {
        "accuracy": asdict(judged.accuracy),
        "n_overlap": judged.n_overlap,
        "confusion": judged.confusion.tolist(),
        "digits": per_digit(judged.confusion),
        **calibration(judged.certainty, judged.predicted == judged.labels),
        "n_mistakes": len(judged.mistakes),
        "mistakes": [_picture(judged, i) for i in judged.mistakes[:GALLERY].tolist()],
        "unsure": [_picture(judged, i) for i in unsure.tolist()],
    }


def _picture(judged: Judged, i: int) -> Facts:
    """One of the judged digits, with the two likeliest readings. Its row counts from 1."""
    probabilities = judged.probabilities[i]
    second = int(np.argsort(-probabilities, kind="stable")[1])
    return {
        "pixels": judged.digits.pixels[i],
        "row": int(judged.rows[i]) + 1,
        "label": int(judged.labels[i]),
        "predicted": int(judged.predicted[i]),
        "certainty": float(judged.certainty[i]),
        "second": second,
        "second_certainty": float(probabilities[second]),
    }


def _disagreements(committee: Run, judged: Judged) -> Facts:
    """Where its members read a digit differently, those first of which it is least sure."""
    readings = np.array(
        [
            load_predictions(member)["keras_test"][judged.rows].argmax(axis=1)
            for member in members_of(committee)
        ]
    )
    agree = (readings == readings[0]).all(axis=0)
    apart = np.flatnonzero(~agree)
    shown = apart[np.argsort(judged.certainty[apart], kind="stable")][:GALLERY]
    agreed, disputed = (
        asdict(Accuracy.from_predictions(judged.predicted[which], judged.labels[which]))
        for which in (agree, ~agree)
    )
    pictures = [
        {**_picture(judged, i), "readings": readings[:, i].tolist()} for i in shown.tolist()
    ]
    return {"agreed": agreed, "disputed": disputed, "pictures": pictures}


def _submission(run: Run, data: Path | None) -> Facts:
    """The submission's rows; and its score, if the labels of a rehearsal are beside its digits."""
    file = run.folder / run.metrics["submission"]
    test = Path(run.config["data"]["test"]["origin"])
    solution = (data or test.parent) / "solution.csv"
    score = asdict(score_submission(file, solution)) if solution.is_file() else None
    rows = score["n"] if score else len(read_submission(file))
    return {"file": file.name, "rows": rows, "score": score}


def _compare(one: Sequence[Judged], other: Sequence[Judged]) -> Facts:
    """Compare two runs on the digits, matched by their bytes, that neither was trained on."""
    first, second = _by_image(one), _by_image(other)
    both = [(first[key], second[key]) for key in first if key in second]
    if not both:
        return {"n": 0}
    right = np.array(
        [[judged.predicted[i] == judged.labels[i] for judged, i in each] for each in both]
    ).T
    told: Facts = {"n": len(both), **compare(right[:1], right[1:]), "pictures": []}
    told["accuracies"] = [asdict(Accuracy.from_counts(int(r.sum()), len(r))) for r in right]
    for side, name in enumerate(("first", "second")):
        only = np.flatnonzero(right[side] & ~right[1 - side]).tolist()
        pictures = (_picture(*both[row][1 - side]) for row in only)
        told["pictures"].append(sorted(pictures, key=lambda it: -it["certainty"])[:GALLERY])
        told[f"n_only_{name}"] = len(only)
    return told


def _by_image(judged: Sequence[Judged]) -> dict[bytes, tuple[Judged, int]]:
    return {key: (each, i) for each in judged for i, key in enumerate(each.digits.keys)}
