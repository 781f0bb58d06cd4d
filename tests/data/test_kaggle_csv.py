import gzip
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaggle_writer import csv_bytes

from kit.data.csv_faults import REMEDY
from kit.data.digits import Digits, Source
from kit.data.kaggle_csv import load_kaggle
from kit.data.mnist import load_keras
from kit.errors import DataError

MISSING = "Get them with kit download, name their folder with --data, or use --source keras."
AGAIN = "Download the archive again with kit download."
AS_SERVED = "Use the archive as Kaggle serves it: kit download."


@pytest.fixture(scope="session")
def tables(mnist_digits: Digits) -> dict[str, bytes]:
    pixels, labels = mnist_digits.pixels, mnist_digits.labels
    return {
        "train.csv": csv_bytes(pixels[:30], labels[:30], line_end="\r\n"),
        "test.csv": csv_bytes(pixels[30:50], line_end="\r\n"),
    }


def write_folder(folder: Path, tables: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def assert_digits_of(source: Source, digits: Digits) -> None:
    assert source.name == "kaggle"
    np.testing.assert_array_equal(source.train.pixels, digits.pixels[:30])
    np.testing.assert_array_equal(source.train.labels, digits.labels[:30])
    np.testing.assert_array_equal(source.test.pixels, digits.pixels[30:50])
    assert source.test.labels is None


def fault(path: Path | None) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        load_kaggle(path)
    assert "\n" not in caught.value.what + caught.value.remedy
    return caught.value.what, caught.value.remedy


def test_both_sources_give_the_same_bytes_for_the_same_image(tmp_path: Path) -> None:
    keras = load_keras()
    train, test = keras.train.take(np.arange(200)), keras.test.take(np.arange(100))
    folder = write_folder(
        tmp_path,
        {
            "train.csv": csv_bytes(train.pixels, train.labels),
            "test.csv": csv_bytes(test.pixels),
        },
    )
    kaggle = load_kaggle(folder)
    assert kaggle.train.fingerprint == train.fingerprint
    assert kaggle.train.images.tobytes() == train.images.tobytes()
    assert kaggle.train.images.dtype == train.images.dtype == np.float32
    assert kaggle.test.images.tobytes() == test.images.tobytes()
    assert kaggle.train.labels.dtype == train.labels.dtype


def test_folder_is_read(tmp_path: Path, tables: dict[str, bytes], mnist_digits: Digits) -> None:
    source = load_kaggle(write_folder(tmp_path, tables))
    assert_digits_of(source, mnist_digits)
    assert source.train.origin == str(tmp_path / "train.csv")
    assert source.test.origin == str(tmp_path / "test.csv")


@pytest.mark.parametrize("prefix", ["", "digit-recognizer/"])
def test_zip_is_read_in_place_and_leaves_no_other_file(
    prefix: str, tmp_path: Path, tables: dict[str, bytes], mnist_digits: Digits
) -> None:
    members = {prefix + name: content for name, content in tables.items()}
    path = write_zip(tmp_path / "digit-recognizer.zip", {"sample_submission.csv": b""} | members)
    source = load_kaggle(path)
    assert_digits_of(source, mnist_digits)
    assert source.train.origin == f"{path}, member train.csv"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.csv.zip", "test.csv.zip"),
        ("train.csv", "test.csv.gz"),
        ("train.csv.GZ", "Test.CSV.Zip"),
        ("TRAIN.CSV", "test.csv.gz"),
    ],
)
def test_single_files_as_kaggle_serves_them_are_read(
    train: str, test: str, tmp_path: Path, tables: dict[str, bytes], mnist_digits: Digits
) -> None:
    for kind, name in (("train.csv", train), ("test.csv", test)):
        if name.lower().endswith(".zip"):
            write_zip(tmp_path / name, {kind: tables[kind]})
        else:
            is_packed = name.lower().endswith(".gz")
            content = gzip.compress(tables[kind]) if is_packed else tables[kind]
            (tmp_path / name).write_bytes(content)
    source = load_kaggle(tmp_path)
    assert_digits_of(source, mnist_digits)
    assert source.train.origin.startswith(str(tmp_path / train))
    assert source.test.origin.startswith(str(tmp_path / test))


