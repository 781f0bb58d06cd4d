"""Markdown tables, and medians with their range."""

import statistics
from collections.abc import Iterable, Sequence


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table, without a line end behind its last row."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write a median with the lowest and the highest value, if there are several."""
    median = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return median
    return f"{median} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def percent(shares: Sequence[float], digits: int = 0) -> str:
    """Write shares as `spread` does, in per cent."""
    return spread([100 * share for share in shares], digits) + "%"


def ratios(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """Divide round by round, because the speed of a shared machine changes between rounds."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]
