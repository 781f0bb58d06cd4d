"""Runs that an earlier version wrote: `tests/old_runs` has complete and interrupted ones.

They were trained on 300 digits with `tuned`, one layer of 6 units, batches of 30, 4 epochs, 3 views
and seed 5, the interrupted one stopped after 2 epochs. Their `model.keras` has no normalisation.
It was saved again with Keras 3.13.2, which Kaggle has: that cannot load what Keras 3.15 saves.

The complete committee has two members that are copies of the complete run, so it predicts the same.
The interrupted committee stopped before its second member. Only their records are kept here.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import Kit
from small_kaggle import write_kaggle

from kit.data.digits import Source
from kit.kaggle.entry import prepare_entry
from kit.runs import Run
from kit.training.backend import load_backend

OLD_RUNS = Path(__file__).parents[1] / "old_runs"
COMPLETE, INTERRUPTED = "20260131-120000-old", "20260131-120100-stopped"
TWIN, COMMITTEE = "20260131-120200-twin", "20260131-120300-committee"
HALF = "20260131-120400-both"


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    """The old runs, and the digits that they were trained on."""
    folder = tmp_path / "submissions"
    data = write_kaggle(tmp_path / "kaggle", 300, 60)
    copy_run("complete", folder / COMPLETE, data)
    copy_run("interrupted", folder / f".{INTERRUPTED}", data)
    return folder


@pytest.fixture
def committee(submissions: Path, tmp_path: Path) -> Path:
    """The complete old committee, beside its members."""
    copy_run("complete", submissions / TWIN, tmp_path / "kaggle")
    copy_run("committee", submissions / COMMITTEE, tmp_path / "kaggle")
    for file in ("probabilities.npz", "submission.csv"):
        shutil.copy(OLD_RUNS / "complete" / file, submissions / COMMITTEE)
    return submissions / COMMITTEE


def copy_run(source: str, folder: Path, data: Path) -> None:
    shutil.copytree(OLD_RUNS / source, folder)
    replace(folder / "config.json", "DATA", str(data))


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def predictions(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "probabilities.npz") as file:
        return {name: file[name] for name in file.files}


def test_history_validate_and_check_read_an_old_run(kit: Kit, submissions: Path) -> None:
    (row,) = kit("history", "--offline", "--json").json["history"]
    assert (row["run"], row["preset"]) == (COMPLETE, "tuned")
    assert row["keras_test"]["accuracy"] == 0.3687
    assert kit("validate", "--json").json["accuracy"] == 0.3687
    assert kit("check", submissions / COMPLETE / "submission.csv", "--rows", "60").exit_code == 0


def test_submit_prepares_an_old_run(submissions: Path) -> None:
    entry = prepare_entry(submissions, COMPLETE, rows=60)
    assert f"] {COMPLETE}, tuned, validation 36.67%" in entry.attempt.message
    assert entry.attempt.n_overlap == 0


def test_the_old_settings_train_the_same_again(kit: Kit, submissions: Path) -> None:
    old = submissions / COMPLETE
    # `best` was an MLP then
    replace(old / "config.json", '"preset": "tuned"', '"preset": "best"')
    ended = kit("train", "--config", old / "config.json", "--name", "again", "--json")
    assert ended.exit_code == 0, ended.stderr
    new = submissions / ended.json["run"]
    settings = json.loads((new / "config.json").read_text())["settings"]
    assert (settings["split"], settings["hidden"], settings["views"]) == ("stratified", [6], 3)
    assert (settings["preset"], settings["conv"]) == ("best", [])
    # pixels are no longer rounded after the normalisation
    for part in ("validation", "keras_test", "test"):
        np.testing.assert_allclose(predictions(new)[part], predictions(old)[part], atol=0.05)

    # an old and a new run make a committee
    made = kit("committee", COMPLETE, new.name, "--json")
    assert made.exit_code == 0, made.stderr
    assert [member["run"] for member in made.json["members"]] == [COMPLETE, new.name]
    assert made.json["members"][0]["keras_test"]["accuracy"] == 0.3687
    mean = (predictions(old)["test"].astype(float) + predictions(new)["test"]) / 2
    found = predictions(submissions / made.json["run"])["test"]
    np.testing.assert_allclose(found, mean, rtol=1e-6)


def test_an_interrupted_old_run_is_completed(kit: Kit, submissions: Path) -> None:
    config = submissions / f".{INTERRUPTED}" / "config.json"
    # `best` was an MLP then
    replace(config, '"preset": "tuned"', '"preset": "best"')
    ended = kit("train", "--resume", INTERRUPTED, "--json")
    assert ended.exit_code == 0, ended.stderr
    run = submissions / INTERRUPTED
    assert json.loads((run / "config.json").read_text())["format"] == 2
    # it ends as the complete one, which had the same settings
    np.testing.assert_allclose(
        predictions(run)["test"], predictions(submissions / COMPLETE)["test"], atol=0.02
    )


def test_an_old_model_is_normalised_as_its_record_says(submissions: Path, mnist: Source) -> None:
    load_backend()
    from kit.training.predictor import Predictor

    run = Run(submissions / COMPLETE)
    found = Predictor.load(run).predict(mnist.test)
    np.testing.assert_allclose(found, predictions(run.folder)["keras_test"], atol=0.02)
    assert np.mean(found.argmax(axis=1) == mnist.test.labels) == pytest.approx(0.3687, abs=0.002)


def test_an_old_committee_is_read(kit: Kit, committee: Path, mnist: Source) -> None:
    rows = kit("history", "--offline", "--json").json["history"]
    row = next(row for row in rows if row["run"] == COMMITTEE)
    assert (row["preset"], row["keras_test"]["accuracy"]) == ("committee", 0.3687)
    assert kit("validate", "--json").json["run"] == COMMITTEE
    assert kit("validate", COMMITTEE, "--json").json["accuracy"] == 0.3687
    entry = prepare_entry(committee.parent, COMMITTEE, rows=60)
    assert f"] {COMMITTEE}, committee, validation 36.67%" in entry.attempt.message

    load_backend()
    from kit.training.predictor import Predictor

    found = Predictor.load(committee).predict(mnist.test.take(np.arange(500)))
    np.testing.assert_allclose(found, predictions(committee)["keras_test"][:500], atol=0.02)


def test_an_interrupted_old_committee_is_completed(
    kit: Kit, submissions: Path, tmp_path: Path
) -> None:
    copy_run("committee_interrupted", submissions / f".{HALF}", tmp_path / "kaggle")
    ended = kit("train", "--resume", HALF, "--json")
    assert ended.exit_code == 0, ended.stderr
    first, second = ended.json["members"]
    assert (first["run"], first["keras_test"]["accuracy"]) == (COMPLETE, 0.3687)
    assert (second["run"][15:], second["seed"]) == ("-both-2", 6)
    settings = json.loads((submissions / second["run"] / "config.json").read_text())["settings"]
    assert (settings["split"], settings["split_seed"]) == ("stratified", 5)
    assert settings["normalization"] == [{"width": None, "slant": True}]
    parts = [predictions(submissions / run)["test"] for run in (COMPLETE, second["run"])]
    mean = np.mean(parts, axis=0, dtype=np.float64)
    found = predictions(submissions / HALF)["test"]
    np.testing.assert_allclose(found, mean, rtol=1e-6)
