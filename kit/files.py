"""Files that are whole or not there, and the folder that the kit's own files are in."""

import contextlib
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def checkout() -> Path | None:
    """The folder of the kit's own git checkout; None where the kit was installed from a wheel."""
    folder = Path(__file__).parents[1]
    project = folder / "pyproject.toml"
    # The file can be another project's, where the kit was installed into a folder of its own
    if project.is_file() and 'name = "digit-kit"' in project.read_text(encoding="utf-8"):
        return folder
    return None


def keras_home() -> Path:
    """The folder in which Keras keeps its keras.json and its datasets, by Keras's own rule."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() fails for a user without a home
    usual = Path(home if os.access(home, os.W_OK) else "/tmp", ".keras")  # noqa: S108
    return Path(os.environ.get("KERAS_HOME") or usual)


# How files begin that are saved as a CSV, but are none
_FOREIGN: dict[bytes | tuple[bytes, ...], str] = {
    (b"<!", b"<?", b"<h", b"<H"): "an HTML page",
    (b"{", b"["): "a JSON file",
    b"version https://git-lfs": "a Git LFS pointer",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    (b"\xff\xfe", b"\xfe\xff"): "UTF-16 text",
    b"\x93NUMPY": "a single array, as numpy.save writes it",
    # The last ones are of protocol 0, which is text
    (b"\x80", b"(dp", b"(lp", b"cnumpy", b"cpandas", b"ccopy_reg"): "a pickled Python object",
    b"\x00\x00\x08": "an IDX file, as MNIST was first published",
}


def foreign_kind(start: bytes) -> str | None:
    """What a file is, where its first bytes show that it is no CSV; None where they may be one."""
    if not start:
        return "an empty file"
    text = start[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((kind for magic, kind in _FOREIGN.items() if text.startswith(magic)), None)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[Path]:
    """Add `path` to an OSError that names no file, such as that of a full disk."""
    try:
        yield path
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a hidden file beside `path` for writing bytes, and rename it to `path` when it is whole.

    Whatever interrupts the writing, `path` has either its old content or all of the new content.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `path` is untouched.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with naming(path), hidden.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8, line ends as they are) to `path`, whole or not at all."""
    with whole_file(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write NumPy arrays to `path` as an `.npz` file, whole or not at all."""
    import numpy as np

    # In memory first: NumPy 2.0 leaves its archive open where a write fails, and Python then
    # prints the traceback of a second failure when it closes the archive
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_whole(path, content.getvalue())
