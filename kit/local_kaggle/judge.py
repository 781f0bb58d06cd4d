"""A submission judged as Kaggle does: a score in five decimals, or the reason why there is none."""

import csv
import io
from pathlib import Path

KEY, VALUE = "ImageId", "Label"


class Judge:
    """The hidden labels of the test images."""

    def __init__(self, solution: Path) -> None:
        """Read the labels from a file `ImageId,Label`; anything else is a ValueError."""
        with solution.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        key, value = header.index(KEY), header.index(VALUE)
        self._labels = {row[key]: int(row[value]) for row in rows}

    def judge(self, content: bytes) -> tuple[str | None, str | None]:
        """Return the share of right labels, such as `0.97186`, or the reason why there is none.

        Rows count by their id, in any order.
        """
        text = content.decode("utf-8-sig", "replace")
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
            return self._score(rows[0] if rows else [], rows[1:]), None
        except (csv.Error, ValueError) as error:
            return None, str(error)

    def _score(self, header: list[str], rows: list[list[str]]) -> str:
        for place, name in enumerate(header, start=1):
            if name not in (KEY, VALUE):
                raise ValueError(f"ERROR: Unexpected Column: '{name}' (Line 1, Column {place})")
        for name in (KEY, VALUE):
            if name not in header:
                raise ValueError(f"ERROR: Missing Column: '{name}' (Line 1)")
        if len(rows) != len(self._labels):
            expected = f"Submission must have {len(self._labels)} rows"
            raise ValueError(f"Evaluation Exception: {expected}")
        key, value = header.index(KEY), header.index(VALUE)
        labels = {
            str(_integer(row, key, line)): _integer(row, value, line)
            for line, row in enumerate(rows, start=2)
        }
        if missing := [key for key in self._labels if key not in labels]:
            what = f"the required key value '{missing[0]}' in the '{KEY}' column"
            raise ValueError(f"ERROR: Unable to find {what}")
        right = sum(labels[key] == label for key, label in self._labels.items())
        return f"{right / len(self._labels):.5f}"


def _integer(row: list[str], column: int, line: int) -> int:
    text = row[column] if column < len(row) else ""
    if not (text.isdecimal() or text.strip().removeprefix("-").isdecimal()):
        place = f"(Line {line}, Column {column + 1})"
        raise ValueError(f"ERROR: Could not parse '{text}' into expected type of Integer {place}")
    return int(text)
