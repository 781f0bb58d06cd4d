"""kit train, kit rehearse."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.app import app
from kit.cli.console import print_json, print_lines, training_bar, with_interval
from kit.cli.options import SUBMISSIONS, Data, Json, Source, Submissions
from kit.cli.searching import Storage
from kit.errors import UsageError

if TYPE_CHECKING:
    from kit.runs import Run


Preset = Annotated[
    str | None, typer.Option(help="baseline (the lab's) or tuned. [default: tuned]", metavar="NAME")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training rows.")]


@app.command(
    epilog="""\b
Examples:
  kit train
  kit train --source kaggle --preset tuned --seed 7
  kit train --hidden 800 --hidden 600 --epochs 20 --name wide
  kit train --from-study tune --epochs 60
  kit train --resume 20260131-120000-tuned"""
)
def train(
    source: Source = None,
    data: Data = None,
    preset: Preset = None,
    epochs: Epochs = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a gradient step.")] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(help="Units of a hidden layer; repeat it for each.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest, if it varies.")] = None,
    validation_fraction: Annotated[
        float | None, typer.Option(help="Share of the training rows held out, 0 for none.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better validation.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides all that chance does.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The end of the run's name. [default: the preset's]")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings from a JSON file, such as a run's config.json; options win over it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            help="Settings of a study's best trial; options win over them.", metavar="STUDY"
        ),
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Which of the study's trials instead of its best.")
    ] = None,
    storage: Storage = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with an interrupted run.", metavar="RUN")
    ] = None,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Train a network, and write a run with its submission.csv.

    Its validation, history and predictions are part of the run. What is not given comes from
    --config or --from-study, else from the preset.
    """
    given = {
        "source": source and source.value,
        "data": data,
        "preset": preset,
        "epochs": epochs,
        "batch_size": batch_size,
        "hidden": tuple(hidden) if hidden else None,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "validation_fraction": validation_fraction,
        "patience": patience,
        "seed": seed,
        "name": name,
    }
    given = {setting: value for setting, value in given.items() if value is not None}
    if resume is not None and (given or config):
        options = ", ".join(f"--{setting.replace('_', '-')}" for setting in given) or "--config"
        raise UsageError(
            f"--resume goes on with the settings of its run; {options} cannot change them.",
            "Leave them out, or train a new run without --resume.",
        )

    if from_study is None and trial is not None:
        raise UsageError("--trial: of which study?", "Name it with --from-study STUDY.")
    if from_study is not None and (config or resume):
        raise UsageError(
            f"--from-study and {'--config' if config else '--resume'} both give settings.",
            "Give one of them.",
        )

    from kit.config import make_config, parse_settings
    from kit.training.train import resume as resume_training
    from kit.training.train import train as train_run

    with training_bar(_resuming(submissions)) as bar:
        if resume is not None:
            run = resume_training(resume, submissions, bar)
        else:
            settings = parse_settings(config.read_bytes(), str(config)) if config else {}
            if from_study is not None:
                from kit.search.results import trial_settings
                from kit.search.storage import default_storage

                settings = trial_settings(
                    storage or default_storage(submissions), from_study, trial
                )
            run = train_run(make_config({**settings, **given}), submissions, bar)
    if json:
        print_json(_figures(run))
    else:
        print_lines(_told(run))


@app.command(
    epilog="""\b
Examples:
  kit rehearse
  kit rehearse --seed 7 --preset baseline --epochs 10
  kit rehearse --serve"""
)
def rehearse(
    seed: Annotated[int, typer.Option(min=0, help="Deals the images, and seeds training.")] = 0,
    preset: Preset = None,
    epochs: Epochs = None,
    data: Annotated[
        Path, typer.Option(help="Where rehearsal-SEED/ is, or is made.", file_okay=False)
    ] = Path("data"),
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve its files as Kaggle would, instead of training on it."),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to serve; 0 takes a free port.")
    ] = 0,
    submissions: Submissions = SUBMISSIONS,
    json: Json = False,
) -> None:
    """Rehearse the competition on MNIST, and score the result.

    Its files are dealt from MNIST's images, trained on and predicted. The labels of test.csv are
    hidden in solution.csv, which only the scoring reads. With --serve, a Kaggle of your own gives
    out the files and judges what is submitted, until Ctrl-C.
    """
    from kit.config import make_config
    from kit.data.mnist import load_keras
    from kit.data.rehearsal import make_rehearsal
    from kit.evaluation.scoring import score_submission
    from kit.training.train import train as train_run

    if serve:
        from kit.cli.serving import serve_rehearsal

        serve_rehearsal(make_rehearsal(load_keras(), seed, data), port, json=json)
        return
    given = {"preset": preset, "epochs": epochs}
    given = {setting: value for setting, value in given.items() if value is not None}
    with training_bar(_resuming(submissions)) as bar:
        bar.stage("Dealing the rehearsal")
        # before the files: a setting that is wrong should cost nothing
        config = make_config(
            {
                "source": "kaggle",
                "data": data / f"rehearsal-{seed}",
                "seed": seed,
                "name": f"rehearsal-{seed}",
                **given,
            }
        )
        rehearsal = make_rehearsal(load_keras(), seed, data)
        run = train_run(config, submissions, bar)
    score = score_submission(run.folder / "submission.csv", rehearsal.solution)
    if json:
        print_json({**_figures(run), "rehearsal": str(rehearsal.folder), "score": vars(score)})
        return
    print_lines(_told(run))
    print_lines([f"Score on the hidden labels {with_interval(**vars(score))}"])


def _resuming(submissions: Path) -> str:
    if submissions == SUBMISSIONS:
        return "kit train --resume"
    return f"kit train --submissions {shlex.quote(str(submissions))} --resume"


def _figures(run: "Run") -> dict[str, Any]:
    metrics = run.metrics
    file = metrics["submission"]
    return {
        **metrics,
        "run": run.name,
        "submission": None if file is None else str(run.folder / file),
    }


def _told(run: "Run") -> list[str]:
    metrics = run.metrics
    rows, seconds, overlap = metrics["rows"], metrics["seconds"], metrics["overlap"].get("test")
    epochs = "1 epoch" if metrics["epochs"] == 1 else f"{metrics['epochs']} epochs"
    trained = f"Trained {epochs} on {rows['train']:,} rows"
    lines = [f"{trained} in {seconds['fit']:.0f} s, {seconds['total']:.0f} s in all: {run.folder}"]
    if metrics["validation"]["n"]:
        figures = {name: metrics["validation"][name] for name in ("accuracy", "n", "interval")}
        lines.append(f"Validation accuracy {with_interval(**figures)}")
    else:
        lines.append("No row was held out for validation, so nothing foretells this run's score.")
    if overlap is None:
        lines.append("No submission: Kaggle's test.csv is not at hand (kit download fetches it).")
    else:
        lines.append(f"Submission {run.folder / metrics['submission']}")
        if overlap["n_overlap"]:
            seen = f"{overlap['n_overlap']:,} of its {overlap['n']:,} images"
            lines.append(f"Overlapping: {seen} were trained on; its score would say nothing.")
    return lines
