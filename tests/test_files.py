import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.files import whole_file, write_whole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "submission.csv"
    path.write_bytes(b"the old content")
    return path


def write_half(path: Path, interruption: type[BaseException]) -> None:
    with whole_file(path) as stream:
        stream.write(b"half of the new content")
        stream.flush()
        raise interruption


def assert_old(path: Path) -> None:
    assert path.read_bytes() == b"the old content"
    assert [left.name for left in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (b"\x00\xff\r\n", b"\x00\xff\r\n"),
        ("één\r\n2,7\n", b"\xc3\xa9\xc3\xa9n\r\n2,7\n"),
        (b"", b""),
        ("", b""),
    ],
)
def test_content_replaces_the_old_one_as_it_is(
    path: Path, content: bytes | str, written: bytes
) -> None:
    write_whole(path, content)
    assert path.read_bytes() == written
    assert list(path.parent.iterdir()) == [path]


def test_old_content_stands_until_the_new_one_is_whole(path: Path) -> None:
    with whole_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"the old content"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_interrupted_writing_keeps_the_old_content(
    path: Path, interruption: type[BaseException]
) -> None:
    with pytest.raises(interruption):
        write_half(path, interruption)
    assert_old(path)


def test_interrupted_writing_makes_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "new.csv", KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []


def test_text_that_utf8_cannot_hold_keeps_the_old_content(path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert_old(path)


@pytest.mark.parametrize("size", [10_001, 1_000_000], ids=["while closing", "while writing"])
def test_full_disk_keeps_the_old_content(path: Path, size: int) -> None:
    program = f"""
import resource, sys
from pathlib import Path
from kit.files import whole_file
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with whole_file(Path(sys.argv[1])) as stream:
        for _ in range({size}):
            stream.write(b"x")
except OSError as error:
    print(type(error).__name__, error.errno)
"""
    told = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout == "OSError 27\n"
    assert_old(path)


def test_killed_writing_keeps_the_old_content(path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from kit.files import whole_file
with whole_file(Path(sys.argv[1])) as stream:
    stream.write(b"half of the new content")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert ended.returncode == -9
    assert path.read_bytes() == b"the old content"
    # What a kill leaves is hidden, and says whose half it is
    (left,) = (left.name for left in path.parent.iterdir() if left != path)
    assert left.startswith(".submission.csv.")
    assert left.endswith(".part")


@pytest.mark.parametrize(
    ("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)]
)
def test_umask_decides_the_mode(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "new.csv", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == mode


def test_folder_of_the_same_name_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "submission.csv"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(folder, b"content")
    assert list(tmp_path.iterdir()) == [folder]
    assert folder.is_dir()


def test_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "submission.csv", b"content")
    assert list(tmp_path.iterdir()) == []
