"""The download: what it leaves, what it refuses to unpack, and what it does not fetch again."""

import os
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle
from fetching import ROWS
from file_host import FileHost, refused, zipped

from kit.cli.main import run
from kit.competition import find_files
from kit.errors import CompetitionError, CredentialsError, DataError, KitError, UsageError
from kit.kaggle.client import Kaggle
from kit.kaggle.download import download
from kit.local_kaggle.app import LocalKaggle


def fetch(folder: Path) -> list[Path]:
    return download(Kaggle(tries=3, sleep=lambda _: None), folder, lambda _done, _size: None, ROWS)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".download.lock", "home"}


def test_the_three_files_are_there_and_nothing_else(
    at_local: LocalKaggle, competition_files: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data/kaggle"
    assert find_files(folder, ROWS) is None
    fetched = fetch(folder)
    assert fetched == [folder / name for name in ROWS]
    for file in fetched:
        assert file.read_bytes() == (competition_files / file.name).read_bytes()
    assert names(folder) == set(ROWS)
    assert find_files(folder, ROWS) == fetched
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((folder / "train.csv").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"label\n1\n", "expected 6 rows, found 1"),
        (b"label,pixel0\r\n" + b"1,0\r\n" * 7, "expected 6 rows, found 7"),
        (b"label,pixel0\r\n" + b"1,0\r\n" * 5 + b"1", "not all the columns"),
        (b"", "expected 6 rows, found 0"),
    ],
)
def test_what_is_there_but_not_whole_is_told(
    tmp_path: Path, tables: dict[str, bytes], content: bytes, fault: str
) -> None:
    for name in ROWS:
        (tmp_path / name).write_bytes(tables[name])
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"train\.csv: .*{fault}") as damaged:
        find_files(tmp_path, ROWS)
    assert "kit download --force" in damaged.value.remedy


def test_the_last_line_needs_no_end(tmp_path: Path, tables: dict[str, bytes]) -> None:
    for name in ROWS:
        (tmp_path / name).write_bytes(tables[name].rstrip())
    assert find_files(tmp_path, ROWS) is not None


def test_a_second_download_replaces_the_first(host: FileHost, tmp_path: Path) -> None:
    fetch(tmp_path)
    (tmp_path / "train.csv").write_text("spoilt")
    fetch(tmp_path)
    assert find_files(tmp_path, ROWS) is not None
    assert names(tmp_path) == set(ROWS)


def test_files_that_are_whole_are_not_fetched_again(
    at_full_local: LocalKaggle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["download", "--json"]) == 0
    assert '"fetched": true' in capsys.readouterr().out
    # Kaggle is not even asked, nor are credentials looked for
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    assert run(["download", "--json"]) == 0
    assert '"fetched": false' in capsys.readouterr().out
    assert run(["download", "--force"]) == 4


def test_the_leftover_of_a_killed_download_is_removed(host: FileHost, tmp_path: Path) -> None:
    (tmp_path / ".digit-recognizer.zip.part").write_text("whole, but of what?")
    fetch(tmp_path)
    assert names(tmp_path) == set(ROWS)
    assert find_files(tmp_path, ROWS) is not None


Tables = dict[str | zipfile.ZipInfo, bytes]
ARCHIVES: dict[str, tuple[Callable[[dict[str, bytes]], Tables], str]] = {
    "a file is missing": (
        lambda whole: {name: data for name, data in whole.items() if name != "test.csv"},
        r"one test\.csv, found 0",
    ),
    "a file is there twice": (
        lambda whole: {**whole, "old/test.csv": b"pixel0\r\n"},
        r"one test\.csv, found 2",
    ),
    "a file is longer": (
        lambda whole: {**whole, "test.csv": whole["test.csv"] + b"0\r\n"},
        "has more than the 20 bytes listed",
    ),
    "a file is shorter": (
        lambda whole: {**whole, "test.csv": whole["test.csv"][:-3]},
        "has fewer than the 20 bytes listed",
    ),
    "a file has more rows": (
        lambda whole: {**whole, "test.csv": whole["test.csv"].replace(b"\r\n", b"\n\n")},
        r"test\.csv as Kaggle serves it: expected 4 rows, found 9",
    ),
    "a file has fewer rows": (
        lambda whole: {**whole, "train.csv": whole["train.csv"].replace(b"\r\n1,0", b",11,0", 2)},
        r"train\.csv as Kaggle serves it: expected 6 rows, found 4",
    ),
    "a file has fewer columns": (
        lambda whole: {**whole, "train.csv": whole["train.csv"].replace(b"1,0", b"100", 1)},
        r"train\.csv as Kaggle serves it: .*columns",
    ),
    "a file is a link": (
        lambda whole: {**without(whole, "train.csv"), link("train.csv"): b"/etc/passwd"},
        r"train\.csv in Kaggle's archive has fewer",
    ),
    "a file is a folder": (
        lambda whole: {**without(whole, "train.csv"), "train.csv/": b""},
        r"train\.csv in Kaggle's archive has fewer",
    ),
    "a bomb": (
        lambda whole: {**whole, "train.csv": b"0" * 10_000_000},
        "has more than the 44 bytes listed",
    ),
}