def test_a_plain_file_is_read_before_an_archive_of_it(
    tmp_path: Path, tables: dict[str, bytes], mnist_digits: Digits
) -> None:
    write_folder(tmp_path, tables | {"train.csv.gz": b"\x1f\x8b", "digit-recognizer.zip": b"PK"})
    assert_digits_of(load_kaggle(tmp_path), mnist_digits)


@pytest.mark.parametrize("length", [0, 5, 100, -4])
def test_a_broken_gzip_archive_is_named(
    length: int, tmp_path: Path, tables: dict[str, bytes]
) -> None:
    packed = gzip.compress(tables["train.csv"])[:length] or b"\x1f\x8b"
    write_folder(tmp_path, {"train.csv.gz": packed, "test.csv": tables["test.csv"]})
    path = tmp_path / "train.csv.gz"
    assert fault(tmp_path)[0].startswith(f"{path}: expected a whole gzip archive, found a broken")


@pytest.mark.parametrize("name", ["train.csv", "test.csv"])
def test_where_a_single_file_is_given_its_folder_is_to_be_named(
    name: str, tmp_path: Path, tables: dict[str, bytes]
) -> None:
    what, remedy = fault(write_folder(tmp_path, tables) / name)
    assert "expected a folder or a zip archive with train.csv and test.csv" in what
    assert remedy.startswith("Name the folder that both files are in")


@pytest.mark.parametrize(
    ("start", "end"), [(gzip.compress(b"1", mtime=0), "gz"), (b"PK\3\4", "zip")]
)
def test_an_archive_with_the_name_of_its_file_is_to_be_renamed(
    start: bytes, end: str, tmp_path: Path, tables: dict[str, bytes]
) -> None:
    what, remedy = fault(write_folder(tmp_path, tables | {"train.csv": start}))
    assert f"found a {end[:2]}" in what
    assert f"train.csv.{end} or test.csv.{end}" in remedy


def test_a_page_in_the_place_of_a_single_archive_is_named(
    tmp_path: Path, tables: dict[str, bytes]
) -> None:
    write_folder(tmp_path, {"train.csv": tables["train.csv"], "test.csv.zip": b"<html></html>"})
    what, _ = fault(tmp_path)
    assert what.startswith(f"{tmp_path / 'test.csv.zip'}: ")
    assert what.endswith("found an HTML page")


def test_mnists_arrays_in_the_place_of_the_zip_are_named() -> None:
    what, remedy = fault(Path(__file__).parents[2] / "data" / "mnist.npz")
    assert "expected one train.csv, found 0" in what
    assert "--source keras" in remedy


@pytest.mark.parametrize("header", ["", "Unnamed: 0", None])
def test_an_index_column_is_refused_with_its_cause(
    header: str | None, tmp_path: Path, tables: dict[str, bytes]
) -> None:
    first, *rows = tables["train.csv"].decode().splitlines()
    # R's write.table gives the names of rows no name in the header
    first = first if header is None else f"{header},{first}"
    lines = [first, *(f"{number},{row}" for number, row in enumerate(rows))]
    write_folder(tmp_path, {**tables, "train.csv": ("\n".join(lines) + "\n").encode()})
    what, remedy = fault(tmp_path)
    assert what.startswith(f"{tmp_path / 'train.csv'}, line ")
    assert "index=False" in remedy
    assert "row.names=FALSE" in remedy


def test_changed_zip_is_read_anew(
    tmp_path: Path, tables: dict[str, bytes], mnist_digits: Digits
) -> None:
    path = tmp_path / "digit-recognizer.zip"
    write_zip(path, tables | {"test.csv": csv_bytes(mnist_digits.pixels[:3])})
    assert len(load_kaggle(path).test) == 3
    assert_digits_of(load_kaggle(write_zip(path, tables)), mnist_digits)


