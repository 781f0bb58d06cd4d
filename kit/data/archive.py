"""Reads Kaggle's zip in place, without unpacking it to disk."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO

from kit.errors import DataError

# Large enough that NumPy is fast on a block, small enough that its results stay in the cache
_BLOCK = 1 << 18
_REMEDY = "Download the archive again with kit download."
# Kaggle's train.csv has 76 MB. More than seven times that is taken for a zip bomb
_LARGEST_MEMBER = 512 << 20
_ENCRYPTED = 0x1
# Everything that zipfile and the decompressors raise for a broken byte
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


def member_blocks(stream: IO[bytes], name: str, origin: str) -> Iterator[bytes]:
    """Read one file of a zip archive block by block, whatever folder of the archive it is in.

    Args:
        stream: the archive.
        name: the file's name, such as `train.csv`.
        origin: what errors call the archive.

    Raises:
        DataError: the archive is broken; or a member's path leads out of the archive's folder; or
            there is not exactly one plain file of that name and of at most 512 MiB.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            member = _member(archive, name, origin)
            with archive.open(member) as content:
                yield from read_blocks(content)
    except DataError:
        raise
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{origin}: expected a whole zip archive, found a broken one ({reason})", _REMEDY
        ) from error


def read_blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Read the rest of a stream in blocks of 256 KiB, the last one shorter.

    Raises:
        OSError: the stream cannot be read.
    """
    while block := stream.read(_BLOCK):
        yield block


def _member(archive: zipfile.ZipFile, name: str, origin: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    for member in members:
        _refuse_climbing(member.filename, origin)
    found = [member for member in members if PurePosixPath(member.filename).name == name]
    if len(found) != 1:
        names = ", ".join(repr(member.filename) for member in members[:5]) or "none"
        raise DataError(
            f"{origin}: expected one {name}, found {len(found)} (members: {names})",
            "Use the archive as Kaggle serves it: kit download.",
        )
    member = found[0]
    if member.file_size > _LARGEST_MEMBER:
        raise DataError(
            f"{origin}: expected {name} to unpack to at most {_LARGEST_MEMBER >> 20} MiB, "
            f"found {member.file_size >> 20} MiB",
            _REMEDY,
        )
    if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"{origin}: expected {name} to be a file, found a link or folder", _REMEDY)
    if member.flag_bits & _ENCRYPTED:
        raise DataError(f"{origin}: expected {name} without a password, found one", _REMEDY)
    return member


def _refuse_climbing(name: str, origin: str) -> None:
    """Refuse a path that leads out of the archive's folder; Kaggle's archives have none."""
    # A backslash or a drive is plain text on one system, and leads out of the folder on another
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute() or path.anchor or ".." in path.parts:
            raise DataError(
                f"{origin}: expected members inside the archive's folder, found {name!r}", _REMEDY
            )
