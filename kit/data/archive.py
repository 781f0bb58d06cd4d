"""Kaggle's zip, read in place: nothing of it is unpacked to disk."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO

from kit.data.checksum import read_blocks
from kit.errors import DataError

_REMEDY = "Download the archive again with kit download."
# Kaggle's train.csv has 76 MB: seven times that is a larger data set, more is a zip bomb
_LARGEST_MEMBER = 512 << 20
_ENCRYPTED = 0x1
# all that zipfile and the decompressors raise for one broken byte or another
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
    """The file called `name`, in whatever folder of the zip archive in `stream`, block by block.

    Raises:
        DataError: the archive is broken, has a member that would be written outside of the folder
            that it is unpacked to, or has not exactly one plain file of that name and a fair size.
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
    """Kaggle's archives have no such member, so one that has was not made to be read."""
    # a backslash or a drive is plain text on one system and leads out of the folder on another
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute() or path.anchor or ".." in path.parts:
            raise DataError(
                f"{origin}: expected members inside the archive's folder, found {name!r}", _REMEDY
            )
