"""Digits kept beside the file that they were read from, so that it is parsed once.

A cache holds the checksum of the whole content of its file, and is used only while the file has
that content, whatever its name, times and inode say: those can stay while the content changes (a
restored time, an edit within one tick of the clock, a clock that steps, a network folder), and can
change while the content stays (a copy).
"""

import contextlib
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.data.checksum import Checksum
from kit.data.digits import CLASSES, PIXELS
from kit.files import whole_file

# magic and version; checksum of the file; rows; whether labelled; checksum of pixels and labels
_HEADER = struct.Struct("<16s32sQB32s")
_MAGIC = b"kit digits v1\r\n\0"


def cache_path(file: Path, table: str) -> Path:
    """Where the digits of `table` (`train` or `test`), read from `file`, are kept."""
    return file.with_name(f".{file.name}.{table}.digits")


def load_cache(
    path: Path, file_checksum: bytes, *, labelled: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None] | None:
    """The pixels, uint8 (n, 784), and labels, int64 (n,) of 0–9 or None, that are kept in `path`.

    None where there is no cache, where it is of another file or kind, or where it is broken.
    """
    try:
        # a pipe or a device would keep us waiting, or never end
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            header = stream.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return None
            magic, kept_for, rows, with_labels, content = _HEADER.unpack(header)
            if (magic, kept_for, with_labels) != (_MAGIC, file_checksum, labelled):
                return None
            # before any array is made: a broken header must not ask for all of the memory
            if rows < 1 or path.stat().st_size != _HEADER.size + rows * (PIXELS + labelled):
                return None
            pixels = np.empty((rows, PIXELS), np.uint8)
            digits = np.empty(rows if labelled else 0, np.uint8)
            read = stream.readinto(pixels.data) + stream.readinto(digits.data)
    except OSError:
        return None
    if read != pixels.nbytes + digits.nbytes or _checksum(pixels, digits) != content:
        return None
    if not labelled:
        return pixels, None
    return (pixels, digits.astype(np.int64)) if digits.max() < CLASSES else None


def save_cache(
    path: Path, file_checksum: bytes, pixels: NDArray[np.uint8], labels: NDArray[np.int64] | None
) -> None:
    """Keep `pixels`, uint8 (n, 784), and `labels`, int64 (n,) of 0–9 or None, in `path`.

    Nothing is kept, and nothing is wrong, where the folder cannot be written or the disk is full.
    """
    digits = np.empty(0, np.uint8) if labels is None else labels.astype(np.uint8)
    content = _checksum(pixels, digits)
    header = _HEADER.pack(_MAGIC, file_checksum, len(pixels), labels is not None, content)
    with contextlib.suppress(OSError), whole_file(path) as stream:
        stream.write(header)
        stream.write(pixels.data)
        stream.write(digits.data)


def _checksum(pixels: NDArray[np.uint8], digits: NDArray[np.uint8]) -> bytes:
    content = Checksum()
    content.update(pixels.data)
    content.update(digits.data)
    return content.digest()
