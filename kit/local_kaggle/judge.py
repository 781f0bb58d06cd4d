"""A submission judged as Kaggle does: a score in five decimals, or the reason why there is none."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

KEY, VALUE = "ImageId", "Label"


@dataclass(frozen=True)
class Verdict:
    """What became of a submission.

    Attributes:
        score: the share of right labels with five decimals, such as `0.97186`, or None.
        error: why there is no score, in Kaggle's words, or None.
    """

    score: str | None = None
    error: str | None = None


class Judge:
    """The hidden labels of the test images."""

    def __init__(self, solution: Path) -> None:
        """Read the labels from a file `ImageId,Label`.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not such a file.
        """
        with solution.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        key, value = header.index(KEY), header.index(VALUE)
        self._labels = {row[key]: int(row[value]) for row in rows}

    def judge(self, content: bytes) -> Verdict:
        """Judge the bytes of a submission; rows count by their id, in any order."""
        text = content.decode("utf-8-sig", "replace")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        header = rows[0] if rows else []
        for place, name in enumerate(header, start=1):
            if name not in (KEY, VALUE):
                return Verdict(error=f"ERROR: Unexpected Column: '{name}' (Line 1, Column {place})")
        for name in (KEY, VALUE):
            if name not in header:
                return Verdict(error=f"ERROR: Missing Column: '{name}' (Line 1)")
        if len(rows) - 1 != len(self._labels):
            expected = len(self._labels)
            return Verdict(error=f"Evaluation Exception: Submission must have {expected} rows")
        return self._score(rows[1:], header.index(KEY), header.index(VALUE))

    def _score(self, rows: list[list[str]], key: int, value: int) -> Verdict:
        labels: dict[str, int] = {}
        for line, row in enumerate(rows, start=2):
            if len(row) <= max(key, value):
                return Verdict(error=f"ERROR: Missing value (Line {line})")
            try:
                labels[str(int(row[key]))] = int(row[value])
            except ValueError:
                bad = value + 1 if row[key].strip().isdigit() else key + 1
                place = f"(Line {line}, Column {bad})"
                found = row[bad - 1]
                reason = f"ERROR: Could not parse '{found}' into expected type of Integer {place}"
                return Verdict(error=reason)
        for key_value in self._labels:
            if key_value not in labels:
                reason = "ERROR: Unable to find the required key value"
                return Verdict(error=f"{reason} '{key_value}' in the '{KEY}' column")
        right = sum(labels[key_value] == label for key_value, label in self._labels.items())
        return Verdict(score=f"{right / len(self._labels):.5f}")
