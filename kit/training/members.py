"""Runs that are trained to make a committee, resumable one by one."""

from functools import partial
from pathlib import Path
from typing import Any

from kit.config import MEMBER_NORMALIZATIONS, TrainConfig, make_config
from kit.errors import DataError
from kit.runs import Draft, Run, begin_run, resume_run
from kit.training.backend import choose_backend
from kit.training.committee import complete_committee
from kit.training.material import load_material
from kit.training.provenance import describe_committee, plain_settings
from kit.training.report import Reporter
from kit.training.split import split_digits
from kit.training.train import go_on, train
from kit.training.train import resume as resume_member

# In a draft's config.json: the members' names, as they begin, and the settings of all of them
_COMMITTEE, _PLAN = "committee", "plan"


def plan_members(given: dict[str, Any], members: int) -> list[TrainConfig]:
    """Say what a committee's members are trained with: seed after seed, the same rows held out.

    Each normalises its digits as `MEMBER_NORMALIZATIONS` says, unless somebody gave one way.

    Args:
        given: the settings that somebody gave.
        members: how many there will be.

    Raises:
        UsageError: a setting is unknown, out of range, or at odds with another.
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
    given: dict[str, Any], members: int, submissions: Path, reporter: Reporter
) -> Run:
    """Train `members` runs, two or more, that differ, and make a committee of them.

    Args:
        given: the settings that somebody gave.
        members: how many runs to train.
        submissions: the folder of the runs.
        reporter: told how far it is.

    Raises:
        DataError: the source's files are missing or wrong.
        NetworkError: the Keras source is not at hand and cannot be downloaded.
        UsageError: a setting is wrong, or leaves no row to train on, or none to validate on.
        OSError: a run cannot be written.
    """
    plan = plan_members(given, members)
    choose_backend()
    reporter.stage("Reading digits")
    material = load_material(plan[0])
    described = describe_committee([], material, split_digits(material.train, plan[0]))
    # Each member reads them again: two copies would be held while one trains
    del material
    described[_PLAN] = [plain_settings(config) for config in plan]
    draft = begin_run(submissions, make_config(given).name, described)
    return _train_missing(draft, reporter)


def resume(run: str, submissions: Path, reporter: Reporter) -> Run:
    """Go on with an interrupted run or committee, to the same result as without interruption.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        UsageError: there is no such run, or another process is at it.
        OSError: a run cannot be written.
    """
    draft = resume_run(submissions, run)
    if isinstance(draft, Run):
        return draft
    if _COMMITTEE in draft.config:
        return _train_missing(draft, reporter)
    return go_on(draft, reporter)


def _train_missing(draft: Draft, reporter: Reporter) -> Run:
    begun, plan = draft.config[_COMMITTEE], draft.config.get(_PLAN, [])
    if not isinstance(begun, list) or not isinstance(plan, list):
        raise DataError(
            f"{draft.folder / 'config.json'}: not as the kit writes it.",
            f"Delete {draft.folder}; kit committee makes one of the runs that are whole.",
        )
    choose_backend()
    reporter.begin_committee(draft.name, max(len(begun), len(plan)))
    submissions = draft.folder.parent
    members = []
    for number, name in enumerate(begun, start=1):
        reporter.begin_member(number)
        members.append(resume_member(name, submissions, reporter))
    for number, settings in enumerate(plan[len(begun) :], start=len(begun) + 1):
        reporter.begin_member(number)
        config = make_config(settings)
        members.append(train(config, submissions, reporter, partial(_record, draft)))
    return complete_committee(draft, members)


def _record(draft: Draft, member: str) -> None:
    config = draft.config
    draft.write_json("config.json", {**config, _COMMITTEE: [*config[_COMMITTEE], member]})
