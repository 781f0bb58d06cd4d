"""A run made of runs: the mean of their probabilities, judged by the same rules as theirs."""

import time
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from kit.config import MEMBER_NORMALIZATIONS, TrainConfig, make_config
from kit.errors import DataError, UsageError
from kit.runs import CONFIG, Draft, Run, begin_run, find_draft
from kit.training.backend import choose_backend
from kit.training.callback import Callback
from kit.training.dataset import Dataset, Rows, load_dataset, split_digits
from kit.training.predictions import (
    Prediction,
    Predictions,
    judge,
    load_predictions,
    mean_probabilities,
    save_predictions,
)
from kit.training.train import complete_run, describe_surroundings, plain_settings, train

# In a committee's config.json: its members' names as they begin. In its draft's: their settings
_COMMITTEE, _PLAN = "committee", "plan"
# What members must have in common, and how an error says that they differ
_PARTS = {
    "train": "were given different digits to train on",
    "keras_test": "are judged on different Keras test images",
    "test": "predict different test files",
}


def plan_members(given: dict[str, Any], members: int) -> list[TrainConfig]:
    """Return the configurations of a committee's members: one seed each, the same rows held out.

    Each has a normalisation of its own from `MEMBER_NORMALIZATIONS`, unless one was given.

    Args:
        given: the settings that somebody gave.
        members: how many members there will be.

    Raises:
        UsageError: a setting is unknown, out of range, or does not fit another.
    """
    base = make_config(given)
    own = given.get("normalization") is None
    return [
        make_config(
            {
                **base.model_dump(),
                "name": f"{base.name}-{number + 1}",
                "seed": base.seed + number,
                "split_seed": base.seed if base.split_seed is None else base.split_seed,
                "normalization": MEMBER_NORMALIZATIONS[number % len(MEMBER_NORMALIZATIONS)]
                if own
                else base.normalization,
            }
        )
        for number in range(members)
    ]


def train_committee(
    given: dict[str, Any], members: int, submissions: Path, callback: Callback
) -> Run:
    """Train two or more different runs, and make a committee of them.

    Args:
        given: the settings that somebody gave.
        members: how many runs to train.
        submissions: the folder of the runs.
        callback: told about the progress.

    Raises:
        DataError: the source's files are missing or wrong.
        NetworkError: MNIST is the source, is not on this machine and cannot be downloaded.
        UsageError: a setting is wrong, or leaves no row to train on, or none to validate on.
        TrainingError: a training has diverged.
        OSError: a run cannot be written.
    """
    plan = plan_members(given, members)
    choose_backend()
    callback.on_stage("Reading digits")
    dataset = load_dataset(plan[0])
    described = _describe([], dataset, split_digits(dataset.train, plan[0]))
    # Each member reads them again: two copies would be in memory while one trains
    del dataset
    described[_PLAN] = [plain_settings(config) for config in plan]
    draft = begin_run(submissions, make_config(given).name, described)
    return _complete_committee(draft, callback)


def resume(run: str, submissions: Path, callback: Callback) -> Run:
    """Complete an interrupted run or committee, to the same result as without interruption.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        UsageError: there is no such run, or another process is working on it.
        TrainingError: a training has diverged.
        OSError: a run cannot be written.
    """
    draft = find_draft(submissions, run)
    if isinstance(draft, Run):
        return draft
    if _COMMITTEE in draft.config:
        return _complete_committee(draft, callback)
    return complete_run(draft, callback)


def _complete_committee(draft: Draft, callback: Callback) -> Run:
    names, plan = draft.config[_COMMITTEE], draft.config.get(_PLAN, [])
    if not isinstance(names, list) or not isinstance(plan, list):
        raise DataError(
            f"{draft.folder / CONFIG}: not as the kit writes it.",
            f"Delete {draft.folder}; kit committee can average the members that are complete.",
        )
    choose_backend()
    callback.on_committee_begin(draft.name, max(len(names), len(plan)))
    submissions = draft.folder.parent

    def record(run: str) -> None:
        names.append(run)
        draft.write_json(CONFIG, {**draft.config, _COMMITTEE: names})

    members = []
    for number in range(max(len(names), len(plan))):
        callback.on_member_begin(number + 1)
        if number < len(names):
            members.append(resume(names[number], submissions, callback))
        else:
            members.append(train(make_config(plan[number]), submissions, callback, record))
    began = time.monotonic()
    dataset, predictions, described = _average(members)
    draft.write_json(CONFIG, {**described, "created": draft.config["created"]})
    return _finish(draft, members, dataset, predictions, began)


