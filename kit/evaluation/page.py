"""The page of a report: its HTML, with its pictures inside.

No drawing has a user's text in it: matplotlib would take `$x$` for mathematics.
"""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kit.competition import TEST_ROWS
from kit.config import describe_normalization
from kit.html import as_base64, render

_LINES = ("#0b62d0", "#b45309", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f", "#92702a", "#5b6b80")
_INK, _GREY, _GRID = "#333f4c", "#8f9ba8", "#d3dae2"
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_STYLE: Any = {
    **dict.fromkeys(_INKED, _INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.grid": True,
    "axes.formatter.limits": (-4, 5),
    "grid.color": _GRID,
    "svg.fonttype": "none",
    "svg.hashsalt": "kit",
}


def make_page(facts: dict[str, Any]) -> str:
    """Make the page of facts as `kit.evaluation.report` gathers them."""
    filters: dict[str, Callable[..., Any]] = {
        "percent": lambda share, places=2: "–" if share is None else f"{share:.{places}%}",
        "number": lambda value, places: "–" if value is None else f"{value:.{places}f}",
        "json": json.dumps,
        "ways": describe_normalization,
        # Where a file is on this machine does not concern who gets the page
        "ending": lambda origin: "/".join(Path(origin).parts[-2:]),
        "sha256": lambda text: as_base64(hashlib.sha256(text.encode()).digest()),
    }
    drawings = {"curve": draw_curve, "calibration": draw_calibration}
    return render("report", filters, TEST_ROWS=TEST_ROWS, **drawings, **facts)


def draw_curve(run: dict[str, Any], runs: list[dict[str, Any]], measure: str) -> str:
    """Draw a measure of a run by epoch, and in grey that of the other `runs`: see `_draw`.

    A single training has two colours. Members have one each, and are dashed in training.
    """
    names = (measure, f"val_{measure}")
    mine = [history["columns"] for history in run["histories"]]
    others = [
        history["columns"] for each in runs if each is not run for history in each["histories"]
    ]

    def draw(axes: Axes) -> None:
        for columns in others:
            for name in columns.keys() & names:
                axes.plot(columns["epoch"], columns[name], color=_GREY)
        for member, columns in enumerate(mine):
            there = [name for name in names if name in columns]
            for kind, name in enumerate(there):
                (line,) = axes.plot(columns["epoch"], columns[name])
                line.set_color(_LINES[(member if len(mine) > 1 else kind) % len(_LINES)])
                line.set_label(
                    f"member {member + 1}" if len(mine) > 1 else ("training", "validation")[kind]
                )
                if len(mine) > 1 and name != there[-1]:
                    line.set(linestyle="--", label="_")
        if measure == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        if measure != "learning_rate" and len(mine) <= len(_LINES):
            axes.legend()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")

    return _draw(draw)


def draw_calibration(bins: list[dict[str, Any]]) -> str:
    """Draw the accuracy of each bin, with its interval, against its certainty: see `_draw`."""
    x = [each["certainty"] for each in bins]
    y = np.array([each["accuracy"]["accuracy"] for each in bins])
    ends = np.array([each["accuracy"]["interval"] for each in bins]).T

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], ":", color=_INK)
        axes.errorbar(x, y, abs(ends - y), fmt="o-", color=_LINES[0], capsize=3)
        axes.set(xlabel="certainty", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.02))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1))

    return _draw(draw)


def _draw(draw: Callable[[Axes], object]) -> str:
    """The data URI of a drawing: an SVG without a ground, which the page inverts in the dark."""
    content = io.BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.2, 2.8))
        draw(figure.add_axes((0.18, 0.17, 0.78, 0.77)))
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return f"data:image/svg+xml;base64,{as_base64(content.getvalue())}"
