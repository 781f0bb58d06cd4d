"""Which files are read, what is cut out of them, and what is said of the others."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from written_digits import KINDS, take_photo

from kit.data.cutting import cut_digit
from kit.data.digits import Digits, Source
from kit.data.photos import list_pictures, read_images
from kit.errors import DataError

Stroke = list[tuple[int, int]]
# On paper of 300×400
SEVEN: list[Stroke] = [[(90, 90), (210, 90), (140, 300)]]
FIVE: list[Stroke] = [[(120, 100), (115, 190), (170, 180), (195, 230), (165, 290), (105, 285)]]
EIGHT: list[Stroke] = [
    [(190, 110), (150, 80), (110, 120), (190, 220), (160, 290), (110, 250), (190, 110)]
]
ONE: list[Stroke] = [[(160, 70), (140, 310)]]
# Of a full 28×28 image; another digit differs by more than 20
SAME = 6.0


def drawn(*strokes: Stroke, pen: int = 12, ink: int = 40, paper: int = 230) -> Image.Image:
    """Draw strokes with a pen, on paper with a little noise."""
    rng = np.random.default_rng(0)
    sheet = Image.new("L", (300, 400), paper)
    draw = ImageDraw.Draw(sheet)
    for stroke in strokes:
        draw.line(stroke, fill=ink, width=pen, joint="curve")
        for x, y in stroke:
            draw.circle((x, y), pen / 2, fill=ink)
    noisy = np.asarray(sheet) + rng.normal(0, 2, (400, 300))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def cut(picture: Image.Image) -> NDArray[np.int64]:
    return cut_digit(np.asarray(picture)).astype(np.int64)


def difference(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    return float(np.abs(a - b).mean())


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def claim(width: int, height: int) -> bytes:
    """A small PNG that says it has that size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))


