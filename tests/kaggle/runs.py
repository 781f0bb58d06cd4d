"""Complete runs, made without training."""

import json
from pathlib import Path
from typing import Any

import pytest
from kagglesdk.competitions.types import competition_api_service
from small_competition import write_labels

# The versions of Kaggle's SDK that its own notebooks have cannot ask how many submissions are left
SDK_HAS_LIMITS = hasattr(competition_api_service, "ApiGetSubmissionLimitsRequest")
needs_limits = pytest.mark.skipif(not SDK_HAS_LIMITS, reason="the SDK cannot ask for the limits")


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
