import gzip
import hashlib
import os
import pickle
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import kit
from kit.data.digits import Source
from kit.data.mnist import CHECKSUMS, MEND, load_keras
from kit.errors import DataError

EMBEDDED = Path(__file__).parents[2] / "data" / "mnist.npz"


@pytest.fixture(scope="session")
def arrays() -> dict[str, NDArray[np.uint8]]:
    with np.load(EMBEDDED) as file:
        return {name: file[name] for name in file.files}


def fault(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_keras(path)
    assert caught.value.exit_code == 3
    assert "git checkout data/mnist.npz" in caught.value.remedy
    assert "--source kaggle" in caught.value.remedy
    assert "\n" not in caught.value.what
    return caught.value.what


def test_digits_are_those_of_the_file(mnist: Source, arrays: dict[str, NDArray[np.uint8]]) -> None:
    assert mnist.name == "keras"
    for digits, part in ((mnist.train, "train"), (mnist.test, "test")):
        assert digits.labels is not None
        np.testing.assert_array_equal(digits.pixels.reshape(-1, 28, 28), arrays[f"x_{part}"])
        np.testing.assert_array_equal(digits.labels, arrays[f"y_{part}"])
        assert (digits.pixels.dtype, digits.labels.dtype) == (np.uint8, np.int64)


def test_first_digit_is_the_well_known_five(mnist: Source) -> None:
    assert mnist.train.labels is not None
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.train.pixels[0, 5 * 28 + 12 : 5 * 28 + 24].tolist() == [
        *(3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127)
    ]
    # Ink is 1 and paper is 0
    assert mnist.train.take(np.arange(1)).images[0, 5 * 28 + 21] == np.float32(1)
    assert mnist.train.take(np.arange(1)).images[0, 0] == 0


def test_checksums_stand_in_the_datas_readme() -> None:
    readme = EMBEDDED.with_name("README.md").read_text("utf-8")
    for checksum in CHECKSUMS.values():
        assert checksum in readme


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_one_flipped_bit_is_found_and_its_array_named(
    name: str, arrays: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    changed = arrays[name].copy()
    changed.reshape(-1)[-1] ^= 1
    found = hashlib.sha256(changed.tobytes()).hexdigest()
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**arrays, name: changed})
    assert fault(path) == (
        f"{path}: {name} is not MNIST's: expected SHA-256 {CHECKSUMS[name][:12]}…, "
        f"found {found[:12]}…."
    )
    path.unlink()


def test_swapped_splits_are_found(arrays: dict[str, NDArray[np.uint8]], tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    swapped = {"x_train": arrays["x_test"], "x_test": arrays["x_train"]}
    np.savez(path, **{**arrays, **swapped})
    assert fault(path).startswith(f"{path}: x_train is not MNIST's: expected SHA-256 741c988805d0…")
    path.unlink()


def test_missing_array_is_named(arrays: dict[str, NDArray[np.uint8]], tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=arrays["x_test"], y_train=arrays["y_train"], y_test=arrays["y_test"])
    assert fault(path) == (
        f"{path}: expected the arrays x_train, y_train, x_test, y_test; "
        "x_test is not a file in the archive."
    )


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert fault(tmp_path / "mnist.npz") == f"{tmp_path / 'mnist.npz'}: there is no such file."
    # Of a folder, the file in it
    assert fault(tmp_path) == f"{tmp_path / 'mnist.npz'}: there is no such file."


def test_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    shutil.copy(EMBEDDED, tmp_path / "mnist.npz")
    assert load_keras(tmp_path).train.origin == f"{tmp_path / 'mnist.npz'}: x_train"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 11490434\n",
        b"PK\x03\x04 the beginning of a zip",
        b"\x93NUMPY\x01\x00",
    ],
    ids=["empty", "page", "pointer", "zip", "npy"],
)
def test_other_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    path.write_bytes(content)
    assert fault(path).startswith(f"{path}: not a readable .npz file (")


def test_single_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    with path.open("wb") as stream:
        np.save(stream, np.arange(3))
    assert fault(path).startswith(f"{path}: not a readable .npz file (")


def test_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    path.write_bytes(EMBEDDED.read_bytes()[:-1_000])
    assert fault(path) == f"{path}: not a readable .npz file (File is not a zip file)."


def test_any_flipped_bit_of_the_archives_directory_is_harmless_or_refused(tmp_path: Path) -> None:
    content = EMBEDDED.read_bytes()
    with zipfile.ZipFile(EMBEDDED) as archive:
        directory = archive.start_dir
    path = tmp_path / "mnist.npz"
    refused = 0
    # The whole of one entry: version, flags, method, time, sum, sizes, name, place
    for offset in range(directory, directory + 57):
        # That of the time is read by nobody, and a file that is read whole takes its time
        if directory + 12 <= offset < directory + 16:
            continue
        damaged = bytearray(content)
        damaged[offset] ^= 1
        path.write_bytes(damaged)
        try:
            load_keras(path)
        except DataError as error:
            assert error.what.startswith(f"{path}: ")  # noqa: PT017 - some flips are harmless
            refused += 1
    assert refused > 30


