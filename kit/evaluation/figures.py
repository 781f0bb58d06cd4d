"""Figures of a run for a notebook: its mistakes, and which digits it confuses."""

import io

import numpy as np
from matplotlib.figure import Figure

from kit.data.digits import CLASSES, SIDE
from kit.data.mnist import load_keras
from kit.errors import DataError
from kit.evaluation.judging import Judged, judge_keras_test, judge_validation
from kit.runs import Run

_COLUMNS = 5


class _Figure(Figure):
    """A figure that a notebook shows once. Pyplot would keep it open, and show it once more."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content)
        return content.getvalue()


def show_mistakes(run: Run, n: int = 20) -> Figure:
    """Show up to `n` of a run's mistakes on digits that it has not seen, the most certain first.

    They are those of the Keras test split, or else the rows that were held out.

    >>> kit.show_mistakes(run).savefig("mistakes.png")

    Raises:
        DataError: there are no such digits, or files are broken or gone.
    """
    judged, place = _judge(run)
    rows = -(-min(n, len(judged.mistakes)) // _COLUMNS)
    figure = _Figure(figsize=(8, 0.6 + 1.9 * rows), layout="constrained")
    figure.suptitle(f"{len(judged.mistakes):,} mistakes in {len(judged.rows):,} images of {place}")
    for number, i in enumerate(judged.mistakes[:n], start=1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        axes.imshow(judged.digits.pixels[i].reshape(SIDE, SIDE), cmap="gray_r")
        read = f"{judged.labels[i]} read as {judged.predicted[i]}"
        axes.set_title(f"{read}\n{judged.certainty[i]:.2%} sure", fontsize=10)
        axes.set_axis_off()
    return figure


def show_confusion(run: Run) -> Figure:
    """Show how often a run reads each digit as each other, on the digits of `show_mistakes`.

    >>> kit.show_confusion(run).savefig("confusion.png")

    Raises:
        DataError: there are no such digits, or files are broken or gone.
    """
    judged, place = _judge(run)
    # Right answers would outshine all mistakes
    mistakes = judged.confusion * ~np.eye(CLASSES, dtype=bool)
    figure = _Figure(figsize=(6.4, 6.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(mistakes, cmap="Reds", vmax=max(2 * int(mistakes.max()), 1))
    for (truth, predicted), count in np.ndenumerate(judged.confusion):
        axes.text(predicted, truth, f"{count or ''}", ha="center", va="center", fontsize=9)
    axes.set_title(f"Accuracy {judged.accuracy.accuracy:.2%} on {place}")
    axes.set(xlabel="prediction", ylabel="truth", xticks=range(CLASSES), yticks=range(CLASSES))
    return figure


def _judge(run: Run) -> tuple[Judged, str]:
    """What a run is judged on, and its name."""
    if (run.metrics["keras_test"] or {}).get("n"):
        return judge_keras_test(run, load_keras().test), "the Keras test split"
    if run.metrics["validation"]["n"]:
        return judge_validation(run), "the rows held out"
    what = f"{run.name}: there are no digits with labels that it has not seen."
    raise DataError(what, "Train with a validation_fraction above 0.")
