"""The digit in a picture: found on paper of any colour in any light, and made like MNIST's.

MNIST's authors scaled the ink of each digit into a box of 20×20 pixels, and put its centre of mass
into the middle of 28×28: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning
applied to document recognition", Proceedings of the IEEE 86 (1998), 2278-2324.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import SIDE
from kit.errors import DataError, missing_extra

try:
    from scipy import ndimage
    from skimage import transform
    from skimage.morphology import isotropic_dilation, isotropic_erosion, skeletonize
except ImportError as error:
    raise missing_extra("images", "scikit-image") from error

# The digit is searched for in a picture of this longest side, and then drawn at this size
COARSE, FINE = 320, 128
BOX, MIDDLE = 20, 14.0
# Of the strokes, in pixels of the box: most of MNIST's are in between
WIDTHS = (1.9, 2.9)
# Added to a brightness of 0 to 255 before its logarithm is taken: darker is noise
_BLACK = 12
# The widest stroke and the smallest digit, as shares of the picture's shorter and longer side
_WIDEST, _SMALLEST = 0.4, 0.04
# The least contrast of ink, as a logarithm
_FAINTEST = 0.07
_LEVELS = 5
# The directions of printed lines: up to 14 degrees from level and upright
_TURNED = np.deg2rad(np.arange(-14, 14.1, 0.5))
_DIRECTIONS = np.concatenate([_TURNED, _TURNED + np.pi / 2])
_AROUND = np.ones((3, 3), bool)
_SEVERAL = "There is ink in several shapes, not one digit."
_ONE = "Show one digit, dark on light paper or light on dark paper, and nothing else."

Mask = NDArray[np.bool_]
Picture = NDArray[np.float32]


class _Line(NamedTuple):
    """A printed line: the points with x cos(angle) + y sin(angle) = distance, in pixels."""

    angle: float
    distance: float


class _Found(NamedTuple):
    """Ink that may be the digit: how clearly, where, and in which tones and printed lines."""

    score: float
    ink: Mask
    tones: Picture
    strength: Picture
    lines: list[_Line]


def cut_digit(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the digit out of a grey picture, (h, w): uint8 (784,), 0 is paper and 255 is ink.

    The paper may have any tone, and the ink may be darker or lighter.

    Raises:
        DataError: there is no ink, or ink in several shapes.
    """
    scale = COARSE / max(grey.shape)
    tones = _tones(grey, scale, 0.7)
    found = max((_find(signed) for signed in (-tones, tones)), key=lambda each: each.score)
    if not found.score:
        raise DataError("There is no digit: the paper is blank, or its ink too faint.", _ONE)
    peak = np.percentile(found.strength[found.ink], 90)
    width = _stroke_width(found.ink & (found.strength > peak / 2))
    # Again, with a window of a few strokes, which leaves out most of a shadow
    strength = _strength(found.tones, 4 * width, found.lines, 4)
    digit = _join_parts(strength, found.ink, width)
    # Again, with all its pixels
    (place,) = ndimage.find_objects(digit.astype(np.int8))
    size = max(_extent(place))
    part = tuple(slice(max(s.start - size // 2, 0), s.stop + size // 2) for s in place)
    y, x = (slice(round(s.start / scale), round(s.stop / scale)) for s in part)
    zoom = FINE / size
    sign = 1 if found.tones is tones else -1
    fine = sign * _tones(grey[y, x], zoom * scale, 2)
    lines = [
        _Line(a, (d - part[1].start * np.cos(a) - part[0].start * np.sin(a)) * zoom)
        for a, d in found.lines
    ]
    near = transform.resize(digit[part].astype(np.float32), fine.shape, order=1) > 0.1
    strength = _strength(fine, 4 * width * zoom, lines, 4 * zoom)
    return _like_mnist(_inked(strength, near, width * zoom) & near)


def cut_drawing(ink: Mask) -> NDArray[np.uint8]:
    """Cut the digit out of a drawing, bool (h, w), which is true where ink is: uint8 (784,).

    It is the same image as of a photo of the drawing, in a tenth of the time.

    Raises:
        DataError: there is no ink, or ink in several shapes.
    """
    if not ink.any():
        raise DataError("There is no digit: the paper is blank.", _ONE)
    labels, _ = ndimage.label(ink, _AROUND)
    largest = labels == np.bincount(labels[ink]).argmax()
    return _like_mnist(_join_parts(ink.astype(np.float32), largest, _stroke_width(largest)))


def _tones(grey: NDArray[np.uint8], scale: float, blur: float) -> Picture:
    """The logarithm of the brightness, in which half the light is one step everywhere."""
    shape = tuple(max(1, round(n * scale)) for n in grey.shape)
    light = transform.resize(grey.astype(np.float32), shape, order=1)
    tones: Picture = ndimage.gaussian_filter(np.log(light + _BLACK), blur)
    return tones


def _strength(tones: Picture, window: float, lines: list[_Line], reach: float) -> Picture:
    """How much ink is on the paper around it, as far as it is narrower than `window`."""
    side = int(max(window, 9)) | 1
    strength: Picture = ndimage.white_tophat(tones, size=(side, side), mode="nearest")
    # Noise lifts it everywhere
    strength -= np.median(strength)
    for line in lines:
        _erase(strength, line, reach)
    return strength


def _stroke_width(ink: Mask) -> float:
    depth = ndimage.distance_transform_edt(np.pad(ink, 1))
    return max(2 * float(np.median(depth[skeletonize(depth > 0)])) - 1, 1)


def _edge(picture: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _find(tones: Picture) -> _Found:
    """Find the clearest ink, where ink has the higher tones.

    Each level of strength has its own connected shapes. Long, thin and strong ones are handwriting;
    thick and faint ones are shadows or paper between strokes. A table or a printed line goes on
    beyond the picture.
    """
    window = _WIDEST * min(tones.shape)
    strength = _strength(tones, window, [], 4)
    floor = max(_FAINTEST, 6 * float(np.median(np.abs(strength))))
    lines = _find_lines(strength, floor) if (_edge(strength) > floor).any() else []
    strength = _strength(tones, window, lines, 4) if lines else strength
    best = _Found(0, np.zeros(tones.shape, bool), tones, strength, lines)
    for level in np.geomspace(floor, max(0.7 * float(strength.max()), floor * 1.01), _LEVELS):
        labels, n = ndimage.label(strength > level, _AROUND)
        at_edge = np.bincount(_edge(labels), minlength=n + 1)
        sums = np.bincount(labels.ravel(), strength.ravel(), n + 1)
        sums[0] = 0
        sums[at_edge > 0.12 * 2 * sum(tones.shape)] = 0
        places = ndimage.find_objects(labels)
        for number in np.argsort(-sums)[: min(3, n)]:
            place = places[number - 1]
            ink = labels[place] == number
            size = max(ink.shape)
            if not sums[number] or size < _SMALLEST * max(tones.shape):
                continue
            wide = tuple(slice(max(s.start - size, 0), s.stop + size) for s in place)
            paper = np.median(tones[wide][labels[wide] != number])
            contrast = min(np.median(tones[place][ink]) - paper, np.median(strength[place][ink]))
            if ink.sum() * max(contrast, 0) ** 2 < best.score:
                continue
            width = _stroke_width(ink)
            length = ink.sum() / width
            score = length * max(contrast, 0) ** 2 * min(1, length / width / 6) ** 2
            # Ink that a picture cuts off is possible, but strong
            score *= 0.25 if at_edge[number] else 1
            least = 5 * floor if at_edge[number] else floor
            if contrast > least and score > best.score:
                best = _Found(score, labels == number, tones, strength, lines)
    return best


def _find_lines(strength: Picture, floor: float) -> list[_Line]:
    """Find printed lines: thin, straight, and from one edge of the picture to another."""
    thin = ndimage.white_tophat(strength, size=(9, 9)) > floor
    peaks = transform.hough_line_peaks(
        *transform.hough_line(thin, _DIRECTIONS),
        min_distance=5,
        min_angle=4,
        threshold=0.25 * min(thin.shape),
    )
    near = ndimage.binary_dilation(thin, _AROUND)
    lines = []
    for line in map(_Line, *peaks[1:]):
        y, x = np.rint(_points(line, thin.shape)).astype(int)
        on = near[y, x]
        end = max(len(on) // 20, 1)
        if len(on) and min(on.mean(), on[:end].mean(), on[-end:].mean()) > 0.5:
            lines.append(line)
    return lines


def _points(line: _Line, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The points of a line in a picture, half a pixel from each other: y and x, (2, n)."""
    steps = np.arange(-sum(shape), sum(shape), 0.5)
    sine, cosine = np.sin(line.angle), np.cos(line.angle)
    points = np.stack(
        [line.distance * sine + steps * cosine, line.distance * cosine - steps * sine]
    )
    inside = ((points >= 0) & (points <= np.array(shape)[:, None] - 1)).all(axis=0)
    return points[:, inside]


def _erase(strength: Picture, line: _Line, reach: float) -> None:
    """Take a printed line out, but for ink that is stronger or goes on at both of its sides."""
    points = _points(line, strength.shape)
    if not points.size:
        return
    normal = np.array([[np.sin(line.angle)], [np.cos(line.angle)]])
    offsets = np.arange(-reach, reach + 0.1, 0.5)
    across = [
        ndimage.map_coordinates(strength, points + offset * normal, order=1, mode="nearest")
        for offset in offsets
    ]
    profile = np.median(across, axis=1)
    if profile.max() <= 0:
        return
    wide = np.flatnonzero(profile > profile.max() / 4)
    first, last = max(wide[0] - 2, 0), min(wide[-1] + 2, len(offsets) - 1)
    sides = np.minimum(across[first], across[last])
    limits = np.array(strength.shape)[:, None] - 1
    for offset in offsets[first : last + 1]:
        y, x = np.rint(points + offset * normal).astype(int).clip(0, limits)
        here = strength[y, x]
        strength[y, x] = np.where(here > 1.6 * profile.max(), here, np.minimum(here, sides))


def _inked(strength: Picture, near: Mask, width: float) -> Mask:
    """Where ink is: at least half as strong as the strongest within a stroke's width."""
    peak = np.percentile(strength[near], 90)
    around = ndimage.maximum_filter(strength, int(2 * width) | 1)
    inked: Mask = strength > np.maximum(around / 2, 0.3 * peak)
    return inked


def _join_parts(strength: Picture, ink: Mask, width: float) -> Mask:
    """Join what belongs to the ink that was found: parts near it, such as the bar of a 5.

    Raises:
        DataError: it is no stroke, or there is other ink of the same size.
    """
    (place,) = ndimage.find_objects(ink.astype(np.int8))
    inked = _inked(strength, ink, width)
    joint = isotropic_dilation(inked, 0.04 * max(_extent(place)))
    labels, n = ndimage.label(joint, _AROUND)
    labels *= inked
    if not labels[ink].any():
        raise DataError("There is no digit, but a shape that is too broad for a stroke.", _ONE)
    areas = np.bincount(labels.ravel(), minlength=n + 1)
    main = int(np.bincount(labels[ink], minlength=n + 1)[1:].argmax()) + 1
    places = ndimage.find_objects(labels, n)
    place, size = places[main - 1], max(_extent(places[main - 1]))
    peak = np.percentile(strength[labels == main], 90)
    gaps = ndimage.distance_transform_edt(labels != main)
    at_edge = set(_edge(labels).tolist())
    digit: Mask = labels == main
    # Nearest first, because a part that is joined brings the next one near
    nearest = ndimage.minimum(gaps, labels, np.arange(n + 1))
    for number in np.argsort(nearest[1:]) + 1:
        if number == main or number in at_edge or areas[number] < 0.01 * areas[main]:
            continue
        other = places[number - 1]
        part = labels[other] == number
        # A shadow that ends near the digit is fainter
        if np.percentile(strength[other][part], 90) < 0.65 * peak:
            continue
        length = max(_extent(other))
        over = min(other[1].stop, place[1].stop) - max(other[1].start, place[1].start)
        is_above = over >= 0.5 * min(_extent(other)[1], _extent(place)[1])
        is_wide = areas[number] / length > 0.15 * areas[main] / size
        gap = gaps[other][part].min() / size
        # Two digits stand farther from each other than a 5 from its bar
        if gap < 0.13 or (gap <= 0.3 and (is_above or length < 0.65 * size)):
            digit[other] |= part
            gaps = ndimage.distance_transform_edt(~digit)
        elif length >= 0.5 * size and is_wide:
            raise DataError(_SEVERAL, _ONE)
    pieces, _ = ndimage.label(digit, _AROUND)
    if np.bincount(pieces[digit]).max() < 0.3 * digit.sum():
        raise DataError(_SEVERAL, _ONE)
    return digit


def _extent(place: tuple[slice, ...]) -> list[int]:
    return [each.stop - each.start for each in place]


def _like_mnist(ink: Mask) -> NDArray[np.uint8]:
    """Make the image of 28×28 from ink, (h, w): uint8 (784,)."""
    ink = np.pad(ink, FINE // 4)
    (place,) = ndimage.find_objects(ink.astype(np.int8))
    size, width = max(_extent(place)), _stroke_width(ink)
    # Thicker or thinner at each side, so that the strokes have that width once they are in the box
    wanted = float(np.clip(width * BOX / size, *WIDTHS))
    more = (wanted * size - BOX * width) / (2 * (BOX - wanted))
    if more > 0:
        ink = isotropic_dilation(ink, more)
    elif more < -0.5:
        lines = isotropic_dilation(skeletonize(ink), max(width / 2 + more, 0.5))
        ink = isotropic_erosion(ink, -more) | lines
    (place,) = ndimage.find_objects(ink.astype(np.int8))
    zoom = max(_extent(place)) / BOX
    # Each pixel of the image is the mean of those that it covers
    soft = ndimage.gaussian_filter(ink.astype(np.float32), 0.42 * zoom)
    corner = np.array(ndimage.center_of_mass(ink)) - MIDDLE * zoom
    image = ndimage.affine_transform(soft, [zoom, zoom], corner, output_shape=(SIDE, SIDE), order=1)
    pixels: NDArray[np.uint8] = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    return pixels.ravel()
