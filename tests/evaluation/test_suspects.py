"""Confident learning's rule, on probabilities made by hand."""

import numpy as np
import pytest

from kit.evaluation.judging import rank_suspects


def test_rows_whose_likeliest_digit_is_not_their_label_are_ranked_by_the_labels_probability() -> (
    None
):
    probabilities = np.full((5, 10), 0.01, np.float32)
    labels = np.array([3, 3, 8, 8, 8])
    for row, (three, eight) in enumerate(
        [(0.9, 0.02), (0.1, 0.8), (0.05, 0.87), (0.92, 0.03), (0.5, 0.4)]
    ):
        probabilities[row, [3, 8]] = three, eight
    ranked = rank_suspects(probabilities, labels)
    assert [(each.row, each.label, each.predicted) for each in ranked] == [
        (4, 8, 3), (2, 3, 8), (5, 8, 3),
    ]  # fmt: skip
    assert ranked[0].probability == pytest.approx(0.92)
    assert ranked[0].label_probability == pytest.approx(0.03)


def test_without_a_doubt_there_is_no_suspect() -> None:
    assert rank_suspects(np.eye(10, dtype=np.float32), np.arange(10)) == []
