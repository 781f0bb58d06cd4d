"""What is said of digits before a training: copies, and images that are not MNIST's."""

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
