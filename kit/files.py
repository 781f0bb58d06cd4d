"""Files that are whole or not there."""

import contextlib
import os
import tempfile
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
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    hidden = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp keeps its file private; a result is as readable as any other file of the user's
        mask = os.umask(0)
        os.umask(mask)
        hidden.chmod(0o666 & ~mask)
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8, line ends as they are) to `path`, whole or not at all.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `path` is untouched.
    """
    with whole_file(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