def without(tables: dict[str, bytes], left_out: str) -> dict[str, bytes]:
    return {name: table for name, table in tables.items() if name != left_out}


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_is_not_as_listed_is_refused(
    host: FileHost, tables: dict[str, bytes], tmp_path: Path, case: str
) -> None:
    change, expected = ARCHIVES[case]
    host.content = zipped(change(tables))
    with pytest.raises(DataError, match=expected):
        fetch(tmp_path / "data")
    assert names(tmp_path / "data") == set()
    assert not (tmp_path / "evil").exists()


def test_a_bomb_is_not_unpacked_whole(
    host: FileHost, tables: dict[str, bytes], tmp_path: Path
) -> None:
    host.content = zipped({**tables, "train.csv": b"0" * 100_000_000})
    tracemalloc.start()
    with pytest.raises(DataError, match="has more than the 44 bytes listed"):
        fetch(tmp_path / "data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("case", ["a link", "members that climb", "a thousand others"])
def test_what_was_not_asked_for_is_not_unpacked(
    host: FileHost, tables: dict[str, bytes], tmp_path: Path, case: str
) -> None:
    others: Tables = {link("linked"): b"/etc/passwd"}
    if case == "members that climb":
        others = dict.fromkeys(("../evil", "/tmp/evil", "C:\\evil", "..\\evil"), b"")
    elif case == "a thousand others":
        others = {f"{number}.csv": b"" for number in range(1_000)}
    host.content = zipped({**tables, **others})
    fetch(tmp_path / "data")
    assert names(tmp_path / "data") == set(ROWS)
    assert names(tmp_path) == {"data"}


def test_files_in_a_folder_of_the_archive_are_found(
    host: FileHost, tables: dict[str, bytes], tmp_path: Path
) -> None:
    host.content = zipped({f"digit-recognizer/{name}": table for name, table in tables.items()})
    fetch(tmp_path)
    assert names(tmp_path) == set(ROWS)


@pytest.mark.parametrize("at", [60, -100])
def test_a_damaged_archive_is_refused(host: FileHost, tmp_path: Path, at: int) -> None:
    content = bytearray(host.content)
    content[at] ^= 0xFF
    host.content = bytes(content)
    with pytest.raises(DataError):
        fetch(tmp_path / "data")
    assert names(tmp_path / "data") == set()


def test_no_archive_at_all_is_refused(host: FileHost, tmp_path: Path) -> None:
    # Kaggle once gave a single file's gzip where a zip was expected (kaggle-cli #536)
    host.content = b"\x1f\x8b maintenance"
    with pytest.raises(DataError, match="not a zip"):
        fetch(tmp_path / "data")
    # Once more, since it might have been of two versions
    assert host.ranges == [None, None]
    assert names(tmp_path / "data") == set()


def test_a_list_without_a_file_is_refused(host: FileHost, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no other\.csv"):
        download(Kaggle(), tmp_path, lambda _done, _size: None, {"other.csv": 1})


PHONE = b'{"code":403,"message":"Phone verification is needed to get this competition\'s data."}'


@pytest.mark.parametrize(
    ("status", "body", "error", "remedy"),
    [
        (403, PHONE, CompetitionError, "https://www.kaggle.com/settings"),
        (401, b'{"code":401,"message":"Unauthenticated"}', CredentialsError, "KAGGLE_API_TOKEN"),
        (404, b'{"code":404,"message":"Not found"}', CompetitionError, "digit-recognizer"),
    ],
)
def test_what_kaggle_refuses_is_told(
    host: FileHost, tmp_path: Path, status: int, body: bytes, error: type[KitError], remedy: str
) -> None:
    host.call_answers["DownloadDataFiles"] = refused(status, body, "application/json")
    with pytest.raises(error) as told:
        fetch(tmp_path / "data")
    assert str(status) in told.value.what
    assert remedy in told.value.remedy
    assert host.requests == []


def test_rules_that_are_not_accepted_are_told(at_local: FaultyKaggle, tmp_path: Path) -> None:
    at_local.user.rules_accepted = False
    with pytest.raises(CompetitionError) as refusal:
        fetch(tmp_path / "data")
    assert "https://www.kaggle.com/competitions/digit-recognizer/rules" in refusal.value.remedy
    assert names(tmp_path / "data") == set()


def test_one_download_at_a_time(host: FileHost, tmp_path: Path) -> None:
    outcome: list[KitError] = []

    def progress(_done: int, _size: int) -> None:
        if not outcome:
            with pytest.raises(UsageError, match="another download") as refusal:
                fetch(tmp_path)
            outcome.append(refusal.value)

    download(Kaggle(), tmp_path, progress, ROWS)
    assert outcome
    assert find_files(tmp_path, ROWS) is not None


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


def test_a_full_disk_leaves_nothing_half_written(host: FileHost, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    # A limit on the size of files fails writes as a full disk does, without filling one
    limit = len(host.content) - 1
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


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_is_read_only_is_told(host: FileHost, tmp_path: Path) -> None:
    (tmp_path / ".digit-recognizer.zip.part").write_bytes(host.content[:50])
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)") as told:
            fetch(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert str(tmp_path) in told.value.what


def test_a_folder_that_cannot_be_made_is_told(host: FileHost, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataError, match="cannot be written") as told:
        fetch(tmp_path / "data/kaggle")
    assert "data/kaggle" in told.value.what
    assert host.requests == []
