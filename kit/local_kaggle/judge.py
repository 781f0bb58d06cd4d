"""A submission judged as Kaggle does: a score in five decimals, or the reason why there is none."""

import csv
import io
from pathlib import Path

KEY, VALUE = "ImageId", "Label"


class Judge:
    """The hidden labels of the test images."""

    def __init__(self, solution: Path) -> None:
        """Read the labels from a file `ImageId,Label`; anything else is a ValueError."""
        self._labels = dict(_read_rows(solution.read_bytes()))

    def judge(self, content: bytes) -> tuple[str | None, str | None]:
        """Return the share of right labels, such as `0.97186`, or the reason why there is none.

        Rows count by their id, in any order.
        """
        try:
            rows = _read_rows(content)
        except ValueError as error:
            return None, f"ERROR: {error}"
        n, labels = len(self._labels), dict(rows)
        if len(rows) != n:
            return None, f"Evaluation Exception: Submission must have {n} rows"
        if missing := self._labels.keys() - labels.keys():
            what = f"the required key value '{min(missing)}' in the '{KEY}' column"
            return None, f"ERROR: Unable to find {what}"
        return f"{sum(self._labels[key] == labels[key] for key in labels) / n:.5f}", None


def _read_rows(content: bytes) -> list[tuple[int, int]]:
    """The ids and labels of a file, by row; a ValueError names the line that has none."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    try:
        return [(int(row[KEY]), int(row[VALUE])) for row in rows]
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        what = f"Could not read {KEY} and {VALUE} as integers (Line {rows.line_num})"
        raise ValueError(what) from error
