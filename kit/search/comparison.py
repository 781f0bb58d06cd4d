"""Whether one network is better than another, judged on the same images."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.metrics import Interval

_Z = 1.959963984540054


@dataclass(frozen=True)
class Comparison:
    """The difference of two accuracies on the same images.

    Attributes:
        difference: the first accuracy less the second, in [-1, 1].
        interval: its 95% interval over images, both ends in [-1, 1].
        p_value: how often images on which both are equally good would show as large a difference
            by chance, in [0, 1].
    """

    difference: float
    interval: Interval
    p_value: float

    @property
    def beyond_chance(self) -> bool:
        """Whether chance alone would show this in fewer than 5 of 100 samples of images."""
        return self.p_value < 0.05


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """Compare two networks' right answers on the same images with McNemar's test.

    What both get right, or both wrong, says nothing of their difference; the test weighs the rest,
    with Edwards's continuity correction. Over several seeds, an image counts by the mean of its
    differences, so that one image stays one observation.

    Sources: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947), 153–157; A. L. Edwards, "Note on the
    correction for continuity in testing the significance of the difference between correlated
    proportions", Psychometrika 13 (1948), 185–187. T. G. Dietterich, "Approximate statistical tests
    for comparing supervised classification learning algorithms", Neural Computation 10 (1998),
    1895–1923, recommends it where each network was trained once.

    Args:
        first: bool (seeds, n), whether the first network was right.
        second: bool (seeds, n), likewise, on the same images in the same order.

    Raises:
        ValueError: the shapes differ, or there is nothing to judge.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise ValueError(f"answers {first.shape} and {second.shape} are not of the same images")
    seeds, n = first.shape
    differences: NDArray[np.floating[Any]] = (first.astype(float) - second).mean(axis=0)
    mean = float(differences.mean())
    squares = float((differences**2).sum())
    z = max(0.0, abs(float(differences.sum())) - 1 / seeds) / math.sqrt(squares) if squares else 0.0
    half_width = _Z * float(differences.std()) / math.sqrt(n)
    return Comparison(
        difference=mean,
        interval=(max(-1.0, mean - half_width), min(1.0, mean + half_width)),
        p_value=math.erfc(z / math.sqrt(2)),
    )
