"""The page of a report: its HTML, and its pictures as data in it.

The drawings hold no text from a user, of which matplotlib would take `$x$` for mathematics.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from kit.competition import TEST_ROWS
from kit.config import describe_normalization
from kit.data.digits import SIDE

# Each colour on light ground, and on dark ground
_INK, _GRID = ("#333f4c", "#c5ced8"), ("#dbe1e8", "#333d48")
_LINES = [
    ("#0b62d0", "#6cb2ff"), ("#b45309", "#f5a55b"), ("#0f766e", "#4fd1c2"), ("#7c3aed", "#b79bff"),
    ("#be185d", "#ff8fc0"), ("#4d7c0f", "#a3d65c"), ("#92702a", "#dcc07a"), ("#5b6b80", "#a5b4c6"),
]  # fmt: skip
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_STYLE = dict.fromkeys(_INKED, _INK[0]) | {
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.color": _GRID[0],
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "kit",
}


def render(facts: dict[str, Any]) -> str:
    """Make the page of facts as `kit.evaluation.report.gather` collects them."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "digit": draw_digit,
        "percent": lambda share, places=2: "–" if share is None else f"{share:.{places}%}",
        "sha256": lambda text: _base64(hashlib.sha256(text.encode()).digest()),
        "ways": describe_normalization,
    }
    environment.globals |= {
        "curve": draw_curve, "calibration": draw_calibration, "TEST_ROWS": TEST_ROWS
    }
    return environment.get_template("report.html.jinja").render(facts)


def draw_digit(pixels: NDArray[np.uint8]) -> str:
    """Draw a digit, uint8 (784,), black on white: the data URI of a PNG of 28×28 pixels."""
    content = io.BytesIO()
    Image.fromarray(255 - pixels.reshape(SIDE, SIDE)).save(content, "PNG")
    return f"data:image/png;base64,{_base64(content.getvalue())}"


def draw_curve(run: dict[str, Any], runs: list[dict[str, Any]], measure: str) -> list[str]:
    """Draw a measure of a run by epoch. All `runs` have one scale.

    One training has a line for training and one for validation, a committee one of each for each
    member.
    """
    names = (measure, f"val_{measure}")
    values = [
        epoch[name]
        for each in runs for history in each["histories"] for epoch in history["epochs"]
        for name in names if epoch.get(name) is not None
    ]
    several = len(run["histories"]) > 1

    def draw(axes: Axes) -> None:
        for number, history in enumerate(run["histories"]):
            for kind, name in enumerate(names):
                points = [
                    (epoch["epoch"], epoch[name])
                    for epoch in history["epochs"] if epoch.get(name) is not None
                ]
                if points:
                    colour = _LINES[(number if several else kind) % len(_LINES)][0]
                    word = ("training", "validation")[kind]
                    label = f"member {number + 1}" if several else word
                    axes.plot(*zip(*points, strict=True), "--" if several and not kind else "-", color=colour, label=label if kind or not several else None)
        margin = 0.05 * (max(values) - min(values))
        axes.set(xlabel="epoch", ylim=(min(values) - margin, max(values) + margin))
        axes.legend()

    return _draw(draw)


def draw_calibration(bins: list[dict[str, Any]]) -> list[str]:
    """Draw the accuracy against the certainty, with its intervals."""
    told = [each for each in bins if each["certainty"] is not None]
    certainty = np.array([each["certainty"] for each in told])
    accuracy = np.array([each["accuracy"]["accuracy"] for each in told])
    low, high = np.array([each["accuracy"]["interval"] for each in told]).T

    def draw(axes: Axes) -> None:
        axes.plot([0, 100], [0, 100], ":", color=_INK[0])
        bars = 100 * np.array([accuracy - low, high - accuracy])
        axes.errorbar(100 * certainty, 100 * accuracy, bars, fmt="o-", color=_LINES[0][0], capsize=3)
        axes.set(xlabel="certainty, %", ylabel="accuracy, %", xlim=(0, 101), ylim=(0, 101))

    return _draw(draw)


def _draw(draw: Callable[[Axes], None]) -> list[str]:
    """Make a drawing twice: the data URIs of an SVG for light and of one for dark ground."""
    content = io.StringIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.2, 2.8))
        draw(figure.add_axes((0.13, 0.17, 0.85, 0.79)))
        figure.savefig(content, format="svg", metadata={"Date": None})
    light = dark = content.getvalue()
    for of_light, of_dark in (_INK, _GRID, *_LINES):
        dark = dark.replace(of_light, of_dark)
    return [f"data:image/svg+xml;base64,{_base64(svg.encode())}" for svg in (light, dark)]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
