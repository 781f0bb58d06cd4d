"""A run made of runs: the mean of their probabilities, judged as honestly as theirs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from kit.config import make_config
from kit.errors import DataError, UsageError
from kit.runs import Draft, Run, begin_run
from kit.training.material import Material, load_material
from kit.training.outcome import (
    Outcome,
    Prediction,
    Probabilities,
    judge_outcome,
    load_outcome,
    save_outcome,
)
from kit.training.provenance import describe_committee
from kit.training.split import Rows

# What members must have in common, and how it is said that they have not
_ROLES = {
    "train": "were given different digits to train on",
    "keras_test": "are judged on different Keras test images",
    "test": "predict different test files",
}


@dataclass(frozen=True, eq=False)
class _Average:
    """What members say together, all of it known before anything is written."""

    members: Sequence[Run]
    material: Material
    rows: tuple[Rows, Rows]
    outcome: Outcome

    def describe(self) -> dict[str, Any]:
        return describe_committee([run.name for run in self.members], self.material, self.rows)


def make_committee(members: Sequence[Run], submissions: Path, name: str) -> Run:
    """Make a run that predicts the mean of its members' probabilities.

    An image counts as seen if any member has seen it. The committee is validated on the rows that
    all of its members held out; where there are none, nothing foretells its score.

    Args:
        members: two or more complete runs on the same digits, none of them a committee.
        submissions: the folder of the runs, where this one is written.
        name: the last part of its name.

    Raises:
        UsageError: they are too few, one is named twice or is a committee, their digits differ, or
            the name is none.
        DataError: a member's files are broken, or its digits are no longer where they were.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    name = make_config({"name": name}).name
    average = _average(members)
    draft = begin_run(submissions, name, average.describe())
    return _finish(draft, average, began)


def complete_committee(draft: Draft, members: Sequence[Run]) -> Run:
    """Make a committee as `make_committee` does, out of the draft that has waited for its members.

    Raises:
        UsageError: the members' digits differ.
        DataError: a member's files are broken, or its digits are no longer where they were.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    average = _average(members)
    draft.write_json("config.json", {**average.describe(), "created": draft.config["created"]})
    return _finish(draft, average, began)


def _average(members: Sequence[Run]) -> _Average:
    _check_members(members)
    outcomes = [load_outcome(run) for run in members]
    first = members[0].config
    material = load_material(make_config(first["settings"]))
    material.check_same(first["data"], members[0].name)
    shared = reduce(np.intersect1d, [outcome.validation_rows for outcome in outcomes])
    outcome = Outcome(
        validation_rows=shared,
        validation=_mean([_at(outcome, shared) for outcome in outcomes]),
        keras_test=_together([outcome.keras_test for outcome in outcomes]),
        test=_together([outcome.test for outcome in outcomes]),
    )
    trained = np.setdiff1d(np.arange(len(material.train)), shared)
    return _Average(members, _as_recorded(material, outcome), (trained, shared), outcome)


def _finish(draft: Draft, average: _Average, began: float) -> Run:
    save_outcome(draft.folder, average.outcome)
    metrics = [run.metrics for run in average.members]
    kinds = ("load", "fit", "total")
    seconds = {kind: sum(member["seconds"][kind] for member in metrics) for kind in kinds}
    seconds["total"] += time.monotonic() - began
    return draft.finish(
        {
            "run": draft.name,
            "source": metrics[0]["source"],
            "preset": "committee",
            "seed": None,
            "rows": draft.config["rows"],
            "epochs": sum(member["epochs"] for member in metrics),
            **judge_outcome(average.outcome, average.material),
            "seconds": seconds,
            "members": [_describe_member(run) for run in average.members],
        }
    )


def _describe_member(run: Run) -> dict[str, Any]:
    told = {
        key: run.metrics[key]
        for key in ("run", "preset", "seed", "validation", "judged", "seconds")
    }
    return {**told, "normalization": run.config["settings"].get("normalization")}


def _check_members(members: Sequence[Run]) -> None:
    if len(members) < 2:
        raise UsageError(
            f"A committee has two members or more, found {len(members)}.",
            "Name two runs; kit history --offline lists them.",
        )
    folders = [run.folder.resolve() for run in members]
    for run in members:
        if folders.count(run.folder.resolve()) > 1:
            raise UsageError(f"{run.name}: named twice.", "Name each member once.")
        if "committee" in run.config:
            raise UsageError(
                f"{run.name}: is a committee itself.",
                f"Name its members instead: {' '.join(run.config['committee'])}",
            )
        if not isinstance(run.config.get("settings"), dict) or "data" not in run.config:
            raise DataError(
                f"{run.folder / 'config.json'}: not as the kit writes it.",
                "Put the file back, or train again.",
            )
    first = members[0]
    for run in members[1:]:
        for role, differ in _ROLES.items():
            if _fingerprint(run, role) != _fingerprint(first, role):
                raise UsageError(
                    f"{first.name} and {run.name} {differ}.",
                    "Name runs that were trained on the same data.",
                )


def _fingerprint(run: Run, role: str) -> str | None:
    recorded = run.config["data"].get(role)
    return None if recorded is None else recorded["fingerprint"]


def _at(outcome: Outcome, rows: Rows) -> Probabilities:
    return outcome.validation[np.searchsorted(outcome.validation_rows, rows)]


def _together(predictions: Sequence[Prediction | None]) -> Prediction | None:
    given = [prediction for prediction in predictions if prediction is not None]
    if not given:
        return None
    return Prediction(
        probabilities=_mean([prediction.probabilities for prediction in given]),
        seen=np.logical_or.reduce([prediction.seen for prediction in given]),
    )


def _mean(probabilities: Sequence[Probabilities]) -> Probabilities:
    mean: Probabilities = np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _as_recorded(material: Material, outcome: Outcome) -> Material:
    """Leave out what is at hand now, but was not when the members were trained."""
    return Material(
        material.train,
        None if outcome.keras_test is None else material.keras_test,
        None if outcome.test is None else material.kaggle_test,
    )
