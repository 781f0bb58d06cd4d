import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import center_of_mass
from written_digits import KINDS, take_photo

from kit.data.cutting import cut_digit
from kit.data.digits import Digits
from kit.data.photos import list_pictures, read_images
from kit.errors import DataError


def middle(pixels: np.ndarray) -> np.ndarray:
    return np.array(center_of_mass(pixels.reshape(28, 28)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_digit_is_found_on_paper_of_each_kind(kind: str, mnist_digits: Digits) -> None:
    likeness = []
    for number in range(3):
        image = mnist_digits.pixels[10 * KINDS.index(kind) + number]
        cut = cut_digit(take_photo(image, kind, number).mean(axis=2).astype(np.uint8))
        assert (cut.shape, cut.dtype) == ((784,), np.uint8)
        # Its ink is in the middle, and as much as MNIST's digits have
        np.testing.assert_allclose(middle(cut), 14, atol=0.6)
        assert 30 < (cut > 127).sum() < 260
        likeness.append(np.corrcoef(cut, image)[0, 1])
    # Where it is turned, it is less like the one that was written down
    assert np.median(likeness) > 0.5


def test_mnist_s_own_digits_come_back_where_they_were(mnist_digits: Digits) -> None:
    moved, refused = [], 0
    for image in mnist_digits.pixels[:30]:
        paper = np.pad(255 - image.reshape(28, 28), 8, constant_values=255)
        large = Image.fromarray(paper).resize((440, 440), Image.Resampling.BICUBIC)
        try:
            cut = cut_digit(np.asarray(large))
        except DataError:
            # One of them is in two pieces of one size
            refused += 1
        else:
            moved.append(np.hypot(*(middle(cut) - middle(image))))
    assert np.mean(moved) < 0.5
    assert refused <= 1


@pytest.fixture
def seven(tmp_path: Path) -> Image.Image:
    picture = Image.new("L", (120, 160), 235)
    for x in range(30, 90):
        for y in range(38, 46):
            picture.putpixel((x, y), 30)
    for y in range(46, 120):
        for x in range(8):
            picture.putpixel((84 - (y - 46) // 2 + x, y), 30)
    return picture


def test_each_way_of_saving_a_picture_gives_the_same_digit(
    seven: Image.Image, tmp_path: Path
) -> None:
    seven.save(tmp_path / "grey.png")
    expected = read_images(tmp_path / "grey.png")
    assert expected.shape == (1, 784)
    seven.convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    seven.convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.asarray(seven).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    seven.convert("RGB").save(tmp_path / "photo.WEBP", lossless=True)
    # Only the ink is opaque
    ink = Image.new("RGBA", seven.size, (0, 0, 0, 0))
    ink.putalpha(seven.point(lambda grey: 255 if grey < 127 else 0))
    ink.save(tmp_path / "transparent.png")
    white = Image.new("RGBA", seven.size, (255, 255, 255, 0))
    white.putalpha(ink.getchannel("A"))
    white.save(tmp_path / "white.png")
    # A camera that was held upside down says so
    exif = Image.Exif()
    exif[0x0112] = 3
    seven.convert("RGB").rotate(180).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    Image.eval(seven, lambda grey: 255 - grey).save(tmp_path / "dark.png")
    files = list_pictures([tmp_path])
    assert len(files) == 9
    for file in files:
        difference = np.abs(read_images(file).astype(int) - expected).mean()
        assert difference < 6, file.name


def test_images_in_arrays_are_taken_as_they_are(mnist_digits: Digits, tmp_path: Path) -> None:
    some = mnist_digits.pixels[:3]
    shapes = {
        "rows.npy": some,
        "squares.npy": some.reshape(3, 28, 28),
        "floats.npy": (some / 255).astype(np.float32),
        "one.npy": some[0].reshape(28, 28),
        "row.npy": some[0],
    }
    for name, array in shapes.items():
        np.save(tmp_path / name, array)
        read = read_images(tmp_path / name)
        np.testing.assert_array_equal(read, some[: len(read)], err_msg=name)
        assert read.dtype == np.uint8
    np.savez(tmp_path / "several.npz", images=some, labels=np.arange(3))
    np.testing.assert_array_equal(read_images(tmp_path / "several.npz"), some)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _two(n: int) -> Image.Image:
    picture = Image.new("L", (80 + 60 * n, 140), 240)
    for digit in range(n):
        picture.paste(20, (50 + 60 * digit, 30, 58 + 60 * digit, 110))
    return picture


BAD = {
    "empty.png": (b"", "an empty file"),
    "page.png": (b"<!DOCTYPE html><html>", "an HTML page"),
    "cut.png": (_png(_two(1))[:200], "not a picture that can be read"),
    "table.jpg": (b"label,pixel0\n7,0\n", "not a picture that can be read"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC or AVIF picture"),
    "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC or AVIF picture"),
    "blank.png": (_png(Image.new("L", (200, 200), 240)), "no digit"),
    "two.png": (_png(_two(2)), "several shapes"),
    "bomb.png": (_png(Image.new("1", (20_000, 10_000))), "more than 100 megapixels"),
    "objects.npy": (_npy(np.array([{}], dtype=object)), "Python objects"),
    "shape.npy": (_npy(np.zeros((3, 27, 28), np.uint8)), "(3, 27, 28)"),
    "values.npy": (_npy(np.full((1, 784), 300)), "300"),
    "cut.npz": (b"PK\x03\x04cut", "images that can be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    content, why = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as told:
        read_images(tmp_path / name)
    assert told.value.what.startswith(f"{tmp_path / name}: ")
    assert why in told.value.what
    assert "\n" not in told.value.what + told.value.remedy


def test_a_file_that_is_not_there_and_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_images(tmp_path / "none.png")
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(DataError, match="there is no picture in this folder"):
        list_pictures([tmp_path])
