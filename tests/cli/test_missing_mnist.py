"""Commands on a machine without MNIST and without a network."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Ended
from small_kaggle import write_kaggle

import kit as package

RUN = Path(__file__).parents[1] / "old_runs" / "complete"
TINY = ("--preset", "baseline", "--hidden", "8", "--epochs", "1")


@pytest.fixture
def without_mnist(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a kit that no checkout with its data surrounds, and of no network."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(package.__file__).parent, tmp_path / "there" / "kit", ignore=ignored)
    (tmp_path / "home").mkdir()
    # Bound and not listened to: whoever connects is refused at once
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        home = str(tmp_path / "home")
        yield {
            **os.environ,
            **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), proxy),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
            **dict.fromkeys(("HOME", "KERAS_HOME"), home),
            "PYTHONPATH": str(tmp_path / "there"),
        }


def run(folder: Path, environment: dict[str, str], *arguments: str | Path) -> Ended:
    ended = subprocess.run(
        [sys.executable, "-m", "kit", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    "command",
    [
        ("train", *TINY),
        ("train", *TINY, "--members", "2"),
        ("train", *TINY, "--folds", "2"),
        ("rehearse", *TINY[:2]),
        ("validate",),
        ("experiment", "units"),
        ("experiment", "units", "--source", "kaggle", "--data", "kaggle"),
        ("tune", "--trials", "1"),
        ("serve",),
    ],
    ids=" ".join,
)
def test_what_needs_mnist_ends_with_6_in_two_lines(
    command: tuple[str, ...], without_mnist: dict[str, str], small_kaggle: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_kaggle, tmp_path / "kaggle")
    shutil.copytree(RUN, tmp_path / "submissions" / "20260131-120000-old")
    ended = run(tmp_path, without_mnist, *command)
    assert ended.exit_code == 6
    assert ended.stdout == ""
    *before, what, remedy = ended.stderr.splitlines()
    # At most what the command was doing
    assert all(line.endswith(" …") for line in before)
    assert what.startswith("MNIST is missing (data/mnist.npz, Keras's cache)")
    assert "git checkout data/mnist.npz" in remedy
    assert len(list((tmp_path / "submissions").iterdir())) == 1


def test_what_can_do_without_mnist_does_and_says_what_it_left_out(
    without_mnist: dict[str, str], small_kaggle: Path, tmp_path: Path
) -> None:
    kaggle = ("--source", "kaggle", "--data", small_kaggle)
    ended = run(tmp_path, without_mnist, "train", *TINY, *kaggle)
    assert ended.exit_code == 0, ended.stderr
    (line,) = (line for line in ended.stderr.splitlines() if "MNIST" in line)
    assert "the Keras test split is left out" in line
    assert "MNIST" not in run(tmp_path, without_mnist, "history", "--offline").stderr


def test_a_committee_of_judged_runs_is_made_without_mnist(
    without_mnist: dict[str, str], tmp_path: Path
) -> None:
    data, names = (
        write_kaggle(tmp_path / "kaggle", 300, 60),
        ("20260131-120000-a", "20260131-120001-b"),
    )
    for name in names:
        config = shutil.copytree(RUN, tmp_path / "submissions" / name) / "config.json"
        config.write_text(config.read_text().replace("DATA", str(data)))
    ended = run(tmp_path, without_mnist, "committee", *names, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert ended.json["keras_test"] is None
    assert ended.json["validation"]["n"] == 30
    assert "MNIST is missing" in ended.stderr
    with np.load(tmp_path / "submissions" / ended.json["run"] / "probabilities.npz") as file:
        assert file["keras_test"].shape == (10_000, 10)
