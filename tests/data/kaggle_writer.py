"""CSVs as Kaggle's users have them, written by Python's own csv module."""

import csv
import io

import numpy as np
from numpy.typing import NDArray


def csv_bytes(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64] | None = None,
    *,
    quoting: int = csv.QUOTE_MINIMAL,
    line_end: str = "\n",
    last_line_end: bool = True,
    bom: bool = False,
) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=line_end)
    columns = [] if labels is None else ["label"]
    writer.writerow(columns + [f"pixel{i}" for i in range(784)])
    table = pixels if labels is None else np.column_stack([labels, pixels])
    writer.writerows(table.tolist())
    content = text.getvalue()
    if not last_line_end:
        content = content.removesuffix(line_end)
    return content.encode("utf-8-sig" if bom else "utf-8")
