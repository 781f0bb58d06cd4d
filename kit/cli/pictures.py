"""Pictures in the terminal: digits in half blocks, and the curve of a training.

Nothing is drawn in a pipe, or where colours, half blocks or 80 columns are missing.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.text import Text

# Of a curve, in points: its width at most, and its height, two points in a line
_WIDTH, _HEIGHT = 64, 20
_COLOURS = {"accuracy": ("training", "cyan"), "val_accuracy": ("validation", "magenta")}


def draw_digits(images: "NDArray[np.uint8]", captions: Sequence[str]) -> None:
    """Draw digits, uint8 (n, 784), as many in a row as fit, each with its caption beneath."""
    if console := _terminal():
        from rich.columns import Columns
        from rich.console import Group

        from kit.data.digits import SIDE
        from kit.errors import visible

        digits = []
        for rows, caption in zip(images.reshape(-1, SIDE, SIDE).tolist(), captions, strict=True):
            points = [[f"rgb({v},{v},{v})" for v in row] for row in rows]
            digits.append(Group(*_half_blocks(points), f"{visible(caption)}\n"))
        console.print(Columns(digits, width=SIDE, padding=(0, 2)))


def draw_curve(history: "pd.DataFrame") -> None:
    """Draw the accuracies of a run's `history`, epoch by epoch; nothing of a single epoch."""
    if len(history) < 2 or not (console := _terminal()):
        return
    import numpy as np
    from rich.text import Text

    # From 98% to 99% is as far as from 80% to 90%, else the first epochs would take all the height
    accuracies = history[list(_COLOURS)].dropna(axis="columns")
    scaled = -np.log10(np.maximum(1 - accuracies.to_numpy(float), 1e-4))
    low, high = scaled.min(), scaled.max()
    points: list[list[str]] = [[""] * _WIDTH for _ in range(_HEIGHT)]
    title = Text("Accuracy by epoch, on a logarithmic scale:")
    for column, values in zip(map(str, accuracies), scaled.T, strict=True):
        name, colour = _COLOURS[column]
        title.append(" ■ ", colour).append(name)
        heights = np.interp(np.linspace(1, len(values), _WIDTH), history["epoch"], values)
        rows = np.rint((high - heights) / max(high - low, 1e-9) * (_HEIGHT - 1)).astype(int)
        for x, (before, row) in enumerate(zip([rows[0], *rows], rows, strict=False)):
            # A steep line has no gaps
            for y in {row, *range(before + 1, row), *range(row + 1, before)}:
                points[y][x] = colour
    console.print(title)
    for number, line in enumerate(_half_blocks(points)):
        height = high - (high - low) * number / (_HEIGHT // 2 - 1)
        label = "│" if number % 3 else f"{1 - 10**-height:.2%} ┤"
        console.print(Text(f"{label:>9}").append_text(line))
    console.print(f"{'1':>10}{len(history):>{_WIDTH - 1}}")


def _terminal() -> "Console | None":
    """The terminal on stdout, if it can show pictures."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    has_colours = console.color_system and not console.no_color
    fits = has_colours and console.width >= 80 and not console.options.ascii_only
    return console if fits else None


def _half_blocks(points: Iterable[Sequence[str]]) -> "Iterator[Text]":
    """Make a line of text of two rows of points, each a colour of rich's, or blank."""
    from rich.text import Text

    rows = iter(points)
    for above, below in zip(rows, rows, strict=True):
        line = Text(no_wrap=True)
        for upper, lower in zip(above, below, strict=True):
            both = f"{upper} on {lower}" if upper and lower else upper or lower
            line.append("▀" if upper else "▄" if lower else " ", both)
        yield line
