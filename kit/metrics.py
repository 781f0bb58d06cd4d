"""Figures of predictions and their intervals, in plain NumPy, which is loaded by what needs it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.integer[Any]]

Interval = tuple[float, float]

_CLASSES = 10
# For intervals that hold the true value 95 times in 100
_Z = NormalDist().inv_cdf(0.975)


def wilson_interval(correct: int, n: int) -> Interval:
    """Wilson's 95% score interval, without continuity correction, of the share `correct / n`.

    Both ends are in [0, 1]. With n = 0 the interval is (0, 1). Source: E. B. Wilson, "Probable
    inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), 209–212.
    """
    if n == 0:
        return 0.0, 1.0
    centre = 2 * correct + _Z**2
    half_width = _Z * math.sqrt(_Z**2 + 4 * correct * (n - correct) / n)
    width = 2 * (n + _Z**2)
    # At the ends the formula gives exactly 0 and 1, but floating point may not
    low = 0.0 if correct == 0 else (centre - half_width) / width
    high = 1.0 if correct == n else (centre + half_width) / width
    return low, high


@dataclass(frozen=True)
class Accuracy:
    """A measured accuracy with its interval.

    Attributes:
        accuracy: the share of right predictions, in [0, 1]; None where none was judged (n = 0).
        n: how many predictions were judged.
        interval: its `wilson_interval`.
    """

    accuracy: float | None
    n: int
    interval: Interval

    def __post_init__(self) -> None:
        if self.n and not 0 <= (-1 if self.accuracy is None else self.accuracy) <= 1:
            raise ValueError(f"an accuracy of {self.accuracy} among {self.n} predictions")

    @classmethod
    def from_counts(cls, correct: int, n: int) -> Accuracy:
        """The accuracy of `correct` right predictions among `n`."""
        return cls(_share(correct, n), n, wilson_interval(correct, n))

    @classmethod
    def from_predictions(cls, predicted: Integers, labels: Integers) -> Accuracy:
        """The accuracy of `predicted`, integers (n,), judged by `labels`, integers (n,)."""
        return cls.from_counts(int((predicted == labels).sum()), len(labels))


def accuracy_difference(first: Accuracy, second: Accuracy) -> dict[str, Any]:
    """The difference of two accuracies of samples that share no images, each of 1 image or more.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 17 (1998), 873–890, method 10.

    Returns:
        `difference`, the first accuracy less the second, its 95% `interval`, all in [-1, 1], and
        whether it is `significant`: the interval excludes 0.
    """
    of_first, of_second = first.accuracy or 0.0, second.accuracy or 0.0
    difference = of_first - of_second
    (low, high), (second_low, second_high) = first.interval, second.interval
    interval = (
        difference - math.hypot(of_first - low, second_high - of_second),
        difference + math.hypot(high - of_first, of_second - second_low),
    )
    significant = not interval[0] <= 0 <= interval[1]
    return {"difference": difference, "interval": interval, "significant": significant}


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """Compare two networks' right answers with McNemar's test, with continuity correction.

    The test weighs the images that only one of the two gets right. Over several seeds, an image
    counts by the mean of its differences, so that one image stays one observation.

    Sources: Q. McNemar, Psychometrika 12 (1947), 153–157; A. L. Edwards, Psychometrika 13 (1948),
    185–187; recommended by T. G. Dietterich, Neural Computation 10 (1998), 1895–1923.

    Both arguments are bool (seeds, n), for the same images in the same order.

    Returns:
        What `accuracy_difference` does, and the test's `p_value`, in [0, 1].
    """
    seeds, n = first.shape
    differences: NDArray[np.floating[Any]] = (first.astype(float) - second).mean(axis=0)
    mean, squares = float(differences.mean()), float((differences**2).sum())
    z = max(0.0, abs(float(differences.sum())) - 1 / seeds) / math.sqrt(squares) if squares else 0.0
    p_value = math.erfc(z / math.sqrt(2))
    half_width = _Z * float(differences.std()) / math.sqrt(n)
    interval = max(-1.0, mean - half_width), min(1.0, mean + half_width)
    told = {"difference": mean, "interval": interval, "significant": p_value < 0.05}
    return {**told, "p_value": p_value}


def confusion_matrix(predicted: Integers, labels: Integers) -> NDArray[np.int64]:
    """Count the predictions of each digit: int64 (10, 10), rows = truth, columns = prediction.

    Both arguments are integers (n,) of 0–9.
    """
    import numpy as np

    pairs = labels.astype(np.int64) * _CLASSES + predicted
    return np.bincount(pairs, minlength=_CLASSES**2).reshape(_CLASSES, _CLASSES)


def per_digit(confusion: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The figures of the ten digits, from 0 to 9, of a matrix as `confusion_matrix` gives it.

    Returns:
        For each `digit`: `n`, how many images truly show it; `precision`, the share of right ones
        among the predictions of it; `recall`, the share found of its n images, with its
        `wilson_interval` as `interval`; and `f1`, the harmonic mean of the two. A share of nothing
        (0 / 0) is None.
    """
    truths, predictions = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    return [
        {
            "digit": digit,
            "n": truths[digit],
            "precision": _share(right, predictions[digit]),
            "recall": _share(right, truths[digit]),
            "f1": _share(2 * right, truths[digit] + predictions[digit]),
            "interval": wilson_interval(right, truths[digit]),
        }
        for digit, right in enumerate(confusion.diagonal().tolist())
    ]


def log_loss(probabilities: NDArray[np.floating[Any]], labels: Integers) -> float:
    """The mean negative logarithm of the probability given to the true digit, in nats, 0 or more.

    Probabilities, floats (n, 10), are clipped to [eps, 1], with the eps of their dtype (1.2e-7 for
    float32). So a mistake made with certainty costs 15.9 nats, not infinity. Labels are integers
    (n,) of 0–9, n at least 1.
    """
    import numpy as np

    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # Averaged probabilities may exceed 1 by a rounding error, hence a clip at both ends
    clipped = np.clip(of_truth, np.finfo(probabilities.dtype).eps, 1.0)
    # Subtracted, not negated, so that perfect predictions cost 0.0, not -0.0
    return float(0.0 - np.mean(np.log(clipped)))


def calibration(certainty: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Compare the certainty of predictions, floats (n,) in [0, 1], with how many are right.

    `right`, bool (n,), is whether each is the true digit.

    Sources: M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities
    using Bayesian binning", AAAI 29 (2015), 2901–2907; C. Guo, G. Pleiss, Y. Sun and K. Q.
    Weinberger, "On calibration of modern neural networks", ICML 34 (2017), 1321–1330.

    Returns:
        `bins`, a dict for each tenth of [0, 1] that has any: `low`, where it begins (what is just
        there is in the one below), the mean `certainty` and the `accuracy`. And the expected
        `calibration_error`: the mean distance, in [0, 1], of a bin's certainty from its accuracy.
    """
    import numpy as np

    # Averaged probabilities may exceed 1 by a rounding error
    tenths = np.clip(np.ceil(10 * certainty) - 1, 0, 9).astype(np.int64)
    bins = []
    for tenth in np.unique(tenths).tolist():
        which = tenths == tenth
        accuracy = Accuracy.from_counts(int(right[which].sum()), int(which.sum()))
        mean = float(certainty[which].mean())
        bins.append({"low": tenth / 10, "certainty": mean, "accuracy": asdict(accuracy)})
    error = np.abs(np.bincount(tenths, certainty - right)).sum() / len(right)
    return {"bins": bins, "calibration_error": float(error)}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
