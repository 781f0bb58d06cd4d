"""What users of Kaggle's own clients reported, tried on the kit. `#n` is an issue of kaggle-cli."""

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from faulty_kaggle import REFRESH_TOKEN, FaultyKaggle
from small_competition import FULL_LABELS, write_labels
from test_credentials import save

from kit.cli.main import run
from kit.kaggle.client import Kaggle

MALFORMED = "https://[storage"


@pytest.fixture
def local(
    at_full_local: FaultyKaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FaultyKaggle:
    """A local Kaggle that takes submissions, with an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return at_full_local


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_labels(tmp_path / "mine.csv", FULL_LABELS)


def test_a_malformed_address_of_kaggles_is_not_the_proxys(
    local: FaultyKaggle, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """#379: "Failed to parse", as a malformed address of a proxy is reported, too."""
    change: dict[str, Any] = {"change": lambda answer: answer | {"createUrl": MALFORMED}}
    local.fail("StartSubmissionUpload", times=3, **change)
    local.fail("DownloadDataFiles", times=3, status=302, headers={"Location": MALFORMED})
    for command in (["submit", "--file", str(file), "--yes"], ["download"]):
        assert run(command) == 6
        told = capsys.readouterr().err.splitlines()[-2]
        assert "Something other than Kaggle's answer" in told
    assert local.submissions == []


def test_a_token_in_the_place_of_a_key(
    local: FaultyKaggle,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """#1188: the settings page gives a token, and the user puts it into kaggle.json."""
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    save(home / ".kaggle/kaggle.json", {"username": "me", "key": "KGAT_1"})
    assert run(["download"]) == 4
    what, remedy = capsys.readouterr().err.splitlines()[-2:]
    assert "kaggle.json" in what
    assert "~/.kaggle/access_token" in remedy
    assert "KGAT_1" not in what + remedy


def test_settings_without_a_key_beside_a_login(
    local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#1009: `kaggle config set` makes a kaggle.json that names no user."""
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    expired = {"access_token": "", "access_token_expiration": "2020-01-01T00:00:00+00:00"}
    login = {"refresh_token": REFRESH_TOKEN, "username": "rehearser", "scopes": []} | expired
    save(home / ".kaggle/credentials.json", login)
    save(home / ".kaggle/kaggle.json", {"competition": "digit-recognizer"})
    assert run(["download"]) == 0


def test_a_token_is_not_used_up(local: FaultyKaggle) -> None:
    """#882: Kaggle's client took the token out of the environment when it was imported."""
    assert [Kaggle().whoami(), Kaggle().whoami()] == ["rehearser", "rehearser"]
    assert os.environ["KAGGLE_API_TOKEN"] == "local-token"


def test_a_home_that_cannot_be_made(
    local: FaultyKaggle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#288: a function in a cloud has a token in its environment, and a home it may not write."""
    monkeypatch.setenv("HOME", str(file / "no folder"))
    assert run(["download"]) == 0
    assert run(["submit", "--file", str(file), "--yes"]) == 0
    assert len(local.submissions) == 1


@pytest.mark.parametrize("left", [0, 1], ids=["no more", "the rest"])
def test_a_list_with_an_empty_page(local: FaultyKaggle, left: int) -> None:
    """#836: a page without files, and the token of the next one."""
    local.fail("ListDataFiles", change=lambda _: {"files": [], "nextPageToken": "0"})
    if not left:
        local.fail("ListDataFiles", times=9, change=lambda _: {"files": [], "nextPageToken": "0"})
    assert run(["download"]) == (0 if left else 3)
    assert local.calls.count("ListDataFiles") == 2


def test_a_message_of_several_lines(
    local: FaultyKaggle, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """#17: new lines in a message; here with what a terminal obeys."""
    message = "first\nsecond\x1b[2J"
    assert run(["submit", "--file", str(file), "--yes", "--message", message]) == 0
    told = capsys.readouterr()
    assert r"first\nsecond\x1b[2J" in told.err
    assert "\x1b" not in told.err + told.out
    assert local.submissions[0].description.endswith(message)


def test_a_zipped_submission(
    local: FaultyKaggle, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """#503: Kaggle takes a zip, whose content the kit could not check."""
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as zipped:
        zipped.write(file, file.name)
    assert run(["submit", "--file", "mine.zip", "--yes"]) == 3
    assert "found a zip archive" in capsys.readouterr().err
    assert local.calls == []
