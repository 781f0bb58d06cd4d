import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.data.digits import Digits, Source, seen_in_training


def digits(pixels: NDArray[np.uint8]) -> Digits:
    return Digits(pixels, None, "a test")


def test_overlap_is_found_image_by_image(mnist_digits: Digits) -> None:
    trained = mnist_digits.take(np.array([5, 0, 299, 5, 17]))
    judged = mnist_digits.take(np.array([17, 18, 0, 1, 5, 5, 298, 299]))
    seen = seen_in_training(judged, trained)
    assert seen.dtype == np.bool_
    assert seen.tolist() == [True, False, True, False, True, True, False, True]


def test_one_grey_level_makes_another_image(mnist_digits: Digits) -> None:
    for pixel in (0, 300, 783):
        changed = mnist_digits.pixels[:3].copy()
        changed[1, pixel] ^= 1
        assert seen_in_training(digits(changed), mnist_digits).tolist() == [True, False, True]


def test_labels_play_no_part(mnist_digits: Digits) -> None:
    assert mnist_digits.labels is not None
    relabelled = Digits(mnist_digits.pixels, (mnist_digits.labels + 1) % 10, "a test")
    assert seen_in_training(relabelled, mnist_digits).all()


def test_order_in_memory_plays_no_part(mnist_digits: Digits) -> None:
    by_column = digits(np.asfortranarray(mnist_digits.pixels))
    assert seen_in_training(by_column, mnist_digits).all()
    assert seen_in_training(mnist_digits, by_column).all()
    every_other = digits(mnist_digits.pixels[::2])
    np.testing.assert_array_equal(
        seen_in_training(mnist_digits, every_other), np.arange(300) % 2 == 0
    )


def test_nothing_overlaps_with_nothing(mnist_digits: Digits) -> None:
    nothing = mnist_digits.take(np.arange(0))
    assert seen_in_training(nothing, mnist_digits).tolist() == []
    assert not seen_in_training(mnist_digits, nothing).any()


# Of few pixels and few grey levels, so that many are equal
few_images = st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), max_size=20)


@settings(max_examples=200)
@given(judged=few_images, trained=few_images)
def test_overlap_is_that_of_a_double_loop(
    judged: list[list[int]], trained: list[list[int]]
) -> None:
    seen = seen_in_training(
        digits(np.array(judged, np.uint8).reshape(-1, 3)),
        digits(np.array(trained, np.uint8).reshape(-1, 3)),
    )
    assert seen.tolist() == [any(one == other for other in trained) for one in judged]


def test_all_of_mnist_is_distinct_and_compared_fast(mnist: Source) -> None:
    everything = np.concatenate([mnist.train.pixels, mnist.test.pixels])
    assert len({row.tobytes() for row in everything}) == 70_000
    order = np.random.default_rng(0).permutation(70_000)
    began = time.monotonic()
    seen = seen_in_training(digits(everything[order]), digits(everything[:42_000]))
    seconds = time.monotonic() - began
    np.testing.assert_array_equal(seen, order < 42_000)
    # Under a second on an idle machine; tests share theirs
    assert seconds < 5


def test_keras_splits_do_not_overlap(mnist: Source) -> None:
    assert not seen_in_training(mnist.test, mnist.train).any()