def make_committee(members: Sequence[Run], submissions: Path, name: str) -> Run:
    """Make a run that predicts the mean of its members' probabilities.

    An image counts as seen if any member has seen it. The committee is validated on the rows that
    all members held out. Where there are none, it has no validation.

    Args:
        members: two or more complete runs on the same digits, none of them a committee.
        submissions: the folder of the runs, where this one is written.
        name: the last part of its name.

    Raises:
        UsageError: there are too few members, one is named twice or is a committee, their digits
            differ, or the name is not allowed.
        DataError: a member's files are broken, or its digits are no longer where they were.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    name = make_config({"name": name}).name
    dataset, predictions, described = _average(members)
    draft = begin_run(submissions, name, described)
    return _finish(draft, members, dataset, predictions, began)


def _average(members: Sequence[Run]) -> tuple[Dataset, Predictions, dict[str, Any]]:
    """Average the members' predictions. Return them with their dataset and `config.json`."""
    _check_members(members)
    of_members = [load_predictions(run) for run in members]
    dataset = load_dataset(make_config(members[0].settings))
    dataset.check_same(members[0].config["data"], members[0].name)
    shared = reduce(np.intersect1d, [predictions.validation_rows for predictions in of_members])
    predictions = Predictions(
        validation_rows=shared,
        validation=mean_probabilities(
            [each.validation[np.searchsorted(each.validation_rows, shared)] for each in of_members]
        ),
        keras_test=_mean_prediction([each.keras_test for each in of_members]),
        test=_mean_prediction([each.test for each in of_members]),
    )
    # A part of the dataset may be here now that was missing when the members were trained
    dataset = Dataset(
        dataset.train,
        None if predictions.keras_test is None else dataset.keras_test,
        None if predictions.test is None else dataset.test,
    )
    rows = (np.setdiff1d(np.arange(len(dataset.train)), shared), shared)
    return dataset, predictions, _describe([run.name for run in members], dataset, rows)


def _describe(names: list[str], dataset: Dataset, rows: tuple[Rows, Rows]) -> dict[str, Any]:
    return {_COMMITTEE: names, **describe_surroundings(["digit-kit", "numpy"], dataset, rows)}


def _finish(
    draft: Draft, members: Sequence[Run], dataset: Dataset, predictions: Predictions, began: float
) -> Run:
    save_predictions(draft.folder, predictions)
    metrics = [run.metrics for run in members]
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
            **judge(predictions, dataset),
            "seconds": seconds,
            "members": [_describe_member(run) for run in members],
        }
    )


def _describe_member(run: Run) -> dict[str, Any]:
    copied = ("run", "preset", "seed", "validation", "keras_test", "seconds")
    return {
        **{key: run.metrics[key] for key in copied},
        "normalization": run.settings.get("normalization"),
    }


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
        if _COMMITTEE in run.config:
            raise UsageError(
                f"{run.name}: is a committee itself.",
                f"Name its members instead: {' '.join(run.config[_COMMITTEE])}",
            )
        if "data" not in run.config or not run.settings:
            raise DataError(
                f"{run.folder / CONFIG}: not as the kit writes it.",
                "Put the file back, or train again.",
            )
    first = members[0]
    for run in members[1:]:
        for part, differ in _PARTS.items():
            if _fingerprint(run, part) != _fingerprint(first, part):
                raise UsageError(
                    f"{first.name} and {run.name} {differ}.",
                    "Name runs that were trained on the same data.",
                )


def _fingerprint(run: Run, part: str) -> str | None:
    recorded = run.config["data"].get(part)
    return None if recorded is None else recorded["fingerprint"]


def _mean_prediction(predictions: Sequence[Prediction | None]) -> Prediction | None:
    given = [prediction for prediction in predictions if prediction is not None]
    if not given:
        return None
    return Prediction(
        probabilities=mean_probabilities([prediction.probabilities for prediction in given]),
        seen=np.logical_or.reduce([prediction.seen for prediction in given]),
    )
