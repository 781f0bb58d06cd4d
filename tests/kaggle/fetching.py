"""Downloads of the small competition, as the tests of transfers make them."""

from pathlib import Path

from small_competition import TEST_ROWS, TRAIN_ROWS

from kit.kaggle.client import Kaggle
from kit.kaggle.download import download

ROWS = {"train.csv": TRAIN_ROWS, "test.csv": TEST_ROWS, "sample_submission.csv": TEST_ROWS}
PART = ".digit-recognizer.zip.part"
# How many bytes of the zip a part holds
HELD = 100


def fetch(folder: Path, tries: int = 3, timeout: float = 10.0) -> list[str]:
    """Download the files; return what was told of tries that failed."""
    told: list[str] = []
    kaggle = Kaggle(
        tries=tries,
        timeout=timeout,
        on_retry=lambda what, _seconds: told.append(what),
        sleep=lambda _: None,
    )
    download(kaggle, folder, lambda _done, _size: None, ROWS)
    return told


def assert_whole(folder: Path, tables: dict[str, bytes]) -> None:
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == tables
    assert not (folder / PART).exists()


def hold(folder: Path, content: bytes) -> None:
    """Leave a part of an earlier download."""
    folder.mkdir(exist_ok=True)
    (folder / PART).write_bytes(content)
