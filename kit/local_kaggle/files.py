"""The competition's files as a local Kaggle serves them: one by one, and all in one zip."""

import os
import tempfile
import threading
import zipfile
from pathlib import Path

ARCHIVE = "digit-recognizer.zip"
FILES = ("sample_submission.csv", "test.csv", "train.csv")


class ServedFiles:
    """The three files in a folder, and their zip, which is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder.absolute(), threading.Lock()
        self._temporary = tempfile.TemporaryDirectory(prefix="local-kaggle-")

    def names(self) -> list[str]:
        """The files that are there, without the zip."""
        return [name for name in FILES if (self._folder / name).is_file()]

    def get(self, name: str) -> Path | None:
        """The file of that name, or None."""
        if name != ARCHIVE:
            return self._folder / name if name in self.names() else None
        archive = Path(self._temporary.name) / ARCHIVE
        with self._lock:
            if not archive.exists():
                self._write(archive)
        return archive

    def close(self) -> None:
        """Remove the zip."""
        self._temporary.cleanup()

    def _write(self, archive: Path) -> None:
        paths = [self._folder / name for name in self.names()]
        # The lowest level shrinks the digits to an eighth in a second
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            for path in paths:
                zipped.write(path, path.name)
        # As old as its newest member, so that a download resumes after a new start of the server
        newest = max((path.stat().st_mtime_ns for path in paths), default=0)
        os.utime(archive, ns=(newest, newest))
