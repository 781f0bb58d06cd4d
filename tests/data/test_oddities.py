"""What is said of digits before a training: copies, and images that are not MNIST's."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.data.digits import Digits, Source
from kit.data.oddities import describe_copies, describe_strangers


def changed(mnist: Source, look: str) -> NDArray[np.uint8]:
    images = mnist.test.pixels[:600]
    square = images.reshape(-1, 28, 28)
    return {
        "as they are": images,
        "transposed": square.transpose(0, 2, 1).reshape(-1, 784),
        "inverted": 255 - images,
        "both": 255 - square.transpose(0, 2, 1).reshape(-1, 784),
        "mirrored": square[:, :, ::-1].reshape(-1, 784),
        "one grey level off": np.where(images > 0, images - 1, images),
    }[look]


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ("transposed", "they look transposed"),
        ("inverted", "they look inverted"),
        ("both", "they look transposed and inverted"),
        ("mirrored", "they look like other images"),
        ("one grey level off", "they look like other images"),
    ],
)
def test_strangers_are_said_with_what_they_seem_to_be(mnist: Source, look: str, words: str) -> None:
    odd = Digits(changed(mnist, look), None, "odd.csv")
    (line,) = describe_strangers([mnist.train, odd], mnist)
    assert line.startswith("odd.csv: None of the 600 images is MNIST's; ")
    assert words in line


def test_a_part_of_strangers_is_counted(mnist: Source) -> None:
    mixed = np.concatenate([mnist.test.pixels[600:2000], changed(mnist, "inverted")])
    (line,) = describe_strangers([Digits(mixed, None, "mixed.csv")], mnist)
    assert "600 of the 2,000 images are not MNIST's" in line
    assert "they look inverted" in line


def test_42_000_strangers_are_told_in_under_a_second(mnist: Source) -> None:
    odd = Digits(255 - mnist.train.pixels[:42_000], None, "odd.csv")
    began = time.process_time()
    (line,) = describe_strangers([mnist.test, odd], mnist)
    assert time.process_time() - began < 1
    assert "None of the 42,000 images is MNIST's; they look inverted" in line


def test_two_files_of_strangers_are_said_in_one_line(mnist: Source) -> None:
    parts = [Digits(changed(mnist, look), None, f"{look}.csv") for look in ("both", "mirrored")]
    (line,) = describe_strangers(parts, mnist)
    assert "both.csv: None of the 600 images is MNIST's; they look transposed and" in line
    assert "mirrored.csv: None of the 600 images is MNIST's; they look like other" in line


def test_one_changed_image_in_a_hundred_has_no_line(mnist: Source) -> None:
    pixels = mnist.test.pixels[:1_000].copy()
    pixels[::100, 0] = 9
    assert describe_strangers([Digits(pixels, None, "train.csv")], mnist) == []


def test_nothing_is_said_of_mnists_own_images(mnist: Source) -> None:
    rows = np.random.default_rng(1).permutation(60_000)[:42_000]
    assert describe_strangers([mnist.train.take(rows), mnist.test], mnist) == []
    assert describe_copies(mnist.train.take(rows)) == []


def test_copies_are_counted_and_two_labels_of_one_image_are_said_with_their_rows(
    mnist: Source,
) -> None:
    assert mnist.train.labels is not None
    # Rows 101 and 102 repeat rows 1 and 6; the second with another label
    rows = np.array([*range(100), 0, 5])
    labels = mnist.train.labels[rows]
    digits = Digits(mnist.train.pixels[rows], labels.copy(), "train.csv")
    (count,) = describe_copies(digits)
    assert "2 of the 102 rows" in count
    digits.labels[101] = (labels[5] + 1) % 10  # type: ignore[index]
    count, two = describe_copies(digits)
    assert f"row 6 is labelled {labels[5]}, row 102 is labelled {(labels[5] + 1) % 10}" in two
    assert "row 1 is" not in two


def test_a_long_list_of_labels_is_cut(thousand_digits: Digits) -> None:
    # One image 500 times, its last copy with another label, and 20 images twice with two labels
    digits = thousand_digits.take(np.r_[np.zeros(500, np.int64), 1:21, 1:21])
    assert digits.labels is not None
    digits.labels[499] = (digits.labels[0] + 1) % 10
    digits.labels[520:] = (digits.labels[520:] + 1) % 10
    _, line = describe_copies(digits)
    assert "more than one label: 21." in line
    assert "row 500 is labelled 6" in line
    assert "and 11 more" in line
    assert len(line) < 2_000
