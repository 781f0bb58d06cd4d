"""kit train, kit rehearse, kit committee."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import command, given_settings, resume_command
from kit.cli.options import (
    SUBMISSIONS,
    Data,
    Epochs,
    Json,
    MovedData,
    Preset,
    Rehearsals,
    Source,
    Storage,
    Submissions,
    complete_run_name,
)
from kit.cli.output import note, print_run
from kit.cli.progress import training_bar
from kit.errors import UsageError

Views = Annotated[
    int | None, typer.Option(help="Average each prediction over this many slightly warped views.")
]
Members = Annotated[
    int | None,
    typer.Option(min=2, help="Train this many different runs, and make a committee of them."),
]
Folds = Annotated[
    int | None, typer.Option(min=2, help="Train this many, each without another part of the rows.")
]


@command(
    "kit train",
    "kit train --source kaggle --preset tuned --seed 7",
    "kit train --hidden 800 --hidden 600 --epochs 20 --name wide",
    "kit train --preset cnn --conv 32x5/2 --conv 64x5/2 --hidden 256",
    "kit train --from-study tune --epochs 60",
    "kit train --source kaggle --members 5",
    "kit train --source kaggle --preset committee",
    "kit train --resume 20260131-120000-tuned",
)
def train(
    source: Source = None,
    data: Data = None,
    preset: Preset = None,
    epochs: Epochs = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a gradient step.")] = None,
    conv: Annotated[
        list[str] | None,
        typer.Option(metavar="FILTERSxKERNEL/STRIDE", help="A layer of convolutions; repeat it."),
    ] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(help="Units of a hidden layer; repeat it for each.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate; with one_cycle, its highest value.")
    ] = None,
    validation_fraction: Annotated[
        float | None, typer.Option(help="Share of the training rows to hold out; 0 for none.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after this many epochs without a better validation.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    views: Views = None,
    members: Members = None,
    folds: Folds = None,
    name: Annotated[
        str | None, typer.Option(help="The last part of the run's name. [default: the preset's]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A JSON file of settings, such as a run's config.json.")
    ] = None,
    from_study: Annotated[
        str | None, typer.Option(metavar="STUDY", help="Use the settings of its best trial.")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Use this trial of the study instead of its best.")
    ] = None,
    storage: Storage = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Complete an interrupted run; --data names moved digits."),
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Train a network, and write a run with its submission.csv.

    The run also holds its settings, history, validation and predictions. Settings that are not
    given come from --config or --from-study, else from the preset. --members trains several runs
    that differ by seed and normalisation, and averages them in a run of its own; with --preset
    committee they differ in kind. --folds K judges every training row by a network that has not
    seen it.
    """
    given = given_settings(locals())
    sources = {"--preset": preset, "--config": config, "--from-study": from_study}
    sources |= {"--resume": resume}
    named = [option for option, value in sources.items() if value is not None]
    if len(named) > 1:
        remedy = "Give one of them. A JSON file for --config may name its preset."
        raise UsageError(f"{' and '.join(named)} each give settings.", remedy)
    fixed = [*(given.keys() - {"data"}), *["members"] * bool(members), *["folds"] * bool(folds)]
    if resume is not None and fixed:
        options = ", ".join(f"--{setting.replace('_', '-')}" for setting in sorted(fixed))
        what = f"--resume uses the settings of its run; {options} cannot change them."
        raise UsageError(what, "Leave them out, or train a new run without --resume.")
    if from_study is None and trial is not None:
        raise UsageError("--trial needs a study.", "Name it with --from-study STUDY.")

    from kit.runs import read_settings
    from kit.training.committee import plan_training, train_plan
    from kit.training.committee import resume as resume_training

    # A run that is named by its folder need not be in the usual one
    place = Path(resume).parent if resume and Path(resume).name != resume else submissions
    with training_bar(resume_command(place)) as bar:
        if resume is not None:
            run = resume_training(resume, submissions, bar, data)
        else:
            settings = read_settings(config) if config else {}
            if from_study is not None:
                from kit.search.study import default_address, trial_settings

                address = storage or default_address(submissions)
                settings = trial_settings(address, from_study, trial)
                note(
                    "These settings were chosen by the rows held out. So this run's validation "
                    "accuracy is a little too high."
                )
            if source is not None and settings.get("source") != source:
                # The other source's files are not this one's
                settings.pop("data", None)
            plan = plan_training({**settings, **given}, members, folds)
            run = train_plan(plan, submissions, bar)
    print_run(run, as_json=json)


@command(
    "kit rehearse",
    "kit rehearse --seed 7 --preset baseline --epochs 10",
    "kit rehearse --members 5",
)
def rehearse(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the deal and of the training.")] = 0,
    preset: Preset = None,
    epochs: Epochs = None,
    views: Views = None,
    members: Members = None,
    folds: Folds = None,
    data: Rehearsals = Path("data"),
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Rehearse the competition on MNIST, and score the result.

    It deals MNIST's images into Kaggle's files, trains on train.csv and predicts test.csv. The
    labels of test.csv are hidden in solution.csv, which only the scoring reads.
    """
    given = given_settings(locals())
    from kit.data.mnist import load_keras
    from kit.data.rehearsal import make_rehearsal
    from kit.evaluation.judging import score_submission
    from kit.runs import members_of
    from kit.training.backend import choose_backend
    from kit.training.committee import plan_training, train_plan

    name, folder = f"rehearsal-{seed}", data / f"rehearsal-{seed}"
    settings = {**given, "source": "kaggle", "data": folder, "name": name}
    with training_bar(resume_command(submissions)) as bar:
        bar.on_stage("Making the rehearsal")
        # Before the files are made: what is wrong should cost nothing
        choose_backend()
        plan = plan_training(settings, members, folds)
        rehearsal = make_rehearsal(load_keras(), seed, data)
        run = train_plan(plan, submissions, bar)
    solution = rehearsal / "solution.csv"
    scores = {
        each.name: asdict(score_submission(each.folder / "submission.csv", solution))
        for each in (*members_of(run), run)
    }
    print_run(run, as_json=json, scores=scores, rehearsal=folder)


@command(
    "kit committee 20260131-120000-tuned 20260131-120500-wide",
    "kit committee submissions/*-tuned --name tuned-committee --json",
)
def committee(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Names or folders of two or more runs.",
            autocompletion=complete_run_name,
        ),
    ],
    name: Annotated[str, typer.Option(help="The last part of the committee's name.")] = "committee",
    data: MovedData = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Average the predictions of several runs, and write a run with the result.

    It can be validated, checked and submitted like any run. It is validated on the rows that all
    members held out. An image counts as seen if any member has seen it.
    """
    from kit.runs import find_run
    from kit.training.committee import make_committee

    note("Averaging …")
    members = [find_run(submissions, run) for run in runs]
    print_run(make_committee(members, submissions, name, data), as_json=json)
