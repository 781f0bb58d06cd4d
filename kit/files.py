"""Files that are whole or not there."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a hidden file beside `path` for writing bytes, and rename it to `path` when it is whole.

    Whatever interrupts the writing, `path` holds either its old content or all of the new one.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `path` is untouched.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    # "x", and outside of `try`: a file that happens to have the name is not written over or removed
    opened = hidden.open("xb")
    try:
        with opened as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        hidden.replace(path)
    except BaseException as error:
        hidden.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # a write that fails does not know where; whoever reads of it should
            error.filename = str(path)
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8, line ends as they are) to `path`, whole or not at all.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `path` is untouched.
    """
    with whole_file(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
