"""Confident learning's rule, on probabilities made by hand."""

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import Digits
from kit.evaluation.judging import Judged


def test_rows_whose_likeliest_digit_is_not_their_label_are_ranked_by_the_labels_probability() -> (
    None
):
    probabilities = np.full((5, 10), 0.01, np.float32)
    labels = np.array([3, 3, 8, 8, 8])
    for row, (three, eight) in enumerate(
        [(0.9, 0.02), (0.1, 0.8), (0.05, 0.87), (0.92, 0.03), (0.5, 0.4)]
    ):
        probabilities[row, [3, 8]] = three, eight
    judged = judge(probabilities, labels)
    ranked = judged.rank_suspects()
    assert ranked.tolist() == [3, 1, 4]
    assert judged.labels[ranked].tolist() == [8, 3, 8]
    assert judged.predicted[ranked].tolist() == [3, 8, 3]


def test_without_a_doubt_there_is_no_suspect() -> None:
    assert not len(judge(np.eye(10, dtype=np.float32), np.arange(10)).rank_suspects())


def judge(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Judged:
    digits = Digits(np.zeros((len(labels), 784), np.uint8), labels, "by hand")
    return Judged(digits, np.arange(len(labels)), probabilities)
