"""A small competition, served by a local Kaggle over real sockets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.competition.local_kaggle import LocalKaggle

TRAIN_ROWS, TEST_ROWS = 6, 4
LABELS = [7, 2, 1, 0]


@pytest.fixture(scope="session")
def competition_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The competition's three files and its solution, a few rows each."""
    folder = tmp_path_factory.mktemp("competition")
    (folder / "train.csv").write_text("label,pixel0\r\n" + "1,0\r\n" * TRAIN_ROWS)
    (folder / "test.csv").write_text("pixel0\r\n" + "0\r\n" * TEST_ROWS)
    write_labels(folder / "sample_submission.csv", [0] * TEST_ROWS)
    write_labels(folder / "solution.csv", LABELS)
    return folder


def write_labels(path: Path, labels: list[int]) -> Path:
    rows = "".join(f"{image},{label}\n" for image, label in enumerate(labels, start=1))
    path.write_text(f"ImageId,Label\n{rows}")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials, and an environment without any of Kaggle's variables."""
    for name in list(os.environ):
        if name.startswith(("KAGGLE_", "KIT_")) or name.lower() in ("http_proxy", "no_proxy"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def local(competition_files: Path) -> Iterator[LocalKaggle]:
    """A local Kaggle that judges at once."""
    with LocalKaggle(competition_files, competition_files / "solution.csv") as running:
        running.state.judging_seconds = 0.0
        yield running


@pytest.fixture
def at_local(local: LocalKaggle, home: Path, monkeypatch: pytest.MonkeyPatch) -> LocalKaggle:
    """The environment turned to the local Kaggle, with a token that works."""
    for name, value in local.environment().items():
        monkeypatch.setenv(name, value)
    return local
