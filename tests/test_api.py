"""`import kit`: what a notebook uses, loaded when it is first used."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kit

LOADED = """
import sys
import kit
heavy = {"tensorflow", "keras", "numpy", "pandas", "pydantic", "kaggle"}
print(sorted(heavy & set(sys.modules)))
kit.TrainConfig, kit.load_keras, kit.check_submission, kit.Run, kit.train
print(sorted({"tensorflow", "keras", "kaggle"} & set(sys.modules)))
kit.Predictor
print("keras" in sys.modules)
"""


def test_import_loads_nothing_heavy_before_it_is_needed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines() == ["[]", "[]", "True"]
    assert ended.stderr == ""


def test_each_name_is_offered_with_a_docstring() -> None:
    assert set(kit.__all__) == {
        "load_keras", "load_kaggle", "TrainConfig", "train", "Predictor", "Run", "check_submission",
    }  # fmt: skip
    for name in kit.__all__:
        assert len(getattr(kit, name).__doc__) > 40
        assert name in dir(kit)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        kit.trian  # type: ignore[attr-defined]  # noqa: B018


def test_a_notebook_trains_predicts_and_checks(small_kaggle: Path, tmp_path: Path) -> None:
    config = kit.TrainConfig(  # type: ignore[call-arg]
        preset="baseline", source="kaggle", data=small_kaggle, hidden=(16,), epochs=1
    )
    run = kit.train(config, tmp_path)
    digits = kit.load_kaggle(small_kaggle).test
    predicted = kit.Predictor.load(run).predict(digits).argmax(axis=1)
    checked = kit.check_submission(run.folder / "submission.csv", rows=300)
    assert (checked.ok, checked.rows) == (True, 300)
    lines = (run.folder / "submission.csv").read_text().splitlines()[1:]
    np.testing.assert_array_equal(predicted, [int(line.split(",")[1]) for line in lines])
