import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from kit.data.digits import Digits, Source, as_digits
from kit.data.kaggle_csv import load_kaggle
from kit.data.mnist import load_keras
from kit.errors import DataError


def test_a_slice_has_the_images_and_their_labels(mnist_digits: Digits) -> None:
    assert mnist_digits.labels is not None
    part = mnist_digits[10:16:2]
    np.testing.assert_array_equal(part.pixels, mnist_digits.pixels[[10, 12, 14]])
    assert part.labels is not None
    assert part.labels.tolist() == mnist_digits.labels[[10, 12, 14]].tolist() == [3, 3, 1]
    assert part.origin == mnist_digits.origin


def test_one_row_and_rows_of_one_label(mnist_digits: Digits) -> None:
    assert mnist_digits.labels is not None
    for row in (3, -297):
        np.testing.assert_array_equal(mnist_digits[row].pixels, mnist_digits.pixels[3:4])
    sevens = mnist_digits[mnist_digits.labels == 7]
    assert len(sevens) == 29
    assert set(sevens.labels.tolist() if sevens.labels is not None else ()) == {7}
    assert len(mnist_digits[299]) == 1
    with pytest.raises(IndexError):
        mnist_digits[300]


def test_each_form_of_images_is_the_same_digits(mnist_digits: Digits) -> None:
    pixels = mnist_digits.pixels[:4]
    forms: list[Any] = [
        pixels,
        pixels.reshape(4, 28, 28),
        pixels.astype(np.int64),
        pd.DataFrame(pixels),
        mnist_digits.images[:4],
        mnist_digits.images[:4].astype(np.float64).reshape(4, 28, 28),
        pixels.tolist(),
    ]
    for form in forms:
        found = as_digits(form)
        assert found.pixels.dtype == np.uint8
        assert found.labels is None
        np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(as_digits(pixels[0].reshape(28, 28)).pixels, pixels[:1])
    assert len(as_digits(np.zeros((0, 784)))) == 0


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((5, 785), np.uint8), "(5, 785)"),
        (np.zeros(784, np.uint8), "(784,)"),
        (np.full((1, 784), 256), "256 to 256"),
        (np.full((1, 784), -1), "-1 to -1"),
        (np.linspace(0, 255, 784).reshape(1, 784), "0 to 255"),
        (np.full((1, 784), np.nan), "nan to nan"),
        (np.full((1, 784), "1"), "<U1"),
    ],
)
def test_other_images_are_refused(images: NDArray[Any], found: str) -> None:
    with pytest.raises(DataError, match=f"found {re.escape(found)}"):
        as_digits(images)


def test_a_source_knows_what_was_named(small_kaggle: Path, mnist: Source) -> None:
    assert load_kaggle(str(small_kaggle)).path == small_kaggle
    assert mnist.path is None
    origin, _, _ = mnist.train.origin.partition(": ")
    assert load_keras(origin).path == Path(origin).absolute()


def test_a_notebook_shows_the_digits(mnist_digits: Digits) -> None:
    html = mnist_digits[:2]._repr_html_()
    for content, image in zip(
        re.findall(r"base64,([^\"]+)", html), mnist_digits.pixels, strict=False
    ):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        np.testing.assert_array_equal(shown, 255 - image.reshape(28, 28))
    assert re.findall('alt="([^"]+)"', html) == re.findall("<figcaption>(.)<", html) == ["5", "0"]
    assert html.endswith(f"<p>2 digits from {mnist_digits.origin}</p>")


def test_a_notebook_shows_some_of_many_and_escapes_where_they_are_from(
    mnist_digits: Digits,
) -> None:
    html = Digits(mnist_digits.pixels, None, "a<script>&.csv")._repr_html_()
    assert html.count("<img") == html.count('alt="a digit"') == 40
    assert html.endswith("300 digits from a&lt;script&gt;&amp;.csv; the first 40 are shown</p>")
