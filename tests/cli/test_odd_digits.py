"""What a command says of digits that are odd, and which rows it then trains on."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Ended, Kit
from small_kaggle import write_csv

from kit.data.digits import Digits
from kit.data.kaggle_csv import load_kaggle

TINY = ("--preset", "baseline", "--hidden", "8", "--epochs", "1", "--source", "kaggle", "--json")


def write(folder: Path, train: Digits, test: Digits) -> Path:
    folder.mkdir()
    write_csv(folder / "train.csv", train.pixels, train.labels)
    write_csv(folder / "test.csv", test.pixels)
    return folder


@pytest.fixture
def copied(thousand_digits: Digits, tmp_path: Path) -> Path:
    """300 digits, the first 100 of them three times; row 305 has another label than row 5."""
    train = thousand_digits.take(np.r_[0:300, 0:100, 0:100])
    assert train.labels is not None
    train.labels[304] = (train.labels[4] + 1) % 10
    return write(tmp_path / "copied", train, thousand_digits.take(np.arange(300, 320)))


def notes(ended: Ended, word: str) -> list[str]:
    assert ended.exit_code == 0, ended.stderr
    return [line for line in ended.stderr.splitlines() if word in line]


@pytest.mark.parametrize(("split", "members"), [("last", ("--members", "2")), ("stratified", ())])
def test_copies_are_said_once_and_recorded(
    split: str, members: tuple[str, ...], kit: Kit, copied: Path, tmp_path: Path
) -> None:
    (tmp_path / "split.json").write_text(json.dumps({"preset": "baseline", "split": split}))
    ended = kit("train", *TINY[2:], "--data", copied, "--config", "split.json", *members)
    (line,) = notes(ended, "rows are copies")
    assert "200 of the 500 rows" in line
    (line,) = notes(ended, "more than one label")
    assert "row 5 is" in line
    assert "row 305 is" in line
    folder = tmp_path / "submissions" / ended.json["run"]
    record = json.loads((folder / "config.json").read_text())
    assert record["data"]["train"]["copies"] == 200
    with np.load(folder / "probabilities.npz") as file:
        validation = file["validation_rows"].tolist()
    train = load_kaggle(copied).train
    held_out = {train.keys[row] for row in validation}
    others = [row for row in range(500) if train.keys[row] not in held_out]
    assert ended.json["rows"] == {"train": len(others), "validation": len(validation), "test": 20}
    if split == "last":
        assert validation == list(range(400, 500))
        assert others == list(range(100, 300))
    else:
        assert len(others) + len(validation) == 500


def test_strangers_are_said_in_one_line(kit: Kit, thousand_digits: Digits, tmp_path: Path) -> None:
    pixels = thousand_digits.pixels.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)
    digits = Digits(pixels[:200], thousand_digits.labels[:200], "")  # type: ignore[index]
    folder = write(tmp_path / "transposed", digits, thousand_digits.take(np.arange(200, 210)))
    (line,) = notes(kit("train", *TINY, "--data", folder), "MNIST's")
    assert "train.csv: None of the 200 images is MNIST's; they look transposed" in line


def test_right_digits_need_no_words(kit: Kit, small_kaggle: Path) -> None:
    ended = kit("train", *TINY, "--data", small_kaggle)
    for word in ("MNIST's", "copies", "label"):
        assert notes(ended, word) == []
