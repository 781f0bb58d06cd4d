import os
import pickle
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaggle_writer import csv_bytes

from kit.data.csv_cache import cache_path, load_cache, save_cache
from kit.data.digits import Digits
from kit.data.kaggle_csv import read_train

FILE = bytes(range(32))


@pytest.fixture
def table(tmp_path: Path, mnist_digits: Digits) -> Path:
    path = tmp_path / "train.csv"
    path.write_bytes(csv_bytes(mnist_digits.pixels[:20], mnist_digits.labels[:20]))
    return path


def mark(table: Path, digits: Digits) -> None:
    """Put other pixels into the cache of `table`, so that a reading of it shows."""
    cache = cache_path(table, "train")
    kept_for = cache.read_bytes()[16:48]
    save_cache(cache, kept_for, np.full_like(digits.pixels, 77), digits.labels)


def from_cache(table: Path) -> bool:
    return bool((read_train(table).pixels == 77).all())


def test_second_reading_takes_the_cache(table: Path) -> None:
    first = read_train(table)
    second = read_train(table)
    assert second.origin == str(table)
    np.testing.assert_array_equal(second.pixels, first.pixels)
    np.testing.assert_array_equal(second.labels, first.labels)
    assert second.labels.dtype == np.int64
    mark(table, first)
    assert from_cache(table)


def test_cache_serves_the_same_content_under_other_times(table: Path) -> None:
    mark(table, read_train(table))
    os.utime(table, (1, 1))
    assert from_cache(table)


def test_cache_is_not_used_for_other_content_of_the_same_size_and_times(table: Path) -> None:
    mark(table, read_train(table))
    before = table.stat()
    content = bytearray(table.read_bytes())
    place = content.rindex(b",0\n") + 1
    content[place : place + 1] = b"9"
    with table.open("r+b") as stream:
        stream.write(content)
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = table.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert after.st_ino == before.st_ino
    assert read_train(table).pixels[-1, -1] == 9


def test_cache_is_not_used_for_a_file_renamed_over_the_old_one(
    table: Path, mnist_digits: Digits
) -> None:
    mark(table, read_train(table))
    other = table.with_name("other.csv")
    other.write_bytes(csv_bytes(mnist_digits.pixels[20:40], mnist_digits.labels[20:40]))
    os.utime(other, ns=(table.stat().st_atime_ns, table.stat().st_mtime_ns))
    other.replace(table)
    np.testing.assert_array_equal(read_train(table).pixels, mnist_digits.pixels[20:40])
    np.testing.assert_array_equal(read_train(table).pixels, mnist_digits.pixels[20:40])


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x80",
        pickle.dumps(np.zeros(3)),
        b"\x93NUMPY\x01\x00",
        b"kit digits v1\r\n\0" + FILE + b"\xff" * 41,
    ],
)
def test_broken_cache_is_rebuilt(table: Path, broken: bytes, mnist_digits: Digits) -> None:
    read_train(table)
    cache = cache_path(table, "train")
    sound = cache.read_bytes()
    cache.write_bytes(broken)
    np.testing.assert_array_equal(read_train(table).pixels, mnist_digits.pixels[:20])
    assert cache.read_bytes() == sound


def test_hostile_row_count_asks_for_no_memory(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    header = b"kit digits v1\r\n\0" + FILE + (2**62).to_bytes(8, "little") + b"\0" + bytes(32)
    cache.write_bytes(header)
    assert load_cache(cache, FILE, labelled=False) is None


def test_labels_above_9_are_not_taken(tmp_path: Path) -> None:
    save_cache(tmp_path / "c", FILE, np.zeros((1, 784), np.uint8), np.array([10]))
    assert load_cache(tmp_path / "c", FILE, labelled=True) is None


def test_cache_of_another_kind_is_not_taken(tmp_path: Path) -> None:
    save_cache(tmp_path / "c", FILE, np.zeros((1, 784), np.uint8), np.array([1]))
    assert load_cache(tmp_path / "c", FILE, labelled=False) is None


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_one_corruption_of_the_cache_is_seen(data, tmp_path_factory) -> None:
    cache = tmp_path_factory.getbasetemp() / "corrupt"
    pixels, labels = np.arange(1568).astype(np.uint8).reshape(2, 784), np.array([3, 4])
    save_cache(cache, FILE, pixels, labels)
    sound = cache.read_bytes()
    place = data.draw(st.integers(0, 96) | st.integers(0, len(sound) - 1))
    other = bytes([sound[place] ^ data.draw(st.integers(1, 255))])
    broken = data.draw(
        st.sampled_from(
            [
                sound[:place],
                sound + other,
                sound[:place] + other + sound[place + 1 :],
                sound[:place] + other + sound[place:],
            ]
        )
    )
    cache.write_bytes(broken)
    assert load_cache(cache, FILE, labelled=True) is None


def test_cache_that_cannot_be_written_is_done_without(table: Path, mnist_digits: Digits) -> None:
    # a folder in the cache's place stops root too, which permissions do not
    cache_path(table, "train").mkdir()
    for _ in range(2):
        np.testing.assert_array_equal(read_train(table).pixels, mnist_digits.pixels[:20])
    assert sorted(path.name for path in table.parent.iterdir()) == [
        ".train.csv.train.digits",
        "train.csv",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_read_only_folder_is_read(table: Path, mnist_digits: Digits) -> None:
    table.parent.chmod(0o500)
    try:
        np.testing.assert_array_equal(read_train(table).pixels, mnist_digits.pixels[:20])
    finally:
        table.parent.chmod(0o700)


def test_full_disk_leaves_no_cache_and_fails_no_reading(table: Path) -> None:
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    code = (
        "import sys; from pathlib import Path; from kit.data.kaggle_csv import read_train; "
        "print(len(read_train(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(table)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_disk,
    )
    assert (done.stdout, done.stderr) == ("20\n", "")
    assert [path.name for path in table.parent.iterdir()] == ["train.csv"]


def fingerprint(table: Path) -> str:
    return read_train(table).fingerprint


def test_processes_may_read_and_write_the_cache_at_once(table: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        fingerprints = set(pool.map(fingerprint, [table] * 40))
    assert fingerprints == {read_train(table).fingerprint}
    assert sorted(path.name for path in table.parent.iterdir()) == [
        ".train.csv.train.digits",
        "train.csv",
    ]
