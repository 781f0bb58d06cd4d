"""From a configuration to a complete run."""

import time
from collections.abc import Callable
from pathlib import Path

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits
from kit.data.overlap import seen_in_training
from kit.errors import DataError
from kit.files import naming, write_whole
from kit.runs import Draft, Run, begin_run, resume_run
from kit.training.backend import choose_backend, load_backend
from kit.training.material import Material, load_material
from kit.training.normalization import normalise_digits
from kit.training.outcome import Outcome, Prediction, judge_outcome, save_outcome
from kit.training.progress import Epoch
from kit.training.provenance import describe
from kit.training.report import Reporter
from kit.training.split import Rows, split_digits


def train(
    config: TrainConfig,
    submissions: Path,
    reporter: Reporter,
    begun: Callable[[str], None] = lambda _run: None,
) -> Run:
    """Train what `config` says, and write the run with its predictions and its submission.

    Args:
        config: what to train.
        submissions: the folder of the runs.
        reporter: told how far it is.
        begun: told the run's name as soon as it can be resumed.

    Raises:
        DataError: the source's files are missing or wrong.
        NetworkError: the Keras source is not at hand and cannot be downloaded.
        UsageError: no row is left to train on, or none to validate on.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    choose_backend()
    reporter.stage("Reading digits")
    material = load_material(config)
    rows = split_digits(material.train, config)
    draft = begin_run(submissions, config.name, describe(config, material, rows))
    begun(draft.name)
    return _complete(draft, config, material, rows, reporter, began)


def resume(run: str, submissions: Path, reporter: Reporter) -> Run:
    """Go on with an interrupted run, to the same result as if it had not been interrupted.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        UsageError: there is no such run, or another process is at it.
        OSError: the run cannot be written.
    """
    draft = resume_run(submissions, run)
    return draft if isinstance(draft, Run) else go_on(draft, reporter)


def go_on(draft: Draft, reporter: Reporter) -> Run:
    """Do what `resume` does, with a draft that is already held.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    choose_backend()
    reporter.stage("Reading digits")
    if not isinstance(draft.config.get("settings"), dict) or "data" not in draft.config:
        raise DataError(
            f"{draft.folder / 'config.json'}: not as the kit writes it.",
            f"Delete {draft.folder} and train anew.",
        )
    config = make_config(draft.config["settings"])
    material = load_material(config)
    rows = split_digits(material.train, config)
    material.check_same(draft.config["data"], draft.name)
    # what was not at hand before may be now, and is then part of the run
    described = describe(config, material, rows)
    kept = {name: described[name] for name in ("data", "rows")}
    draft.write_json("config.json", {**draft.config, **kept})
    return _complete(draft, config, material, rows, reporter, began)


def _complete(
    draft: Draft,
    config: TrainConfig,
    material: Material,
    rows: tuple[Rows, Rows],
    reporter: Reporter,
    began: float,
) -> Run:
    loaded = time.monotonic()
    reporter.begin(draft.name, config.epochs)
    # Keras takes seconds to load: only now is it sure to be needed
    load_backend()
    import keras

    from kit.training.fit import fit
    from kit.training.networks import build_network, with_probabilities
    from kit.training.prediction import predict

    def normalised(digits: Digits) -> Digits:
        return normalise_digits(digits, config.normalization)

    # What an earlier training of this process compiled would stay in memory
    keras.utils.clear_session()
    network = build_network(config)
    learned = normalised(material.train)
    fit_began = time.monotonic()
    history = fit(network, learned, rows, config, draft.state, reporter.progress)
    fit_ended = time.monotonic()

    reporter.stage("Predicting")
    model = with_probabilities(network)

    def prediction(judged: Digits | None) -> Prediction | None:
        if judged is None:
            return None
        seen = seen_in_training(judged, material.train)
        return Prediction(predict(model, normalised(judged), config.views), seen)

    outcome = Outcome(
        validation_rows=rows[1],
        validation=predict(model, learned.take(rows[1]), config.views),
        keras_test=prediction(material.keras_test),
        test=prediction(material.kaggle_test),
    )
    _write_history(draft.folder / "history.csv", history)
    save_outcome(draft.folder, outcome)
    with naming(draft.folder / "model.keras") as path:
        model.save(path)
    # Epochs from before an interruption count as well
    trained = sum(epoch.seconds for epoch in history)
    seconds = {
        "load": loaded - began,
        "fit": trained,
        "total": time.monotonic() - began + max(0.0, trained - (fit_ended - fit_began)),
    }
    return draft.finish(
        {
            "run": draft.name,
            "source": config.source,
            "preset": config.preset,
            "seed": config.seed,
            "rows": draft.config["rows"],
            "epochs": len(history),
            **judge_outcome(outcome, material),
            "seconds": seconds,
        }
    )


def _write_history(path: Path, history: list[Epoch]) -> None:
    lines = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"]
    for epoch in history:
        values = vars(epoch).values()
        lines.append(",".join("" if value is None else f"{value:.6g}" for value in values))
    write_whole(path, "\n".join(lines) + "\n")
