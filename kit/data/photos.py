"""Pictures of one digit, from files: photos, scans, drawings, and images that are 28×28 already."""

import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit.data.cutting import cut_digit
from kit.data.digits import PIXELS, SIDE
from kit.data.mnist import BROKEN_ARCHIVE
from kit.errors import DataError
from kit.files import foreign_kind

__all__ = ["cut_digit", "list_pictures", "read_images", "read_photo"]

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
_ARRAYS = (".npy", ".npz")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif", *_ARRAYS)
_NAME = "Name a PNG, JPEG or WebP file, or 28×28 images in .npy or .npz."
_KINDS = "Expected: uint8, or floats in [0, 1], of shape (n, 28, 28), (n, 784), (28, 28) or (784,)."
# Larger pictures take hundreds of megabytes to decode
_MEGAPIXELS = 100
# Larger than the digit needs, because it may be small in its picture
_LARGEST_SIDE = 1280
# What phones save that Pillow does not read
_HEIC = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1", b"ftypavif")
_LARGEST_ARCHIVE = 512 << 20


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """List the files among `paths`, and in place of a folder the pictures in it, by name.

    Raises:
        DataError: a folder has no picture.
    """
    listed: list[Path] = []
    for path in paths:
        if not path.is_dir():
            listed.append(path)
            continue
        there = (each for each in sorted(path.iterdir()) if not each.name.startswith("."))
        inside = [each for each in there if each.name.lower().endswith(_ENDINGS)]
        if not inside:
            raise DataError(f"{path}: there is no picture in this folder.", _NAME)
        listed += inside
    return listed


def read_images(path: Path) -> NDArray[np.uint8]:
    """Read the digits of a file: uint8 (n, 784), 0 is paper and 255 is ink.

    A picture shows one digit, which is cut out of it. Images in `.npy` and `.npz` are taken as they
    are. An `.npz` has one array, or one with the name `images`.

    Raises:
        DataError: the file cannot be read, or does not show one digit.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.", _NAME)
    return _read_arrays(path) if path.name.lower().endswith(_ARRAYS) else read_photo(path)[None]


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a picture of one digit: uint8 (784,), 0 is paper and 255 is ink.

    Raises:
        DataError: the file cannot be read, or does not show one digit.
    """
    from PIL import Image

    with path.open("rb") as stream:
        start = stream.read(64)
    if start[4:].startswith(_HEIC):
        remedy = "Save it as JPEG or PNG. On an iPhone: Settings, Camera, Formats, Most Compatible."
        raise DataError(f"{path}: a HEIC or AVIF picture, which the kit does not read.", remedy)
    try:
        with warnings.catch_warnings():
            # Pillow warns below the kit's own limit
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path, formats=FORMATS)
        with picture:
            is_too_large = picture.width * picture.height > _MEGAPIXELS * 10**6
            grey = None if is_too_large else _grey(picture)
    except Image.DecompressionBombError:
        grey = None
    except Exception as error:
        # Pillow raises all kinds of exceptions for a broken file
        kind = foreign_kind(start) or "it is broken, or of another kind"
        raise DataError(f"{path}: not a picture that can be read ({kind}).", _NAME) from error
    if grey is None:
        what = f"{path}: the picture has more than {_MEGAPIXELS} megapixels."
        raise DataError(what, "Make it smaller, or cut the digit out.")
    try:
        return cut_digit(grey)
    except DataError as error:
        raise DataError(f"{path}: {error.what}", error.remedy) from error


def _grey(picture: "Image.Image") -> NDArray[np.uint8]:
    """Decode a picture, smaller where it is large: uint8 (h, w)."""
    from PIL import Image, ImageOps

    # JPEG is decoded at a smaller size. To pick pixels needs no copy of a large picture
    picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.NEAREST)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        # Of 16 bits, scanners may use fewer
        deep = np.asarray(picture, np.float32)
        return _whole(deep * 255 / np.maximum(deep.max(), 1))
    picture = picture.convert("RGBA")
    opacity = np.asarray(picture.getchannel("A"), np.float32) / 255
    light = np.asarray(picture.convert("L"), np.float32)
    # Behind what is transparent the paper is white, but for light ink with nothing around it
    is_drawing = 0 < opacity.mean() < 0.5
    is_light = is_drawing and np.average(light, weights=opacity) > 127
    paper = 0 if is_light else 255
    return _whole(light * opacity + paper * (1 - opacity))


def _whole(light: NDArray[Any]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.rint(light).astype(np.uint8)
    return pixels


def _read_arrays(path: Path) -> NDArray[np.uint8]:
    try:
        if path.name.lower().endswith(".npz"):
            with zipfile.ZipFile(path) as archive:
                if sum(each.file_size for each in archive.infolist()) > _LARGEST_ARCHIVE:
                    raise ValueError(f"more than {_LARGEST_ARCHIVE >> 20} MiB")
        # Mapped, so that no header can ask for more memory than the file has
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            with array as file:
                names = ["images"] if "images" in file.files else file.files
                if len(names) != 1:
                    raise ValueError(f"{len(names)} arrays, and none is called images")
                array = file[names[0]]
    except (*BROKEN_ARCHIVE, MemoryError) as error:
        # NumPy's words would have people allow what can run any program
        is_pickled = "pickle" in str(error) or "Python objects" in str(error)
        reason = "no array, or one of Python objects" if is_pickled else error
        raise DataError(f"{path}: not images that can be read ({reason}).", _KINDS) from error
    is_row = array.ndim in (1, 2) and array.shape[-1] == PIXELS
    is_square = array.ndim in (2, 3) and array.shape[-2:] == (SIDE, SIDE)
    if not array.size or not (is_row or is_square) or array.dtype.kind not in "uif":
        what = f"{path}: found {array.dtype} of shape {array.shape}."
        raise DataError(what, _KINDS)
    scale = 255 if array.dtype.kind == "f" else 1
    pixels = array.reshape(-1, PIXELS) * scale
    if not ((pixels >= 0) & (pixels <= 255)).all():
        what = f"{path}: found {array.dtype} from {array.min():g} to {array.max():g}."
        raise DataError(what, _KINDS)
    return _whole(pixels)
