"""What a user can meet that is no bug of the kit."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import KIT, Kit

from kit.config import make_config

TRAIN = ("train", "--preset", "baseline", "--hidden", "8", "--batch-size", "2000", "--epochs", "1")


@pytest.mark.parametrize(("file", "rows"), [("test.csv", 300), ("train.csv", 0)])
def test_kerass_arrays_need_no_more_of_kaggle_than_test_csv(
    kit: Kit, small_kaggle: Path, tmp_path: Path, file: str, rows: int
) -> None:
    (tmp_path / "data" / "kaggle").mkdir(parents=True)
    shutil.copy(small_kaggle / file, tmp_path / "data" / "kaggle")
    ended = kit(*TRAIN, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert ended.json["rows"]["test"] == rows
    assert (ended.json["submission"] is None) == (rows == 0)


def test_a_training_that_diverges_is_no_bug(kit: Kit, small_kaggle: Path) -> None:
    ended = kit(*TRAIN, "--source", "kaggle", "--data", small_kaggle, "--epochs", "3",
                "--learning-rate", "1e30")  # fmt: skip
    assert ended.exit_code == 8
    assert "has diverged" in ended.stderr.splitlines()[-2]


@pytest.mark.parametrize("backend", ["nonsense", "torch"])
def test_a_backend_that_is_not_there_is_named_before_a_run_begins(
    kit: Kit, tmp_path: Path, backend: str
) -> None:
    ended = kit(*TRAIN, KERAS_BACKEND=backend)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("KERAS_BACKEND: ")
    assert not (tmp_path / "submissions").exists()


def test_ctrl_c_while_the_kit_starts_leaves_no_traceback() -> None:
    for wait in (0.03, 0.06, 0.12, 0.2):
        process = subprocess.Popen([KIT, "check", "gone.csv"], stderr=subprocess.PIPE, text=True)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        assert "kit/cli" not in process.communicate()[1], wait


def test_ctrl_c_in_a_training_names_the_line_that_resumes_it(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [KIT, *TRAIN, "--epochs", "5000", "--source", "kaggle", "--data", small_kaggle],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("Epoch 2/"))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    # One run, hidden because it is not complete, and no file that is half written
    (draft,) = (tmp_path / "submissions").iterdir()
    run = draft.name.removeprefix(".")
    assert draft.name == f".{run}"
    assert {path.name for path in draft.iterdir()} <= {"config.json", "lock", "state.npz"}
    assert json.loads((draft / "config.json").read_text())["settings"]["epochs"] == 5000
    assert stderr.splitlines()[-1] == f"Interrupted. Go on with: kit train --resume {run}"
    assert kit("history", "--offline", "--json").json["history"] == []


def test_a_wrong_setting_deals_no_rehearsal(kit: Kit, tmp_path: Path) -> None:
    assert kit("rehearse", "--preset", "huge").exit_code == 2
    assert not (tmp_path / "data").exists()


def test_resume_holds_to_the_test_digits_too(kit: Kit, small_kaggle: Path, tmp_path: Path) -> None:
    data = shutil.copytree(small_kaggle, tmp_path / "kaggle")
    process = subprocess.Popen(
        [KIT, *TRAIN, "--epochs", "5000", "--source", "kaggle", "--data", data],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("Epoch 2/"))
    process.kill()
    process.communicate()
    lines = (data / "test.csv").read_text().splitlines(keepends=True)
    (data / "test.csv").write_text("".join(lines[:-1]))
    run = next((tmp_path / "submissions").iterdir()).name.removeprefix(".")
    ended = kit("train", "--resume", run)
    assert ended.exit_code == 3
    assert ended.stderr.splitlines()[-2].startswith(f"{data / 'test.csv'}: not the digits that")
    config = tmp_path / "submissions" / f".{run}" / "config.json"
    assert json.loads(config.read_text())["rows"]["test"] == 300


def test_a_network_that_no_memory_holds_is_no_bug(small_kaggle: Path, tmp_path: Path) -> None:
    # In a process of its own, in case the system should end it
    ended = subprocess.run(
        [KIT, "train", "--preset", "baseline", "--source", "kaggle", "--data", small_kaggle,
         "--hidden", "99999999"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 8, ended.stderr
    assert "ran out of memory" in ended.stderr.splitlines()[-2]
    assert "--hidden" in ended.stderr.splitlines()[-1]


def test_a_preset_cannot_change_a_record_that_has_every_setting(kit: Kit, tmp_path: Path) -> None:
    record = {"settings": make_config({"preset": "baseline"}).model_dump(mode="json")}
    (tmp_path / "config.json").write_text(json.dumps(record))
    ended = kit("train", "--config", "config.json", "--preset", "quick")
    assert ended.exit_code == 2
    assert "--preset" in ended.stderr
    assert not (tmp_path / "submissions").exists()


def test_a_reader_that_goes_away_ends_a_command_with_141(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [KIT, "check", "--help"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert process.wait() == 141
