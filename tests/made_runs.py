"""Runs whose predictions are made by hand, so that no network is needed."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Digits, seen_in_training
from kit.runs import Run, begin_run
from kit.training.dataset import load_dataset, split_digits
from kit.training.predictions import PARTS, Predictions, finish_run
from kit.training.train import provenance

HISTORY = """epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
1,1.25,0.625,0.75,0.8125,0.01,2.5
2,0.5,0.875,0.375,0.9375,0.001,1.5
"""


def make_run(
    project: Path, name: str = "made", *, wrong: float = 0.1, mnist: bool = True, **settings: Any
) -> Run:
    """Make a run in `project`, by default on its `data/kaggle`; a share of digits it reads wrong.

    Without `mnist`, it has no predictions for the Keras test split.
    """
    given = {"source": "kaggle", "data": project / "data" / "kaggle", "preset": "baseline"}
    config = make_config({**given, "name": name, **settings})
    dataset = load_dataset(config)
    if not mnist:
        object.__setattr__(dataset, "keras_test", None)
    rows = split_digits(dataset.train, config)
    rng = np.random.default_rng(config.seed)
    record = {"settings": config.model_dump(mode="json"), "backend": "tensorflow"}
    record |= {**provenance("keras"), **dataset.describe(rows)}
    draft = begin_run(project / "submissions", name, record)
    (draft.folder / "history.csv").write_text(HISTORY)
    held_out = dataset.train.take(rows[1])
    predictions: Predictions = {
        "validation_rows": rows[1],
        "validation": read(held_out, wrong, rng),
    }
    for part in PARTS:
        digits = getattr(dataset, part)
        if digits is not None:
            predictions[part] = read(digits, wrong, rng)
            predictions[f"{part}_seen"] = seen_in_training(digits, dataset.train)
    about = config.model_dump(include={"source", "preset", "seed"})
    about |= {"epochs": 2, "seconds": {"load": 1.0, "fit": 4.0, "total": 75.0}}
    return finish_run(draft, predictions, dataset, about)


def read(digits: Digits, wrong: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Probabilities, float32 (n, 10), of which a share has another digit than the label first."""
    n = len(digits)
    labels = rng.integers(0, 10, n) if digits.labels is None else digits.labels
    first = np.where(rng.random(n) < wrong, (labels + rng.integers(1, 10, n)) % 10, labels)
    scores = rng.random((n, 10))
    scores[np.arange(n), first] += rng.uniform(0.5, 20, n)
    probabilities: NDArray[np.float32] = (scores / scores.sum(axis=1, keepdims=True)).astype("f4")
    return probabilities
