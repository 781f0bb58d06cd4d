"""A small search as its user has it, on 1,500 real digits."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import KIT, Kit
from small_kaggle import write_kaggle

# The preset that is done soonest
TUNE = ("tune", "--epochs", "1", "--preset", "quick", "--source", "kaggle", "--workers", "1")


def start(folder: Path, digits: Path, *options: str) -> "subprocess.Popen[str]":
    """Start a search, and wait until it begins its workers."""
    command: list[str | Path] = [KIT, *TUNE, "--data", str(digits), *options]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Trials: 0 of ")
    return process


def test_a_search_is_shown_while_it_runs_and_its_trials_are_trained_again(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 400 are trained on, which most batch sizes divide
    data = write_kaggle(tmp_path / "kaggle", 500, 20)
    process = start(tmp_path, data, "--trials", "500")
    assert process.stderr is not None
    # Some versions of TensorFlow have notes of their own in between
    assert any(line.startswith("Trials: 1 of 500  best validation ") for line in process.stderr)
    shown = kit("tune", "--show", "tune", "--json")
    assert shown.exit_code == 0, shown.stderr
    assert shown.json["trials"]["complete"] >= 1
    assert all((tmp_path / picture).is_file() for picture in shown.json["pictures"])
    best = shown.json["best"][0]
    assert {"layers", "optimizer", "dropout", "batch_size"} <= set(best["params"])

    process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - told < 10
    assert process.returncode == 143
    assert stdout == ""
    assert "Traceback" not in stderr

    # Few units and one view, because only its settings matter here
    run = kit("train", "--from-study", "tune", "--trial", str(best["trial"]), "--hidden", "16",
              "--views", "1", "--data", data, "--json")  # fmt: skip
    assert run.exit_code == 0, run.stderr
    assert run.json["run"].endswith(f"-tune-{best['trial']}")
    config = json.loads((tmp_path / "submissions" / run.json["run"] / "config.json").read_text())
    for name in ("optimizer", "dropout", "batch_size"):
        assert config["settings"][name] == best["params"][name]

    again = (*TUNE, "--data", data, "--trials")
    # It has its trials: nothing is trained, and no backend is needed for that
    with monkeypatch.context() as patched:
        patched.setenv("KERAS_BACKEND", "none")
        nothing = kit(*again, "1")
    assert nothing.exit_code == 0, nothing.stderr
    assert "Train the best: kit train --from-study tune" in nothing.stdout
    other = kit(*again, "1", "--epochs", "2")
    assert other.exit_code == 2
    assert "epochs 1, not 2" in other.stderr


def test_ctrl_c_ends_workers_that_are_still_starting_and_leaves_no_traceback(
    small_kaggle: Path, tmp_path: Path
) -> None:
    process = start(tmp_path, small_kaggle, "--trials", "4", "--workers", "2")
    # A terminal interrupts the command and its workers at once, here while those import
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert len(stderr.splitlines()) == 1
    command = f"kit {' '.join(TUNE)} --data {small_kaggle} --trials 4 --workers 2"
    assert stderr.endswith(f" Go on with: {command}\n")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "what"),
    [
        (("tune", "--show", "tune"), 2, "no such study in sqlite:///submissions/studies.db"),
        (("train", "--from-study", "tune"), 2, "no such study in sqlite:///submissions/studies.db"),
        (("train", "--trial", "1"), 2, "--trial"),
        (("tune", "--study", "a/b"), 2, "name: takes letters"),
        (("train", "--from-study", "tune", "--preset", "quick"), 2, "--from-study"),
        (("tune", "--storage", "mysql://kit:secret@localhost/kit"), 2, "--storage"),
        pytest.param(
            ("tune", "--show=x", "--storage=postgresql://kit:secret@127.0.0.1:1/kit", "--debug"),
            6,
            "kit:***@127.0.0.1:1/kit: the database does not answer",
            marks=pytest.mark.skipif(not find_spec("psycopg"), reason="Kaggle has no psycopg"),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_a_user_can_do_wrong_is_answered_in_two_lines(
    kit: Kit, arguments: tuple[str, ...], exit_code: int, what: str
) -> None:
    ended = kit(*arguments)
    assert ended.exit_code == exit_code, ended.stderr
    assert what in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if not line.startswith(" ")]
    assert "--debug" in arguments or len(lines) == 2, ended.stderr
    assert "secret" not in ended.stdout + ended.stderr


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['optuna'] = None; from kit.cli.main import run; "
        "sys.exit(run(['tune', '--show', 'x']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "digit-kit[search]" in ended.stderr
