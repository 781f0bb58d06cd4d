"""Pictures of one digit, from files: photos, scans, drawings, and images that are 28×28 already."""

import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from kit.data.cutting import cut_digit
from kit.data.digits import PIXELS, as_digits
from kit.data.mnist import BROKEN_ARCHIVE
from kit.errors import DataError
from kit.files import foreign_kind

_ARRAYS = (".npy", ".npz")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif", *_ARRAYS)
_NAME = "Name a PNG, JPEG or WebP file, or 28×28 images in .npy or .npz."
# What phones save that Pillow does not read
_HEIC = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1", b"ftypavif")
# Larger pictures take hundreds of megabytes to decode
_MEGAPIXELS, _LARGEST_ARCHIVE = 100, 512 << 20
# More pixels than the digit needs, because it may be small in its picture
_LARGEST_SIDE = 1280


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """List the files among `paths`, and in place of a folder the pictures in it, by name.

    Raises:
        DataError: a folder has no picture.
    """
    listed: list[Path] = []
    for path in paths:
        there = [path]
        if path.is_dir():
            named = (p for p in sorted(path.iterdir()) if p.name.lower().endswith(_ENDINGS))
            there = [each for each in named if not each.name.startswith(".")]
        if not there:
            raise DataError(f"{path}: there is no picture in this folder.", _NAME)
        listed += there
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
    try:
        if path.name.lower().endswith(_ARRAYS):
            return _read_arrays(path)
        return cut_digit(_read_grey(path))[np.newaxis]
    except DataError as error:
        raise DataError(f"{path}: {error.what}", error.remedy) from error


def _read_grey(path: Path) -> NDArray[np.uint8]:
    with path.open("rb") as stream:
        start = stream.read(64)
    if start[4:].startswith(_HEIC):
        remedy = "Save it as JPEG or PNG. On an iPhone: Settings, Camera, Formats, Most Compatible."
        raise DataError("a HEIC or AVIF picture, which the kit does not read.", remedy)
    try:
        # Pillow warns below the kit's own limit
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            picture = Image.open(path, formats=("PNG", "JPEG", "WEBP"))
        with picture:
            if picture.width * picture.height <= _MEGAPIXELS * 10**6:
                return _grey(picture)
    except Image.DecompressionBombError:
        pass
    except Exception as error:
        # Pillow raises all kinds of exceptions for a broken file
        is_other = isinstance(error, UnidentifiedImageError)
        kind = foreign_kind(start) or ("another kind of file" if is_other else "broken or cut off")
        raise DataError(f"not a picture that can be read ({kind}).", _NAME) from error
    what = f"the picture has more than {_MEGAPIXELS} megapixels."
    raise DataError(what, "Make it smaller, or cut the digit out.")


def _grey(picture: Image.Image) -> NDArray[np.uint8]:
    """Decode a picture, smaller where it is large: uint8 (h, w)."""
    # JPEG is decoded at a smaller size. To pick pixels needs no copy of a large picture
    picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.NEAREST)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        # Of 16 bits, scanners may use fewer
        deep = np.asarray(picture, np.float32)
        picture = Image.fromarray(np.rint(deep * 255 / np.maximum(deep.max(), 1)).astype(np.uint8))
    picture = picture.convert("RGBA")
    opacity = np.asarray(picture.getchannel("A"))
    if 0 < opacity.mean() < 128:
        # Ink of any colour, with nothing around it
        return 255 - opacity
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return np.asarray(paper.convert("L"))


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
        raise DataError(f"not images that can be read ({reason}).", _NAME) from error
    if not array.size:
        raise DataError("there is no image in it.", _NAME)
    return as_digits(array[np.newaxis] if array.shape == (PIXELS,) else array).pixels