@pytest.fixture
def kit_elsewhere(tmp_path: Path) -> Path:
    """A copy of the package that no checkout with its data surrounds."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(
        Path(kit.__file__).parent, elsewhere / "kit", ignore=shutil.ignore_patterns("__pycache__")
    )
    return elsewhere


def load_elsewhere(
    kit_elsewhere: Path, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    program = """
import sys
from kit.data.mnist import load_keras
from kit.errors import KitError
try:
    print(load_keras().train.origin)
except KitError as error:
    print(type(error).__name__, error.exit_code)
    print(error.what)
    print(error.remedy)
"""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder or kit_elsewhere,
        env={**os.environ, "PYTHONPATH": str(kit_elsewhere), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_kerass_cache_is_taken_where_nothing_else_is(kit_elsewhere: Path, tmp_path: Path) -> None:
    cached = tmp_path / "keras" / "datasets" / "mnist.npz"
    cached.parent.mkdir(parents=True)
    shutil.copy(EMBEDDED, cached)
    told = load_elsewhere(kit_elsewhere, KERAS_HOME=str(tmp_path / "keras"))
    assert told.stdout == f"{cached}: x_train\n"


def test_kerass_cache_is_looked_for_at_home(kit_elsewhere: Path, tmp_path: Path) -> None:
    cached = tmp_path / ".keras" / "datasets" / "mnist.npz"
    cached.parent.mkdir(parents=True)
    shutil.copy(EMBEDDED, cached)
    told = load_elsewhere(kit_elsewhere, KERAS_HOME="", HOME=str(tmp_path))
    assert told.stdout == f"{cached}: x_train\n"


def test_file_in_this_folder_comes_first(kit_elsewhere: Path, tmp_path: Path) -> None:
    for folder in (kit_elsewhere / "data", tmp_path / "keras" / "datasets"):
        folder.mkdir(parents=True)
        shutil.copy(EMBEDDED, folder / "mnist.npz")
    told = load_elsewhere(kit_elsewhere, KERAS_HOME=str(tmp_path / "keras"))
    assert told.stdout == f"{Path('data/mnist.npz')}: x_train\n"


def test_files_of_another_project_beside_the_package_are_left_alone(
    kit_elsewhere: Path, tmp_path: Path
) -> None:
    (kit_elsewhere / "data").mkdir()
    (kit_elsewhere / "data" / "mnist.npz").write_bytes(b"not the kit's")
    (kit_elsewhere / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    cached = tmp_path / "keras" / "datasets" / "mnist.npz"
    cached.parent.mkdir(parents=True)
    shutil.copy(EMBEDDED, cached)
    told = load_elsewhere(kit_elsewhere, folder=tmp_path, KERAS_HOME=str(tmp_path / "keras"))
    assert told.stdout == f"{cached}: x_train\n"


def test_without_a_copy_and_a_network_the_remedy_is_told(
    kit_elsewhere: Path, tmp_path: Path
) -> None:
    home = tmp_path / "keras"
    home.mkdir()
    # Bound and not listened to: whoever connects is refused at once, and nobody else gets the port
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        told = load_elsewhere(
            kit_elsewhere,
            KERAS_HOME=str(home),
            HOME=str(tmp_path),
            https_proxy=proxy,
            HTTPS_PROXY=proxy,
            no_proxy="",
            NO_PROXY="",
        )
    kind, what, remedy = told.stdout.splitlines()
    assert kind == "NetworkError 6"
    assert what.startswith("MNIST is missing (data/mnist.npz, Keras's cache)")
    assert "ProxyError" in what
    assert remedy == MEND
    assert not (home / "datasets" / "mnist.npz").exists()


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("mnist.npz", b"\n<html>Sign in</html>", "an HTML page"),
        ("mnist.npz", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        ("mnist.npz", pickle.dumps({"x_train": 1}), "a pickled Python object"),
        ("mnist.pkl", pickle.dumps({"a, b": [1]}, protocol=0), "a pickled Python object"),
        ("x.npy", pickle.dumps(np.arange(3), protocol=0), "a pickled Python object"),
        ("mnist.npz", b'{"x_train": [[0, 0], [0, 0]]}', "a JSON file"),
        ("mnist.pkl.gz", gzip.compress(b"1", mtime=0), "a gzip archive"),
        ("x_train.npy", b"\x93NUMPY\x01\x00", "a single array"),
        ("train-images-idx3-ubyte", b"\x00\x00\x08\x03", "an IDX file"),
        ("noise", bytes(range(200, 256)), "another kind of file"),
        ("train.csv", b"label,pixel0\n5,0\n", "another kind of file"),
    ],
)
def test_a_file_of_another_kind_is_named(
    name: str, content: bytes, found: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert fault(path).startswith(f"{path}: not a readable .npz file ({found}")


def test_pickled_arrays_are_refused_and_nobody_is_told_to_allow_them(tmp_path: Path) -> None:
    arrays = {name: np.array([{}], object) for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "mnist.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        load_keras(tmp_path / "mnist.npz")
    assert "pickled" in caught.value.what
    assert "allow_pickle" not in caught.value.what + caught.value.remedy
