import csv
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kit.data.digits import Digits, Source
from kit.data.kaggle_csv import load_kaggle
from kit.data.rehearsal import make_rehearsal

FILES = ["sample_submission.csv", "solution.csv", "test.csv", "train.csv"]


def checksums(rehearsal: Path) -> dict[str, str]:
    return {name: hashlib.sha256((rehearsal / name).read_bytes()).hexdigest() for name in FILES}


@pytest.fixture(scope="module")
def rehearsal(mnist: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    parent = tmp_path_factory.mktemp("data")
    yield make_rehearsal(mnist, 7, parent)
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def dealt(rehearsal: Path) -> Source:
    return load_kaggle(rehearsal)


@pytest.fixture(scope="module")
def solution(rehearsal: Path) -> list[int]:
    with (rehearsal / "solution.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["ImageId", "Label"]
    assert [int(image) for image, _ in rows] == list(range(1, 28_001))
    return [int(label) for _, label in rows]


def test_folder_holds_four_files_and_nothing_else(rehearsal: Path) -> None:
    assert rehearsal.name == "rehearsal-7"
    shown = sorted(file.name for file in rehearsal.iterdir() if file.name[0] != ".")
    assert shown == FILES
    assert list(rehearsal.parent.iterdir()) == [rehearsal]


def test_sizes_are_kaggles(rehearsal: Path) -> None:
    # Kaggle's files: 76,775,041 + 51,118,296 and 240,909 bytes
    sizes = {name: (rehearsal / name).stat().st_size for name in FILES}
    assert sizes["train.csv"] + sizes["test.csv"] == 127_893_337
    assert sizes["sample_submission.csv"] == 240_909


def test_headers_and_line_ends_are_kaggles(rehearsal: Path) -> None:
    pixels = ",".join(f"pixel{i}" for i in range(784))
    for name, header, lines in [
        ("train.csv", f"label,{pixels}", 42_001),
        ("test.csv", pixels, 28_001),
        ("sample_submission.csv", "ImageId,Label", 28_001),
    ]:
        content = (rehearsal / name).read_bytes()
        assert content.startswith(header.encode() + b"\r\n")
        assert content.endswith(b"\r\n")
        assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r") == lines
    sample = (rehearsal / "sample_submission.csv").read_bytes()
    expected = "".join(f"{i},0\r\n" for i in range(1, 28_001))
    assert sample == b"ImageId,Label\r\n" + expected.encode()


def test_all_of_mnist_is_dealt_once(dealt: Source, solution: list[int], mnist: Source) -> None:
    assert (len(dealt.train), len(dealt.test)) == (42_000, 28_000)
    assert dealt.train.labels is not None
    # The solution's labels are those of test.csv's images, since all of MNIST's are distinct
    everything = labelled(dealt.train) + labelled(Digits(dealt.test.pixels, np.array(solution), ""))
    assert sorted(everything) == sorted(labelled(mnist.train) + labelled(mnist.test))


def labelled(digits: Digits) -> list[tuple[bytes, int]]:
    assert digits.labels is not None
    images = (row.tobytes() for row in digits.pixels)
    return list(zip(images, digits.labels.tolist(), strict=True))


def test_deal_is_shuffled(dealt: Source, mnist: Source) -> None:
    # Of each 10,000 that stand in a row in MNIST, three in five are dealt to train.csv
    trained = {row.tobytes() for row in dealt.train.pixels}
    for digits in (mnist.train.take(np.arange(10_000)), mnist.test):
        assert 5_800 < sum(row.tobytes() in trained for row in digits.pixels) < 6_200


def test_first_line_is_the_digit_as_text(rehearsal: Path, dealt: Source) -> None:
    with (rehearsal / "train.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert dealt.train.labels is not None
    assert int(row.pop("label")) == dealt.train.labels[0]
    assert [int(value) for value in row.values()] == dealt.train.pixels[0].tolist()


def test_seed_decides_the_deal_to_the_byte(rehearsal: Path, mnist: Source, tmp_path: Path) -> None:
    same, other = make_rehearsal(mnist, 7, tmp_path), make_rehearsal(mnist, 8, tmp_path)
    first = checksums(rehearsal)
    assert checksums(same) == first
    differing = {name for name, checksum in checksums(other).items() if checksum != first[name]}
    assert differing == {"train.csv", "test.csv", "solution.csv"}
    shutil.rmtree(tmp_path)


def test_second_call_changes_nothing(rehearsal: Path, mnist: Source) -> None:
    marks = {name: (rehearsal / name).stat() for name in FILES}
    assert make_rehearsal(mnist, 7, rehearsal.parent) == rehearsal
    for name, mark in marks.items():
        now = (rehearsal / name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (mark.st_ino, mark.st_mtime_ns)


PROGRAM = """
import sys
from pathlib import Path
from kit.data.mnist import load_keras
from kit.data.rehearsal import make_rehearsal
mnist = load_keras()
sys.stdin.readline()
{limit}
print(make_rehearsal(mnist, 7, Path(sys.argv[1])))
"""


def test_two_processes_deal_the_same_rehearsal_at_once(rehearsal: Path, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(limit=""), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        told, _ = process.communicate()
        assert (process.returncode, told) == (0, f"{tmp_path / 'rehearsal-7'}\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "rehearsal-7"]
    assert checksums(tmp_path / "rehearsal-7") == checksums(rehearsal)
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("size", [0, 1_000_000, 76_000_000])
def test_full_disk_leaves_nothing(size: int, tmp_path: Path) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(limit=limit), str(tmp_path)],
        input="go\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "OSError: [Errno 27] File too large" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_folder_is_as_open_as_the_one_around_it(rehearsal: Path) -> None:
    assert rehearsal.stat().st_mode == rehearsal.parent.stat().st_mode
