"""Commands on a machine without MNIST and without a network."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Ended
from small_kaggle import write_kaggle

import kit as package

RUN = Path(__file__).parents[1] / "old_runs" / "complete"
TINY = ("--preset", "baseline", "--hidden", "8", "--epochs", "1")
KAGGLE = ("--source", "kaggle", "--data", "kaggle")
# What needs MNIST
REFUSED = [
    ("train", *TINY),
    ("train", *TINY, "--members", "2"),
    ("train", *TINY, "--folds", "2"),
    ("rehearse", *TINY[:2]),
    ("validate",),
    ("experiment", "units"),
    ("experiment", "units", *KAGGLE),
    ("tune", "--trials", "1"),
    ("serve",),
]
# What can do without it
TRAIN = ("train", *TINY, *KAGGLE, "--submissions", "trained")
HISTORY = ("history", "--offline")
MEMBERS = ("20260131-120000-a", "20260131-120001-b")
COMMITTEE = ("committee", *MEMBERS, "--submissions", "judged", "--json")
# All in one process, because each would load the kit anew, and most of them Keras
PROGRAM = """
import dataclasses, json, sys
from pathlib import Path
from command_line import run_in
ended = [run_in(Path(), *arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([dataclasses.astuple(each) for each in ended]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user, with old runs, which is their working folder, too."""
    folder = tmp_path_factory.mktemp("home")
    data = write_kaggle(folder / "kaggle", 300, 60)
    shutil.copytree(RUN, folder / "submissions" / "20260131-120000-old")
    for name in MEMBERS:
        config = shutil.copytree(RUN, folder / "judged" / name) / "config.json"
        config.write_text(config.read_text().replace("DATA", str(data)))
    return folder


@pytest.fixture(scope="module")
def ended(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Ended]:
    """How commands ended, of a kit that no checkout with its data surrounds."""
    there, ignored = tmp_path_factory.mktemp("there"), shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(package.__file__).parent, there / "kit", ignore=ignored)
    commands = [*REFUSED, TRAIN, HISTORY, COMMITTEE]
    # Bound and not listened to: whoever connects is refused at once
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(commands)],
            cwd=home, capture_output=True, text=True, check=True,
            env={
                **os.environ,
                **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), proxy),
                **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
                **dict.fromkeys(("HOME", "KERAS_HOME"), str(home)),
                "PYTHONPATH": os.pathsep.join([str(there), str(Path(__file__).parent)]),
            },
        )  # fmt: skip
    told = json.loads(done.stdout)
    return {command: Ended(*each) for command, each in zip(commands, told, strict=True)}


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
def test_what_needs_mnist_ends_with_6_in_two_lines(
    command: tuple[str, ...], ended: dict[tuple[str, ...], Ended], home: Path
) -> None:
    assert ended[command].exit_code == 6
    assert ended[command].stdout == ""
    *before, what, remedy = ended[command].stderr.splitlines()
    # At most what the command was doing
    assert all(line.endswith(" …") for line in before)
    assert what.startswith("MNIST is missing (data/mnist.npz, Keras's cache)")
    assert "git checkout data/mnist.npz" in remedy
    assert [path.name for path in (home / "submissions").iterdir()] == ["20260131-120000-old"]


def test_what_can_do_without_mnist_does_and_says_what_it_left_out(
    ended: dict[tuple[str, ...], Ended],
) -> None:
    assert ended[TRAIN].exit_code == 0, ended[TRAIN].stderr
    (line,) = (line for line in ended[TRAIN].stderr.splitlines() if "MNIST" in line)
    assert "the Keras test split is left out" in line
    assert "MNIST" not in ended[HISTORY].stderr


def test_a_committee_of_judged_runs_is_made_without_mnist(
    ended: dict[tuple[str, ...], Ended], home: Path
) -> None:
    made = ended[COMMITTEE]
    assert made.exit_code == 0, made.stderr
    assert made.json["keras_test"] is None
    assert made.json["validation"]["n"] == 30
    assert "MNIST is missing" in made.stderr
    with np.load(home / "judged" / made.json["run"] / "probabilities.npz") as file:
        assert file["keras_test"].shape == (10_000, 10)
