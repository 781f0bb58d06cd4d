"""The download: what it leaves, what it goes on with, and what it refuses to unpack."""

import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from small_competition import TEST_ROWS, TRAIN_ROWS

from kit.errors import CompetitionError, DataError, KitError, NetworkError, UsageError
from kit.kaggle.client import Kaggle
from kit.kaggle.download import CompetitionFile, download, find_files
from kit.local_kaggle import LocalKaggle

ROWS = {"train.csv": TRAIN_ROWS, "test.csv": TEST_ROWS, "sample_submission.csv": TEST_ROWS}


def fetch(folder: Path) -> list[CompetitionFile]:
    return download(Kaggle(), folder, lambda _done, _size: None, ROWS)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".download.lock"}


def archive_of(local: LocalKaggle) -> Path:
    archive = local.files.get("digit-recognizer.zip")
    assert archive is not None
    return archive.path


def members(local: LocalKaggle) -> dict[str, bytes]:
    with zipfile.ZipFile(archive_of(local)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def serve(local: LocalKaggle, content: dict[str | zipfile.ZipInfo, bytes]) -> None:
    with zipfile.ZipFile(archive_of(local), "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in content.items():
            archive.writestr(member, data)


def test_the_three_files_are_there_and_nothing_else(
    at_local: LocalKaggle, competition_files: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data/kaggle"
    assert find_files(folder, ROWS) is None
    fetched = fetch(folder)
    assert {file.path.name: file.rows for file in fetched} == ROWS
    for file in fetched:
        assert file.path.read_bytes() == (competition_files / file.path.name).read_bytes()
        assert file.total_bytes == file.path.stat().st_size
    assert names(folder) == set(ROWS)
    assert find_files(folder, ROWS) == fetched
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((folder / "train.csv").stat().st_mode) == 0o666 & ~mask


def test_what_is_there_but_not_whole_is_told(tmp_path: Path) -> None:
    for name in ROWS:
        (tmp_path / name).write_text("label\n1\n")
    with pytest.raises(DataError, match=r"train\.csv: expected 6 rows, found 1") as damaged:
        find_files(tmp_path, ROWS)
    assert "kit download --force" in damaged.value.remedy


def test_a_second_download_replaces_the_first(at_local: LocalKaggle, tmp_path: Path) -> None:
    fetch(tmp_path)
    (tmp_path / "train.csv").write_text("spoilt")
    fetch(tmp_path)
    assert find_files(tmp_path, ROWS) is not None


def test_leftovers_of_a_killed_download_are_removed(at_local: LocalKaggle, tmp_path: Path) -> None:
    (tmp_path / ".download-abc").mkdir()
    (tmp_path / ".download-abc/train.csv").write_text("half")
    (tmp_path / ".digit-recognizer.zip").write_text("whole, but of whom?")
    fetch(tmp_path)
    assert names(tmp_path) - {"home"} == set(ROWS)


ARCHIVES: dict[str, tuple[Callable[[dict[str, bytes]], dict[str | zipfile.ZipInfo, bytes]], str]]
ARCHIVES = {
    "a file is missing": (
        lambda whole: {name: data for name, data in whole.items() if name != "test.csv"},
        r"has no test\.csv",
    ),
    "a file is longer": (
        lambda whole: {**whole, "test.csv": whole["test.csv"] + b"0\r\n"},
        "has more than the 20 bytes listed",
    ),
    "a file is shorter": (
        lambda whole: {**whole, "test.csv": whole["test.csv"][:-3]},
        "has fewer than the 20 bytes listed",
    ),
    "a file has another row": (
        lambda whole: {**whole, "test.csv": whole["test.csv"].replace(b"\r\n", b"\n\n")},
        r"test\.csv as Kaggle serves it: expected 4 rows, found 9",
    ),
    "a member climbs": (lambda whole: {**whole, "../evil": b"x"}, "not safe to unpack"),
    "a member is absolute": (lambda whole: {**whole, "/tmp/evil": b"x"}, "not safe to unpack"),
    "a member has a drive": (lambda whole: {**whole, "C:\\evil": b"x"}, "not safe to unpack"),
    "a member is a link": (
        lambda whole: {**whole, _link("linked"): b"/etc/passwd"},
        "not safe to unpack",
    ),
    "a flood of members": (
        lambda whole: {**whole, **{f"{number}": b"" for number in range(200)}},
        "203 members",
    ),
    "a bomb": (
        lambda whole: {**whole, "train.csv": b"0" * 10_000_000},
        "has more than the 44 bytes listed",
    ),
}


def _link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_is_not_as_listed_is_refused(
    at_local: LocalKaggle, tmp_path: Path, case: str
) -> None:
    change, expected = ARCHIVES[case]
    serve(at_local, change(members(at_local)))
    with pytest.raises(DataError, match=expected):
        fetch(tmp_path / "data")
    assert names(tmp_path / "data") == set()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("at", [60, -100])
def test_a_damaged_archive_is_refused(at_local: LocalKaggle, tmp_path: Path, at: int) -> None:
    content = bytearray(archive_of(at_local).read_bytes())
    content[at] ^= 0xFF
    archive_of(at_local).write_bytes(content)
    with pytest.raises(DataError):
        fetch(tmp_path / "data")
    assert names(tmp_path / "data") == set()


def test_no_archive_at_all_is_refused(at_local: LocalKaggle, tmp_path: Path) -> None:
    archive_of(at_local).write_bytes(b"maintenance")
    with pytest.raises(DataError, match="is damaged"):
        fetch(tmp_path / "data")


def test_a_list_without_a_file_is_refused(at_local: LocalKaggle, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no other\.csv"):
        download(Kaggle(), tmp_path, lambda _done, _size: None, {"other.csv": 1})


def test_rules_that_are_not_accepted_are_told(at_local: LocalKaggle, tmp_path: Path) -> None:
    at_local.state.account.rules_accepted = False
    with pytest.raises(CompetitionError) as refused:
        fetch(tmp_path / "data")
    assert "https://www.kaggle.com/competitions/digit-recognizer/rules" in refused.value.remedy
    assert names(tmp_path / "data") == set()


def test_a_transfer_that_broke_off_is_gone_on_with(at_local: LocalKaggle, tmp_path: Path) -> None:
    at_local.fail("Download", cut_after=100)
    at_local.fail("Download", times=6, reset_after=0)
    with pytest.raises(NetworkError):
        fetch(tmp_path)
    assert not set(ROWS) & names(tmp_path)
    steps: list[int] = []
    download(Kaggle(), tmp_path, lambda done, _size: steps.append(done), ROWS)
    assert steps[0] == 100
    assert names(tmp_path) - {"home"} == set(ROWS)


def test_one_download_at_a_time(at_local: LocalKaggle, tmp_path: Path) -> None:
    outcome: list[KitError] = []

    def progress(_done: int, _size: int) -> None:
        if not outcome:
            with pytest.raises(UsageError, match="another download") as refused:
                fetch(tmp_path)
            outcome.append(refused.value)

    download(Kaggle(), tmp_path, progress, ROWS)
    assert outcome


FULL_DISK = """
import resource, sys
from pathlib import Path
from kit.kaggle.client import Kaggle
from kit.kaggle.download import download
from kit.errors import DataError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    download(Kaggle(), Path(sys.argv[1]), lambda done, size: None, {"train.csv": 6})
except DataError as error:
    print(error.what, error.remedy, sep="\\n")
"""


def test_a_full_disk_leaves_nothing_half_written(at_local: LocalKaggle, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    # a limit on the size of files fails writes as a full disk does, without filling one
    limit = archive_of(at_local).stat().st_size - 1
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    what, remedy = done.stdout.splitlines()
    assert "cannot be written (File too large)" in what
    assert "Free 1 MB" in remedy
    assert names(folder) == set()
