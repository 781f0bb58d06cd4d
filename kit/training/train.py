"""From a configuration to a complete run."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competition.submission_file import write_submission
from kit.config import TrainConfig, make_config
from kit.data.digits import Digits
from kit.data.overlap import seen_in_training
from kit.errors import DataError, UsageError
from kit.files import naming, whole_file, write_whole
from kit.metrics import Accuracy, log_loss
from kit.runs import Draft, Run, begin_run, resume_run
from kit.training.backend import choose_backend, load_backend
from kit.training.material import Material, load_material
from kit.training.normalization import normalise_digits
from kit.training.progress import Epoch
from kit.training.provenance import describe
from kit.training.report import Reporter
from kit.training.split import Rows, split_rows

Probabilities = NDArray[np.float32]


def train(config: TrainConfig, submissions: Path, reporter: Reporter) -> Run:
    """Train what `config` says, and write the run with its predictions and its submission.

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
    rows = _split(material.train, config)
    draft = begin_run(submissions, config.name, describe(config, material, rows))
    return _complete(draft, config, material, rows, reporter, began)


def resume(run: str, submissions: Path, reporter: Reporter) -> Run:
    """Go on with an interrupted run, to the same result as if it had not been interrupted.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        UsageError: there is no such run, or another process is at it.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    choose_backend()
    draft = resume_run(submissions, run)
    if isinstance(draft, Run):
        return draft
    reporter.stage("Reading digits")
    if not isinstance(draft.config.get("settings"), dict) or "data" not in draft.config:
        raise DataError(
            f"{draft.folder / 'config.json'}: not as the kit writes it.",
            f"Delete {draft.folder} and train anew.",
        )
    config = make_config(draft.config["settings"])
    material = load_material(config)
    rows = _split(material.train, config)
    described = describe(config, material, rows)
    for role, before in draft.config["data"].items():
        now = described["data"][role]
        if before is not None and (now is None or now["fingerprint"] != before["fingerprint"]):
            found = "none" if now is None else f"fingerprint {now['fingerprint'][:12]}…"
            raise DataError(
                f"{before['origin']}: not the digits that {draft.name} began with "
                f"({found}, expected {before['fingerprint'][:12]}…).",
                "Put those back to resume it, or train a new run.",
            )
    # what was not at hand before may be now, and is then part of the run
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
    from kit.training.fit import fit
    from kit.training.networks import build_network, with_probabilities
    from kit.training.prediction import predict

    def seen_by_network(digits: Digits) -> Digits:
        return normalise_digits(digits, config.normalization)

    network = build_network(config)
    learned = seen_by_network(material.train)
    fit_began = time.monotonic()
    history = fit(network, learned, rows, config, draft.state, reporter.progress)
    fit_ended = time.monotonic()

    reporter.stage("Predicting")
    model = with_probabilities(network)
    validation = learned.take(rows[1])
    probabilities: dict[str, Any] = {
        "validation_rows": rows[1],
        "validation": predict(model, validation),
    }
    metrics: dict[str, Any] = {
        "run": draft.name,
        "source": config.source,
        "preset": config.preset,
        "seed": config.seed,
        "rows": draft.config["rows"],
        "epochs": len(history),
        "validation": _judge(probabilities["validation"], validation),
        "judged": None,
        "overlap": {},
        "submission": None,
    }
    if material.keras_test is not None:
        seen = seen_in_training(material.keras_test, material.train)
        predicted = predict(model, seen_by_network(material.keras_test))
        probabilities |= {"keras_test": predicted, "keras_test_seen": seen}
        metrics["overlap"]["keras_test"] = _overlap(seen)
        unseen = np.flatnonzero(~seen)
        metrics["judged"] = _judge(predicted[unseen], material.keras_test.take(unseen))
    if material.kaggle_test is not None:
        seen = seen_in_training(material.kaggle_test, material.train)
        predicted = predict(model, seen_by_network(material.kaggle_test))
        probabilities |= {"test": predicted, "test_seen": seen}
        metrics["overlap"]["test"] = _overlap(seen)
        metrics["submission"] = "submission.csv"
        write_submission(draft.folder / "submission.csv", predicted.argmax(axis=1))

    _write_history(draft.folder / "history.csv", history)
    with whole_file(draft.folder / "probabilities.npz") as stream:
        np.savez(stream, allow_pickle=False, **probabilities)
    with naming(draft.folder / "model.keras") as path:
        model.save(path)
    # Epochs from before an interruption count as well
    trained = sum(epoch.seconds for epoch in history)
    metrics["seconds"] = {
        "load": loaded - began,
        "fit": trained,
        "total": time.monotonic() - began + max(0.0, trained - (fit_ended - fit_began)),
    }
    return draft.finish(metrics)


def _split(digits: Digits, config: TrainConfig) -> tuple[Rows, Rows]:
    if digits.labels is None:
        raise ValueError("training needs labels")
    training, validation = split_rows(digits.labels, config)
    if not len(training) or (config.validation_fraction and not len(validation)):
        raise UsageError(
            f"validation_fraction: {config.validation_fraction} of {len(digits)} rows leaves "
            f"{len(training)} to train on and {len(validation)} to validate on.",
            "Choose a fraction that leaves some of both, or 0.",
        )
    return training, validation


def _judge(probabilities: Probabilities, digits: Digits) -> dict[str, Any] | None:
    if digits.labels is None or not len(digits):
        return {**asdict(Accuracy.from_counts(0, 0)), "log_loss": None}
    predicted = probabilities.argmax(axis=1)
    return {
        **asdict(Accuracy.from_predictions(predicted, digits.labels)),
        "log_loss": log_loss(probabilities, digits.labels),
    }


def _overlap(seen: NDArray[np.bool_]) -> dict[str, int]:
    return {"n": len(seen), "n_overlap": int(seen.sum())}


def _write_history(path: Path, history: list[Epoch]) -> None:
    lines = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"]
    for epoch in history:
        values = vars(epoch).values()
        lines.append(",".join("" if value is None else f"{value:.6g}" for value in values))
    write_whole(path, "\n".join(lines) + "\n")
