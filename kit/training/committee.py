"""A run made of runs: the mean of their probabilities, judged by the same rules as theirs."""

import logging
import time
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from kit.config import COMMITTEE, MEMBER_NORMALIZATIONS, TrainConfig, make_config
from kit.data.digits import Source
from kit.errors import TrainingError, UsageError
from kit.runs import CONFIG, Draft, Run, begin_run, find_draft
from kit.training.callback import Callback
from kit.training.dataset import Dataset, Rows, load_dataset, rows_without, split_digits
from kit.training.predictions import (
    PARTS,
    Predictions,
    Probabilities,
    finish_run,
    load_predictions,
    mean_probabilities,
)
from kit.training.train import begin_training, complete_run, provenance, read_digits, train_on

LOGGER = logging.getLogger(__name__)
# Keys of a committee's config.json: its members that have begun; in a draft, the settings of all
_COMMITTEE, _PLAN = "committee", "plan"


def plan_training(
    given: dict[str, Any], members: int | None = None, folds: int | None = None
) -> list[TrainConfig]:
    """Return what to train: one network, or the members of a committee.

    Members have one seed each, and hold out the same rows. With the preset `committee` they are the
    kinds of `COMMITTEE`, by default one of each. Else they have a normalisation each from
    `MEMBER_NORMALIZATIONS`, unless `given` has one; with `folds`, they differ in the fold that is
    held out and in the seed alone.

    Raises:
        UsageError: what is given does not fit together, or a setting is wrong.
    """
    if members and folds:
        raise UsageError("--members and --folds each make a committee.", "Give one of them.")
    kinds: tuple[dict[str, Any], ...] = ({},)
    if given.get("preset") == "committee":
        if folds:
            what = "--folds judges one kind of network, and a committee has many."
            raise UsageError(what, "Name another --preset, such as cnn.")
        kinds, given = COMMITTEE, {"name": "committee", **given}
        del given["preset"]
    elif members and not given.get("normalization"):
        kinds = tuple({"normalization": (kind,)} for kind in MEMBER_NORMALIZATIONS)
        given = {key: value for key, value in given.items() if key != "normalization"}
    base = make_config({**kinds[0], **given})
    if kinds is not COMMITTEE and not (members or folds):
        return [base]
    number = members or folds or len(kinds)
    return [
        make_config(
            {
                **kinds[i % len(kinds)],
                **given,
                "name": f"{base.name}-{i + 1}",
                "seed": base.seed + i,
                "split_seed": base.seed if base.split_seed is None else base.split_seed,
                "fold": (i + 1, number) if folds else None,
            }
        )
        for i in range(number)
    ]


