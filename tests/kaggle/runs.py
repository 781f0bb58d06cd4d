"""Complete runs, made without training."""

import json
from pathlib import Path
from typing import Any

from small_competition import write_labels


def make_run(
    submissions: Path,
    labels: list[int] | None,
    *,
    name: str = "20260131-120000-tuned",
    n_overlap: int = 0,
    validation: tuple[float, int] = (0.75, 1000),
) -> Path:
    """A run's folder, with the submission `labels`, or none."""
    folder = submissions / name
    folder.mkdir(parents=True)
    accuracy, n = validation
    figures = {"accuracy": accuracy, "n": n, "interval": [accuracy - 0.02, accuracy + 0.02]}
    overlap: dict[str, Any] = {"keras_test": {"n": 10_000, "n_overlap": 6_000}}
    if labels is not None:
        write_labels(folder / "submission.csv", labels)
        overlap["test"] = {"n": len(labels), "n_overlap": n_overlap}
    metrics = {
        "run": name,
        "source": "kaggle",
        "preset": "tuned",
        "validation": figures,
        "keras_test": figures,
        "overlap": overlap,
        "submission": None if labels is None else "submission.csv",
    }
    (folder / "config.json").write_text(json.dumps({"git_commit": "3eda181d90-dirty"}))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder
