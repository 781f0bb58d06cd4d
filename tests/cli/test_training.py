import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Kit

from kit.submission import read_submission

SMALL = ("--hidden", "32", "--batch-size", "150")


def test_train_on_kaggle_writes_a_whole_run_that_validate_and_score_agree_on(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    trained = kit("train", "--source", "kaggle", "--data", small_kaggle, "--preset", "quick",
                  *SMALL, "--epochs", "4", "--views", "1", "--name", "small", "--json")  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    figures = trained.json
    assert set(figures) >= {"run", "source", "preset", "seed", "rows", "epochs", "seconds",
                            "validation", "submission"}  # fmt: skip
    assert figures["source"] == "kaggle"
    assert figures["preset"] == "quick"
    assert figures["rows"] == {"train": 1350, "validation": 150, "test": 300}
    assert figures["epochs"] == 4
    assert set(figures["seconds"]) == {"load", "fit", "total"}
    assert figures["validation"]["n"] == 150
    assert 0.6 < figures["validation"]["accuracy"] < 1

    folder = tmp_path / "submissions" / figures["run"]
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "history.csv", "metrics.json", "model.keras", "probabilities.npz",
        "submission.csv",
    }  # fmt: skip
    with (folder / "history.csv").open(newline="") as stream:
        history = list(csv.DictReader(stream))
    assert [row["epoch"] for row in history] == ["1", "2", "3", "4"]
    last = float(history[-1]["val_accuracy"])
    assert last == pytest.approx(figures["validation"]["accuracy"], abs=1e-6)

    # none of these 1,500 stands in the Keras test split, which is judged whole
    validated = kit("validate", "--json")
    assert validated.exit_code == 0, validated.stderr
    judged = validated.json
    assert judged["run"] == figures["run"]
    assert (judged["n_total"], judged["n_overlap"], judged["n"]) == (10_000, 0, 10_000)
    assert np.trace(judged["confusion"]) == round(judged["accuracy"] * 10_000)
    assert judged["interval"][0] < judged["accuracy"] < judged["interval"][1]
    told = kit("validate").stdout.splitlines()
    assert told[1] == "10,000 images, 0 seen in training, judged on 10,000"

    submission = Path(figures["submission"])
    scored = kit("score", submission, "--solution", small_kaggle / "solution.csv", "--json").json
    right = read_submission(tmp_path / submission) == read_submission(small_kaggle / "solution.csv")
    assert scored["accuracy"] == pytest.approx(right.mean())
    assert scored["n"] == 300
    assert kit("check", submission, "--rows", "300").exit_code == 0

    # nothing is left to do, and so the digits are not looked at
    resumed = kit("train", "--resume", figures["run"], "--data", "elsewhere", "--json")
    assert resumed.json["run"] == figures["run"]
    assert "nothing was read from elsewhere" in resumed.stderr

    # the same settings, from the run's own record, give the same bytes
    again = kit("train", "--config", folder / "config.json", "--json").json
    assert (tmp_path / again["submission"]).read_bytes() == (tmp_path / submission).read_bytes()


def test_train_without_validation_rows_says_that_there_is_no_estimate(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    ended = kit("train", "--source", "kaggle", "--data", small_kaggle, "--preset", "baseline",
                *SMALL, "--epochs", "1", "--validation-fraction", "0")  # fmt: skip
    assert ended.exit_code == 0, ended.stderr
    assert "no validation estimate" in ended.stdout
    run = next((tmp_path / "submissions").iterdir())
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["rows"] == {"train": 1500, "validation": 0, "test": 300}
    assert metrics["validation"]["accuracy"] is None
    with (run / "history.csv").open(newline="") as stream:
        assert [row["val_accuracy"] for row in csv.DictReader(stream)] == [""]


def test_a_run_on_kerass_arrays_is_marked_where_kaggles_test_images_are_among_them(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kaggle").symlink_to(small_kaggle)
    trained = kit("train", "--source", "keras", "--preset", "baseline", "--epochs", "1")
    assert trained.exit_code == 0, trained.stderr
    assert "Overlap: 300 of its 300 images were trained on" in trained.stdout
    run = next((tmp_path / "submissions").iterdir())
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["overlap"] == {
        "keras_test": {"n": 10_000, "n_overlap": 0},
        "test": {"n": 300, "n_overlap": 300},
    }
    # the lab's first epoch: 0.8505 in 2017, 0.8503 since
    assert metrics["validation"]["accuracy"] == pytest.approx(0.8505, abs=0.005)
    assert metrics["rows"] == {"train": 48_000, "validation": 12_000, "test": 300}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "what", "remedy"),
    [
        (
            ("train", "--preset", "huge"),
            2,
            "preset: Input should be 'baseline', 'quick', 'tuned', 'best-mlp', 'cnn' or 'best'",
            "Change this setting",
        ),
        (
            ("train", "--learning-rate", "-1"),
            2,
            "learning_rate: Input should be greater than 0, found -1.0.",
            "Change this setting",
        ),
        (
            ("train", "--resume", "nothing"),
            2,
            "nothing: no such run in submissions, neither complete nor interrupted.",
            "Runs that can be resumed: none.",
        ),
        (
            ("train", "--resume", "nothing", "--epochs", "3"),
            2,
            "--resume uses the settings of its run; --epochs cannot change them.",
            "Leave them out, or train a new run without --resume.",
        ),
        (
            ("train", "--source", "kaggle", "--data", "nowhere"),
            3,
            "nowhere: ",
            "Get them with kit download",
        ),
        (("train", "--epochs", "abc"), 2, "Invalid value for '--epochs'", "See: kit train --help"),
        (("check",), 2, "Missing argument '", "See: kit check --help"),
        (("nonsense",), 2, "No such command 'nonsense'", "See: kit --help"),
        (("validate",), 2, "submissions: no run there yet.", "Make one with: kit train"),
        (("validate", "gone"), 2, "gone: no such run in submissions.", "Newest runs: none."),
        (
            ("check", "gone.csv"),
            3,
            "gone.csv cannot be read: No such file or directory",
            "Name a CSV file",
        ),
        (
            ("score", "gone.csv", "--solution", "gone.csv"),
            3,
            "gone.csv cannot be read: No such file or directory",
            "Name a CSV file",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_user_can_do_wrong_is_answered_in_two_lines(
    kit: Kit, arguments: tuple[str, ...], exit_code: int, what: str, remedy: str
) -> None:
    ended = kit(*arguments)
    assert ended.exit_code == exit_code
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if not line.endswith("…")]
    assert len(lines) == 2, ended.stderr
    assert lines[0].startswith(what)
    assert lines[1].startswith(remedy)
    debugged = kit(*arguments, "--debug").stderr.splitlines()
    assert "Traceback (most recent call last):" in debugged
    assert debugged.count(lines[1]) == 1


def test_settings_that_are_no_json_are_named(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b'{"epochs": 3}'.replace(b"3", b"\xff"))
    ended = kit("train", "--config", "settings.json")
    assert ended.exit_code == 2
    what, remedy = ended.stderr.splitlines()
    assert what.startswith("settings.json: cannot be read as JSON (")
    assert "config.json" in remedy


def test_check_takes_rows_in_any_order_and_says_so(kit: Kit, tmp_path: Path) -> None:
    file = tmp_path / "shuffled.csv"
    file.write_text("ImageId,Label\n2,1\n3,0\n1,7\n")
    told = kit("check", file, "--rows", "3")
    assert (told.exit_code, "valid" in told.stdout) == (0, True)
    assert "order" in told.stderr
    assert kit("check", file, "--rows", "3", "--json").json == {
        "ok": True,
        "rows": 3,
        "faults": [],
        "in_order": False,
    }
    file.write_text("ImageId,Label\n1,7\n2,1\n3,0\n")
    told = kit("check", file, "--rows", "3")
    assert (told.exit_code, told.stderr) == (0, "")
    assert kit("check", file, "--rows", "3", "--json").json["in_order"]


def test_check_lists_every_fault_for_a_person_and_for_a_program(kit: Kit, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("ImageId,Label\n1,7\n3,12\n2,x\n")
    ended = kit("check", file, "--rows", "3", "--json")
    assert ended.exit_code == 3
    assert not ended.json["ok"]
    assert ended.json["rows"] == 3
    places = [(fault["line"], fault["message"]) for fault in ended.json["faults"]]
    told = kit("check", file, "--rows", "3")
    assert told.exit_code == 3
    assert len(told.stdout.splitlines()) == len(places) == 2
    assert {line for line, _ in places} == {3, 4}