def test_folder_that_holds_the_zip_alone_is_read(
    tmp_path: Path, tables: dict[str, bytes], mnist_digits: Digits
) -> None:
    write_zip(tmp_path / "digit-recognizer.zip", tables)
    assert_digits_of(load_kaggle(tmp_path), mnist_digits)


def test_data_kaggle_is_the_first_place(
    tmp_path: Path,
    tables: dict[str, bytes],
    mnist_digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "data" / "kaggle", tables)
    source = load_kaggle()
    assert_digits_of(source, mnist_digits)
    assert source.train.origin == str(Path("data/kaggle/train.csv"))


@pytest.mark.skipif(Path("/kaggle/input").exists(), reason="the competition is mounted here")
def test_all_places_are_named_where_none_has_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "kaggle").mkdir(parents=True)
    assert fault(None) == (
        (
            "train.csv and test.csv: expected in one of data/kaggle, "
            "/kaggle/input/digit-recognizer, /kaggle/input/competitions/digit-recognizer, "
            "found in none"
        ),
        MISSING,
    )


def test_missing_path_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    assert fault(path) == (f"{path}: expected Kaggle's digits, found nothing", MISSING)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "no train.csv and no test.csv"),
        (["train.csv"], "no test.csv"),
        (["test.csv"], "no train.csv"),
    ],
)
def test_missing_file_is_named(
    names: list[str], found: str, tmp_path: Path, tables: dict[str, bytes]
) -> None:
    write_folder(tmp_path, {name: tables[name] for name in names})
    what = f"{tmp_path}: expected train.csv and test.csv, found {found}"
    assert fault(tmp_path) == (what, MISSING)


def test_exchanged_files_are_named(tmp_path: Path, tables: dict[str, bytes]) -> None:
    write_folder(tmp_path, {"train.csv": tables["test.csv"], "test.csv": tables["train.csv"]})
    assert fault(tmp_path) == (
        (
            f"{tmp_path / 'train.csv'}, line 1, column 1: expected 'label', found 'pixel0' "
            "(784 columns in place of 785)"
        ),
        "Only train.csv has labels: check that the two files were not renamed or exchanged.",
    )


def test_faulty_file_leaves_no_other_file(tmp_path: Path, tables: dict[str, bytes]) -> None:
    write_folder(tmp_path, {**tables, "test.csv": tables["test.csv"][:-50]})
    with pytest.raises(DataError, match="cut off"):
        load_kaggle(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.csv", "train.csv"]


def test_folder_in_the_place_of_a_file_is_named(tmp_path: Path, tables: dict[str, bytes]) -> None:
    write_folder(tmp_path, {"test.csv": tables["test.csv"]})
    (tmp_path / "train.csv").mkdir()
    what = f"{tmp_path / 'train.csv'}: expected a file, found a folder or a device"
    assert fault(tmp_path) == (what, REMEDY)


def test_pipe_in_the_place_of_a_file_is_named(tmp_path: Path, tables: dict[str, bytes]) -> None:
    write_folder(tmp_path, {"test.csv": tables["test.csv"]})
    os.mkfifo(tmp_path / "train.csv")
    with pytest.raises(DataError, match=r"train\.csv: expected a file, found a folder or a device"):
        load_kaggle(tmp_path)


def test_html_page_in_the_place_of_the_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "digit-recognizer.zip"
    path.write_bytes(b"<!doctype html><title>Sign in</title>")
    assert fault(path) == (
        (
            f"{path}: expected a folder or a zip archive with train.csv and test.csv, "
            "found an HTML page"
        ),
        (
            "Kaggle answers with a page until you have signed in and accepted the competition's "
            "rules: do so, then kit download."
        ),
    )


def test_fault_inside_a_zip_is_named_with_its_line(
    tmp_path: Path, tables: dict[str, bytes]
) -> None:
    broken = tables["train.csv"].replace(b"\r\n", b"\r\nx", 2).replace(b"\r\nx", b"\r\n", 1)
    path = write_zip(tmp_path / "a.zip", tables | {"train.csv": broken})
    what, remedy = fault(path)
    label = broken.splitlines()[2].split(b",")[0].decode()
    assert what == (
        f"{path}, member train.csv, line 3, column label: "
        f"expected a whole number from 0 to 9, found '{label}'"
    )
    assert remedy == REMEDY


def test_truncated_zip_is_named(tmp_path: Path, tables: dict[str, bytes]) -> None:
    path = write_zip(tmp_path / "a.zip", tables)
    path.write_bytes(path.read_bytes()[:-100])
    what = f"{path}: expected a whole zip archive, found a broken one (File is not a zip file)"
    assert fault(path) == (what, AGAIN)


def test_zip_without_a_file_is_named(tmp_path: Path, tables: dict[str, bytes]) -> None:
    path = write_zip(tmp_path / "a.zip", {"train.csv": tables["train.csv"]})
    what = f"{path}: expected one test.csv, found 0 (members: 'train.csv')"
    assert fault(path) == (what, AS_SERVED)


def test_zip_with_a_file_twice_is_named(tmp_path: Path, tables: dict[str, bytes]) -> None:
    path = write_zip(tmp_path / "a.zip", tables | {"old/train.csv": tables["train.csv"]})
    what = (
        f"{path}: expected one train.csv, found 2 "
        "(members: 'train.csv', 'test.csv', 'old/train.csv')"
    )
    assert fault(path) == (what, AS_SERVED)


def test_member_that_is_a_link_is_read_as_the_text_it_is(
    tmp_path: Path, tables: dict[str, bytes]
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("train.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("test.csv", tables["test.csv"])
    assert fault(path)[0].startswith(f"{path}, member train.csv, line 1, column 1: ")


def test_gzip_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, tables: dict[str, bytes]
) -> None:
    # Right rows of white images; to repeat an archive repeats what it holds
    row = b"0," * 783 + b"0\n"
    rows = gzip.compress(row * (64 << 20 >> 11), compresslevel=1)
    header = gzip.compress(tables["test.csv"].splitlines(keepends=True)[0])
    write_folder(tmp_path, {"train.csv": tables["train.csv"], "test.csv.gz": header + rows * 40})
    path = tmp_path / "test.csv.gz"
    assert path.stat().st_size < 20 << 20
    tracemalloc.start()
    what, _ = fault(tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert what.startswith(f"{path}: expected at most 512 MiB")
    assert most < 1 << 29


def test_gzip_of_nothing_is_refused_at_its_beginning(
    tmp_path: Path, tables: dict[str, bytes]
) -> None:
    zeros = gzip.compress(bytes(64 << 20), compresslevel=1)
    write_folder(tmp_path, {"train.csv.gz": zeros * 40, "test.csv": tables["test.csv"]})
    began = time.process_time()
    assert fault(tmp_path)[0].startswith(f"{tmp_path / 'train.csv.gz'}, line 1, column 1: ")
    assert time.process_time() - began < 1


@pytest.fixture(scope="session")
def archive_bytes(tables: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_zip(tmp_path_factory.mktemp("sound") / "a.zip", tables).read_bytes()


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_corrupt_zip_gives_the_same_digits_or_a_data_error(
    data, archive_bytes: bytes, mnist_digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("corrupt") / "a.zip"
    size = len(archive_bytes)
    place = data.draw(st.integers(0, size - 1) | st.integers(size - 200, size - 1))
    length = data.draw(st.integers(0, 4))
    other = data.draw(st.binary(max_size=4))
    path.write_bytes(archive_bytes[:place] + other + archive_bytes[place + length :])
    try:
        source = load_kaggle(path)
    except DataError:
        return
    assert_digits_of(source, mnist_digits)


def test_import_loads_neither_pandas_nor_pyarrow() -> None:
    code = "import sys, kit.data.kaggle_csv; print({'pandas', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
