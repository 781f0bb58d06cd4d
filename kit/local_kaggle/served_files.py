"""The competition's files as a local Kaggle serves them: one by one, and all in one zip."""

import hashlib
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FILES = ("sample_submission.csv", "test.csv", "train.csv")


@dataclass(frozen=True)
class ServedFile:
    """A file that can be fetched.

    Attributes:
        path: where it is.
        etag: changes when its content does.
        modified: when it was last written.
    """

    path: Path
    etag: str
    modified: datetime

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.path.stat().st_size


class ServedFiles:
    """The three files in a folder, and their zip, which is made when it is first asked for."""

    def __init__(self, folder: Path, archive_name: str) -> None:
        self._folder = folder
        self._archive_name = archive_name
        self._lock = threading.Lock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def names(self) -> list[str]:
        """The files that are there, without the zip."""
        return [name for name in FILES if (self._folder / name).is_file()]

    def get(self, name: str) -> ServedFile | None:
        """The file of that name, or None."""
        if name == self._archive_name:
            return self._served(self._archive())
        return self._served(self._folder / name) if name in self.names() else None

    def close(self) -> None:
        """Remove the zip."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def _served(self, path: Path) -> ServedFile:
        status = path.stat()
        inside = [self._folder / name for name in self.names()]
        marks = [f"{kept.name} {kept.stat().st_size} {kept.stat().st_mtime_ns}" for kept in inside]
        digest = hashlib.sha256("\n".join([path.name, *marks]).encode()).hexdigest()
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return ServedFile(path, f'"{digest[:32]}"', modified)

    def _archive(self) -> Path:
        with self._lock:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="local-kaggle-")
            path = Path(self._temporary.name) / self._archive_name
            if not path.exists():
                # the lowest level: it shrinks the digits to an eighth in a second
                with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                    for name in self.names():
                        archive.write(self._folder / name, name)
        return path