def train_plan(
    plan: list[TrainConfig], submissions: Path, callback: Callback, source: Source | None = None
) -> Run:
    """Train what `plan_training` returned: a run, or runs and a committee of them.

    `source` are their digits, if they were read already.

    Raises:
        DataError: the source's files are missing or wrong.
        NetworkError: MNIST is the source, is not on this machine and cannot be downloaded.
        UsageError: no row is left to train on, or none to validate on.
        TrainingError: the training has diverged, or ran out of memory.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    dataset = read_digits(plan[0], callback, source, tell=True)
    if len(plan) == 1:
        return train_on(begin_training(plan[0], dataset, submissions), dataset, callback, began)
    # A split that leaves nothing is refused before anything is written
    split_digits(dataset.train, plan[0])
    record = {_COMMITTEE: [], _PLAN: _settings(plan), **provenance()}
    draft = begin_run(submissions, plan[0].name.removesuffix("-1"), record)
    return _complete_committee(draft, callback, dataset)


def resume(run: str, submissions: Path, callback: Callback, data: Path | None = None) -> Run:
    """Complete an interrupted run or committee, to the same result as without interruption.

    It takes `data`, and raises errors, as `complete_run` does.

    Raises:
        UsageError: there is no such run, or another process is working on it.
    """
    draft = find_draft(submissions, run)
    if isinstance(draft, Run):
        if data is not None:
            LOGGER.warning("%s is complete, so nothing was read from %s.", draft.name, data)
        return draft
    if _COMMITTEE in draft.config:
        return _complete_committee(draft, callback, data=data)
    return complete_run(draft, callback, data)


def _complete_committee(
    draft: Draft, callback: Callback, dataset: Dataset | None = None, data: Path | None = None
) -> Run:
    record, submissions = draft.config, draft.folder.parent
    names, plan = record[_COMMITTEE], record.pop(_PLAN, [])
    # The digits of the members that have not begun are where the others' are
    plan = [make_config(settings, data) for settings in plan]
    callback.on_committee_begin(draft.name, max(len(names), len(plan)))
    members = []
    for number, name in enumerate(names, start=1):
        callback.on_member_begin(number)
        members.append(resume(name, submissions, callback, data))
    for number, config in enumerate(plan[len(names) :], start=len(names) + 1):
        callback.on_member_begin(number)
        began = time.monotonic()
        dataset = dataset or read_digits(config, callback)
        member = begin_training(config, dataset, submissions)
        # From now on, the committee that is interrupted goes on with this member
        names.append(member.name)
        draft.write_json(CONFIG, {**record, _PLAN: _settings(plan)})
        try:
            members.append(train_on(member, dataset, callback, began))
        except TrainingError:
            if not member.folder.exists():
                # Without it, the committee cannot be completed. The other members are runs
                draft.discard()
            raise

    complete, average, dataset, about = _average(members, dataset)
    draft.write_json(CONFIG, {**complete, "created": record["created"]})
    return finish_run(draft, average, dataset, about)


def _settings(plan: list[TrainConfig]) -> list[dict[str, Any]]:
    return [config.model_dump(mode="json") for config in plan]


def make_committee(
    members: Sequence[Run], submissions: Path, name: str, data: Path | None = None
) -> Run:
    """Make a run in `submissions` that predicts the mean of its members' probabilities.

    An image counts as seen if any member has seen it. The committee is validated on the rows that
    all members held out. Where there are none, it has no validation. If the members are all folds
    of a split, each row is judged by the one member that held it out: that estimates one member.

    Raises:
        UsageError: there are fewer than two members, one is named twice or is a committee, their
            digits differ, or the name is not allowed.
        DataError: a member's files are broken, or its digits are neither where they were nor in
            `data`.
        OSError: the run cannot be written.
    """
    name = make_config({"name": name}).name
    record, average, dataset, about = _average(members, data=data)
    return finish_run(begin_run(submissions, name, record), average, dataset, about)


def _average(
    members: Sequence[Run], dataset: Dataset | None = None, data: Path | None = None
) -> tuple[dict[str, Any], Predictions, Dataset, dict[str, Any]]:
    # What `config.json` says, then what `finish_run` takes
    began = time.monotonic()
    _check_members(members)
    each = [load_predictions(run) for run in members]
    described, counts = (members[0].config[key] for key in ("data", "rows"))
    dataset = dataset or load_dataset(make_config(members[0].settings, data))
    recorded = dict(described)
    if dataset.keras_test is None and recorded.pop("keras_test") is not None:
        LOGGER.warning("MNIST is missing: the committee is not judged on the Keras test split.")
    dataset.check_same(recorded, members[0].name)
    shared, out_of_fold = _held_out(each, len(dataset.train))
    is_folded = len(shared) == len(dataset.train)
    average: Predictions = {"validation_rows": shared, "validation": out_of_fold}
    for part in PARTS:
        if part in each[0]:
            average[part] = mean_probabilities([given[part] for given in each])
            average[f"{part}_seen"] = np.any([given[f"{part}_seen"] for given in each], axis=0)
    metrics = [run.metrics for run in members]
    copied = ("preset", "seed", "validation", "keras_test", "seconds")
    told = [
        {"run": run.name, "normalization": run.settings["normalization"]}
        | {key: run.metrics[key] for key in copied}
        for run in members
    ]
    trained = len(dataset.train if is_folded else rows_without(dataset.train, shared))
    counts = {**counts, "train": trained, "validation": len(shared)}
    parts = ("load", "fit", "total")
    seconds = {part: sum(each["seconds"][part] for each in metrics) for part in parts}
    seconds["total"] += time.monotonic() - began
    about: dict[str, Any] = {
        "source": metrics[0]["source"],
        "preset": "committee",
        "seed": None,
        "epochs": sum(each["epochs"] for each in metrics),
        "seconds": seconds,
        "members": told,
    }
    if is_folded:
        about["folds"] = len(members)
    record = {_COMMITTEE: [run.name for run in members], **provenance()}
    return {**record, "data": described, "rows": counts}, average, dataset, about


def _held_out(each: list[Predictions], n: int) -> tuple[Rows, Probabilities]:
    """The rows that all members held out, and their mean; of folds, all `n`, by their members."""
    rows = np.concatenate([given["validation_rows"] for given in each])
    if np.array_equal(np.sort(rows), np.arange(n)):
        validation = np.concatenate([given["validation"] for given in each])
        return np.arange(n), validation[np.argsort(rows)]
    shared = reduce(np.intersect1d, [given["validation_rows"] for given in each])
    places = [np.searchsorted(given["validation_rows"], shared) for given in each]
    held_out = [given["validation"][rows] for given, rows in zip(each, places, strict=True)]
    return shared, mean_probabilities(held_out)


def _check_members(members: Sequence[Run]) -> None:
    if len(members) < 2:
        what = f"A committee has two members or more, found {len(members)}."
        raise UsageError(what, "Name two runs; kit history --offline lists them.")
    folders = [run.folder.resolve() for run in members]
    for run in members:
        if folders.count(run.folder.resolve()) > 1:
            raise UsageError(f"{run.name}: named twice.", "Name each member once.")
        if _COMMITTEE in run.config:
            remedy = f"Name its members instead: {' '.join(run.config[_COMMITTEE])}"
            raise UsageError(f"{run.name}: is a committee itself.", remedy)
        for part in ("train", *PARTS):
            recorded = [each.config["data"][part] for each in (members[0], run)]
            first, other = (digits and digits["fingerprint"] for digits in recorded)
            if first != other:
                what = f"{members[0].name} and {run.name} differ in their {part} digits."
                raise UsageError(what, "Name runs that were trained on the same data.")
