"""A small competition, served by a local Kaggle over real sockets."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle
from fetching import ROWS
from file_host import FileHost
from small_competition import FULL_LABELS, LABELS, TRAIN_ROWS, write_competition

from kit.local_kaggle.judge import Judge


@pytest.fixture(scope="session")
def competition_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The competition's three files and its solution, a few rows each."""
    return write_competition(tmp_path_factory.mktemp("competition"), TRAIN_ROWS, LABELS)


@pytest.fixture(scope="session")
def full_competition_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with as many rows as Kaggle's, though short ones."""
    folder = tmp_path_factory.mktemp("full competition")
    return write_competition(folder, 42_000, FULL_LABELS)


@pytest.fixture(scope="session")
def full_judge(full_competition_files: Path) -> Judge:
    """Knows as many labels as Kaggle's does."""
    return Judge(full_competition_files / "solution.csv")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials, and an environment without any of Kaggle's variables."""
    for name in list(os.environ):
        is_networks = name.lower().endswith(("_proxy", "_ca_bundle"))
        if is_networks or name.startswith(("KAGGLE_", "KIT_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def local(competition_files: Path) -> Iterator[FaultyKaggle]:
    """A local Kaggle that judges at once."""
    with FaultyKaggle(competition_files, competition_files / "solution.csv") as running:
        running.state.judging_seconds = 0.0
        yield running


@pytest.fixture
def full_local(
    competition_files: Path, full_competition_files: Path, full_judge: Judge
) -> Iterator[FaultyKaggle]:
    """The same with as many rows as Kaggle's."""
    # To read so many labels takes longer than most tests, so all share what was read once
    with FaultyKaggle(full_competition_files, competition_files / "solution.csv") as running:
        running.state.judge = full_judge
        running.state.judging_seconds = 0.0
        yield running


@pytest.fixture
def at_local(local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyKaggle:
    """The environment turned to the local Kaggle, with a token that works."""
    turn_to(local, monkeypatch)
    return local


@pytest.fixture
def at_full_local(
    full_local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> FaultyKaggle:
    """The same with as many rows as Kaggle's."""
    turn_to(full_local, monkeypatch)
    return full_local


def turn_to(local: FaultyKaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"KIT_KAGGLE_ATTEMPTS": "3", **local.environment()}.items():
        monkeypatch.setenv(name, value)
    waits = {
        "client.FIRST_WAIT": 0.01,
        "client.LONGEST_WAIT": 0.05,
        "submit.LOOK": timedelta(seconds=0.1),
        "submit.FIRST_PAUSE": 0.01,
        "submit.LONGEST_PAUSE": 0.05,
    }
    for name, seconds in waits.items():
        monkeypatch.setattr(f"kit.kaggle.{name}", seconds)


@pytest.fixture
def little_patience(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers that stall: give up on them at once."""
    monkeypatch.setenv("KIT_KAGGLE_TIMEOUT", "0.2")


@pytest.fixture
def tables(competition_files: Path) -> dict[str, bytes]:
    """The competition's three files."""
    return {name: (competition_files / name).read_bytes() for name in ROWS}


@pytest.fixture
def host(
    tables: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileHost]:
    """A host of these files that answers as it is told to, and the environment turned to it."""
    with FileHost(tables) as running:
        running.turn_to(monkeypatch)
        yield running
        running.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are downloaded to."""
    return tmp_path / "data"