def saved(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def array(values: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=True)
    return stream.getvalue()


def archive(**arrays: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def swollen() -> bytes:
    """A small archive that unpacks to 600 MiB."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("images.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(600):
            member.write(b"\0" * (1 << 20))
    return stream.getvalue()


def lettered() -> Image.Image:
    sheet = drawn()
    words = "\n".join(["call me Ishmael, 1851"] * 14)
    ImageDraw.Draw(sheet).text((20, 20), words, fill=40, font=ImageFont.load_default(20))
    return sheet


def blotted() -> Image.Image:
    sheet = Image.new("L", (300, 400), 230)
    ImageDraw.Draw(sheet).rounded_rectangle((60, 60, 240, 340), 20, fill=20)
    return sheet


BAD_FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("a.png", lambda: b"", "an empty file"),
    "text": ("a.png", lambda: b"a seven", "another kind of file"),
    "a web page": ("a.jpg", lambda: b"<!doctype html>", "an HTML page"),
    "another format": ("a.png", lambda: saved(drawn(*SEVEN), "GIF"), "another kind of file"),
    "HEIC": ("a.jpg", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1", "a HEIC or AVIF picture"),
    "a PNG cut off": ("a.png", lambda: saved(drawn(*SEVEN), "PNG")[:9_000], "broken or cut off"),
    "a JPEG cut off": ("a.jpg", lambda: saved(drawn(*SEVEN), "JPEG")[:3_000], "broken or cut off"),
    "a WebP cut off": ("a.webp", lambda: saved(drawn(*SEVEN), "WEBP")[:900], "not a picture"),
    "a decompression bomb": ("a.png", lambda: claim(60_000, 60_000), "more than 100 megapixels"),
    "101 megapixels": ("a.png", lambda: claim(10_100, 10_000), "more than 100 megapixels"),
    "blank paper": ("a.png", lambda: saved(drawn(), "PNG"), "the paper is blank"),
    "two digits": (
        "a.png",
        lambda: saved(drawn(ONE[0], [(x + 90, y) for x, y in ONE[0]]), "PNG"),
        "several shapes",
    ),
    "a page of text": ("a.png", lambda: saved(lettered(), "PNG"), "several shapes"),
    "a blot": ("a.png", lambda: saved(blotted(), "PNG"), "too broad for a stroke"),
    "Python objects": ("a.npy", lambda: array(np.array([{}])), "Python objects"),
    "another shape": ("a.npy", lambda: array(np.zeros((3, 3))), "found (3, 3)"),
    "other values": ("a.npy", lambda: array(np.full((28, 28), 9.0)), "floats from 0 to 1"),
    "no image": ("a.npy", lambda: array(np.zeros((0, 784))), "there is no image"),
    "several arrays": (
        "a.npz",
        lambda: archive(a=np.zeros(784), b=np.zeros(784)),
        "2 arrays, and none is called images",
    ),
    "an archive cut off": ("a.npz", lambda: archive(a=np.zeros(784))[:300], "not a zip file"),
    "a swollen archive": ("a.npz", swollen, "more than 512 MiB"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_told_in_one_line(kind: str, tmp_path: Path) -> None:
    name, content, words = BAD_FILES[kind]
    (tmp_path / name).write_bytes(content())
    with pytest.raises(DataError) as failed:
        read_images(tmp_path / name)
    assert failed.value.what.startswith(f"{tmp_path / name}: ")
    assert words in failed.value.what
    assert "pickle" not in failed.value.what
    assert "\n" not in failed.value.what + failed.value.remedy


def test_a_file_or_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: there is no such file"):
        read_images(tmp_path / "gone.png")
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    with pytest.raises(DataError, match="no picture in this folder"):
        list_pictures([tmp_path])
    for name in ("b.PNG", "a.heic"):
        (tmp_path / name).touch()
    names = [path.name for path in list_pictures([Path("x.txt"), tmp_path])]
    assert names == ["x.txt", "a.heic", "b.PNG"]


def in_16_bits(picture: Image.Image, steps: int) -> Image.Image:
    return Image.fromarray(np.asarray(picture).astype(np.uint16) * steps)


def on_nothing(colour: tuple[int, int, int]) -> Image.Image:
    """Ink of a colour on a transparent background."""
    opacity = np.asarray(drawn(*SEVEN, ink=255, paper=0)).copy()
    opacity[opacity < 20] = 0
    layers = [np.full_like(opacity, level) for level in colour]
    return Image.fromarray(np.dstack([*layers, opacity]))


def turned(picture: Image.Image, path: Path) -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=orientation)


SEEN_ALIKE: dict[str, Callable[[Image.Image, Path], None]] = {
    "plain.png": lambda seven, path: seven.save(path),
    "strong.jpg": lambda seven, path: seven.save(path, quality=30),
    "small.webp": lambda seven, path: seven.save(path, quality=50),
    "colours.png": lambda seven, path: seven.convert("RGB").save(path),
    "cmyk.jpg": lambda seven, path: seven.convert("CMYK").save(path),
    "palette.png": lambda seven, path: seven.quantize(8).save(path),
    "black and white.png": lambda seven, path: seven.convert("1", dither=0).save(path),
    "16 bits.png": lambda seven, path: in_16_bits(seven, 257).save(path),
    "12 bits.png": lambda seven, path: in_16_bits(seven, 16).save(path),
    "inverted.png": lambda seven, path: seven.point(lambda v: 255 - v).save(path),
    "turned.jpg": turned,
    "turned.png": turned,
    "turned.webp": turned,
    "black on nothing.png": lambda _, path: on_nothing((0, 0, 0)).save(path),
    "white on nothing.png": lambda _, path: on_nothing((255, 255, 255)).save(path),
    "yellow on nothing.webp": lambda _, path: on_nothing((250, 230, 40)).save(path, lossless=True),
    "large.png": lambda seven, path: seven.resize((2400, 3200)).save(path, compress_level=1),
    "large.jpg": lambda seven, path: seven.resize((3000, 4000)).save(path),
    "small.png": lambda seven, path: seven.resize((60, 80), Image.Resampling.BOX).save(path),
}


@pytest.mark.parametrize("name", SEEN_ALIKE)
def test_a_picture_is_seen_alike_in_every_form(name: str, tmp_path: Path) -> None:
    seven = drawn(*SEVEN)
    SEEN_ALIKE[name](seven, tmp_path / name)
    (image,) = read_images(tmp_path / name)
    assert image.dtype == np.uint8
    assert difference(image.astype(np.int64), cut(seven)) < SAME


def test_images_of_28_by_28_are_taken_as_they_are(mnist: Source, tmp_path: Path) -> None:
    pixels = mnist.test.pixels[:3]
    square = pixels.reshape(-1, 28, 28)
    for number, given in enumerate((pixels, square, pixels / 255, (square / 255).astype("f4"))):
        np.save(tmp_path / f"{number}.npy", given)
        np.testing.assert_array_equal(read_images(tmp_path / f"{number}.npy"), pixels)
    for number, given in enumerate((pixels[0], square[0], square[0] / 255)):
        np.savez(tmp_path / f"{number}.npz", given)
        np.testing.assert_array_equal(read_images(tmp_path / f"{number}.npz"), pixels[:1])
    np.savez(tmp_path / "named.npz", labels=np.arange(3), images=square)
    np.testing.assert_array_equal(read_images(tmp_path / "named.npz"), pixels)


def middles(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The centre of mass of each image: (n, 2)."""
    ink = images.reshape(-1, 28, 28).astype(np.float64)
    places, total = np.arange(28), ink.sum(axis=(1, 2))
    down, right = ink.sum(axis=2) @ places / total, ink.sum(axis=1) @ places / total
    return np.stack([down, right], axis=1)


def test_mnists_own_images_come_back_where_they_were(mnist: Source) -> None:
    images = mnist.test.pixels[:60]
    again = np.stack([cut_digit(each.reshape(28, 28)) for each in images])
    assert np.linalg.norm(middles(again) - middles(images), axis=1).mean() < 0.5
    np.testing.assert_allclose(middles(again), 14, atol=0.1)
    # As large as they were, and about as thick
    inked = again.reshape(-1, 28, 28) > 60
    extents = np.maximum(inked.any(axis=1).sum(axis=1), inked.any(axis=2).sum(axis=1))
    assert set(extents.tolist()) <= {19, 20, 21}
    assert again.mean() == pytest.approx(images.mean(), rel=0.3)
    assert np.abs(again.astype(int) - images).mean() < 20


@pytest.mark.parametrize("pen", [4, 12, 30])
def test_strokes_are_as_thick_as_mnists(pen: int, thousand_digits: Digits) -> None:
    amounts = thousand_digits.pixels[thousand_digits.labels == 7].mean(axis=1)
    low, high = np.percentile(amounts, [1, 99])
    assert low < cut(drawn(*SEVEN, pen=pen)).mean() < high


def squared(picture: Image.Image, dark: int) -> Image.Image:
    """Print squares under what is drawn."""
    sheet = Image.new("L", picture.size, 230)
    draw = ImageDraw.Draw(sheet)
    for place in range(15, 400, 37):
        draw.line([(0, place), (300, place + 12)], fill=dark, width=2)
        draw.line([(place, 0), (place - 16, 400)], fill=dark, width=2)
    return Image.fromarray(np.minimum(np.asarray(sheet), np.asarray(picture)))


@pytest.mark.parametrize("strokes", [ONE, SEVEN, FIVE, EIGHT], ids=["1", "7", "5", "8"])
@pytest.mark.parametrize("dark", [60, 140, 200])
def test_printed_squares_are_no_ink(strokes: list[Stroke], dark: int) -> None:
    assert difference(cut(squared(drawn(*strokes), dark)), cut(drawn(*strokes))) < SAME


def test_parts_near_the_digit_belong_to_it() -> None:
    # The bar of a 5, the cross stroke of a 7 in two pieces, and the 8 that is light in places
    bar = [(140, 75), (200, 70)]
    five, whole = cut(drawn(*FIVE, bar)), cut(drawn(*FIVE, [(120, 100), *bar]))
    assert difference(five, whole) < SAME < difference(five, cut(drawn(*FIVE)))
    crosses = [[(130, 190), (158, 188)], [(190, 186), (215, 185)]]
    for strokes, is_crossed in ((SEVEN, False), ([*SEVEN, *crosses], True)):
        middle = cut(drawn(*strokes)).reshape(28, 28)[12:17]
        assert [side.max() > 100 for side in (middle[:, :12], middle[:, 18:])] == [is_crossed] * 2
    light = np.asarray(drawn(*EIGHT)).copy()
    light[:180] = np.asarray(drawn(*EIGHT, ink=100))[:180]
    assert difference(cut(Image.fromarray(light)), cut(drawn(*EIGHT))) < SAME


@pytest.mark.parametrize(
    "kind", ["ruled paper", "squared paper", "light from one side", "hard shadow", "noisy photo"]
)
def test_paper_without_ink_is_blank(kind: str, tmp_path: Path) -> None:
    assert kind in KINDS
    path = tmp_path / "blank.jpg"
    path.write_bytes(take_photo(np.zeros(784, np.uint8), kind, 71))
    with pytest.raises(DataError):
        read_images(path)


PEAK = """
import sys
from pathlib import Path
from kit.data.photos import read_images
read_images(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory that was used")
def test_a_phones_50_megapixels_take_little_memory(tmp_path: Path) -> None:
    picture = drawn(*SEVEN).resize((6125, 8165), Image.Resampling.NEAREST).convert("RGB")
    picture.save(tmp_path / "large.png", compress_level=1)
    ended = subprocess.run(
        [sys.executable, "-c", PEAK, tmp_path / "large.png"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ended.stdout) < 400_000
