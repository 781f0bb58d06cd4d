"""Confident learning's rule, on probabilities made by hand."""

import numpy as np

from kit.evaluation.suspects import rank_suspects


def test_a_row_is_suspect_where_another_digit_is_as_likely_as_where_it_is_the_label() -> None:
    probabilities = np.full((6, 10), 0.01, np.float32)
    labels = np.array([3, 3, 3, 8, 8, 8])
    for row, (three, eight) in enumerate(
        # Row 2 looks like an 8; row 5 is unsure, but 3 is less likely than in rows labelled 3;
        # row 4 looks more like a 3 than any
        [(0.9, 0.02), (0.8, 0.1), (0.1, 0.8), (0.05, 0.87), (0.92, 0.01), (0.5, 0.4)]
    ):
        probabilities[row, [3, 8]] = three, eight
    # The mean of 3 over rows 0 to 2 is 0.6; of 8 over rows 3 to 5 it is 0.43
    assert rank_suspects(probabilities, labels) == [(4, 3), (2, 8)]


def test_a_digit_that_is_nobodys_label_is_no_suspicion() -> None:
    probabilities = np.zeros((2, 10), np.float32)
    probabilities[:, 7] = 1.0
    assert rank_suspects(probabilities, np.array([1, 1])) == []
