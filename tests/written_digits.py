"""Photos of MNIST's digits as people take them: on all kinds of paper, in all kinds of light."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import filters, transform
from skimage.morphology import isotropic_dilation, skeletonize

Picture = NDArray[np.float64]
Random = np.random.Generator

# How much larger than in MNIST a digit is drawn before it is put on paper
_FINE = 10


@dataclass
class Scene:
    """One photo to be taken. Lengths are in heights of the digit, colours in [0, 1]."""

    paper: tuple[float, float, float] = (0.93, 0.92, 0.9)
    ink: tuple[float, float, float] = (0.12, 0.12, 0.18)
    opacity: float = 0.92
    # Strokes as MNIST has them, or of this width, or wider than MNIST's by twice a negative width
    pen: float | None = None
    # How much of the picture's shorter side the digit takes, and where it is, from -1 to 1
    height: float = 0.4
    place: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    # Printed lines: their distance, width, colour, and in which directions
    rule: float = 0.0
    rule_width: float = 0.02
    rule_colour: tuple[float, float, float] = (0.55, 0.65, 0.85)
    across: bool = False
    margin: bool = False
    # How dark the darkest corner is, in which direction the light fades
    fading: float = 0.0
    shadow: float = 0.0
    shadow_softness: float = 0.005
    hand: float = 0.0
    table: tuple[float, float, float] | None = None
    blur: float = 0.0
    noise: float = 0.008
    quality: int = 88
    size: tuple[int, int] = (420, 320)
    seed: int = 0


def _between(rng: Random, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _white(rng: Random) -> tuple[float, float, float]:
    base, warm = _between(rng, 0.78, 0.97), _between(rng, -0.05, 0.05)
    return base + min(warm, 0), base, base - max(warm, 0)


def _one_of(rng: Random, choices: list[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


PASTELS = [(0.98, 0.93, 0.45), (0.98, 0.7, 0.75), (0.65, 0.85, 0.95), (0.7, 0.9, 0.65),
           (0.95, 0.75, 0.4), (0.76, 0.62, 0.45), (0.6, 0.6, 0.62)]  # fmt: skip
DARKS = [(0.06, 0.06, 0.07), (0.1, 0.25, 0.17), (0.1, 0.13, 0.3), (0.3, 0.08, 0.1), (0.2, 0.2, 0.2)]
CHALKS = [(0.95, 0.95, 0.93), (0.95, 0.9, 0.5), (0.85, 0.65, 0.7), (0.75, 0.85, 0.95)]
INKS = [(0.8, 0.1, 0.12), (0.1, 0.5, 0.2), (0.95, 0.45, 0.05), (0.15, 0.3, 0.85), (0.55, 0.15, 0.6),
        (0.9, 0.25, 0.55), (0.1, 0.65, 0.7)]  # fmt: skip
TABLES = [(0.35, 0.22, 0.12), (0.15, 0.14, 0.14), (0.55, 0.42, 0.3), (0.3, 0.33, 0.38)]


def _usual(rng: Random) -> Scene:
    """A careful photo: somewhat tinted, lit a little unevenly, with a ballpoint or a felt pen."""
    grey = _between(rng, 0.05, 0.3)
    width, height = _one_of(rng, [(320, 420), (420, 320), (360, 360), (480, 360)])
    return Scene(
        paper=_white(rng),
        ink=(grey, grey, grey + _between(rng, 0, 0.4)),
        opacity=_between(rng, 0.82, 1),
        pen=_one_of(rng, [None, None, _between(rng, 0.06, 0.12)]),
        height=_between(rng, 0.25, 0.6),
        place=(_between(rng, -0.4, 0.4), _between(rng, -0.4, 0.4)),
        angle=_between(rng, -3, 3),
        fading=_between(rng, 0, 0.2),
        blur=_between(rng, 0.4, 0.9),
        noise=_between(rng, 0.004, 0.015),
        quality=int(rng.integers(75, 95)),
        size=(height, width),
        seed=int(rng.integers(1 << 30)),
    )


Changes = dict[str, Any]
# What is unusual in the photos of each kind
_KINDS: dict[str, Callable[[Random], Changes]] = {
    "white paper": lambda rng: {},
    "coloured paper": lambda rng: {"paper": _one_of(rng, PASTELS)},
    "ruled paper": lambda rng: {**_printed(rng), "rule": _between(rng, 0.5, 1.2)},
    "squared paper": lambda rng: {
        **_printed(rng), "rule": _between(rng, 0.3, 0.7), "across": True
    },
    "light from one side": lambda rng: {"fading": _between(rng, 0.45, 0.75)},
    "hard shadow": lambda rng: {
        "shadow": _between(rng, 0.3, 0.55), "shadow_softness": _between(rng, 0, 0.02)
    },
    "shadow of a hand": lambda rng: {"hand": _between(rng, 0.3, 0.55)},
    "out of focus": lambda rng: {"blur": _between(rng, 2.2, 4.5)},
    "strong JPEG": lambda rng: {"quality": int(rng.integers(12, 30))},
    "turned": lambda rng: {"angle": _between(rng, 6, 10) * float(rng.choice([-1, 1]))},
    "thin pen": lambda rng: {"pen": _between(rng, 0.03, 0.05)},
    "thick marker": lambda rng: {"pen": -_between(rng, 0.01, 0.03), "ink": (0.04, 0.04, 0.05)},
    "light ink on dark paper": lambda rng: {
        "paper": _one_of(rng, DARKS), "ink": _one_of(rng, CHALKS)
    },
    "pencil": lambda rng: {
        "ink": (0.35, 0.35, 0.37), "opacity": _between(rng, 0.3, 0.55),
        "pen": _between(rng, 0.05, 0.09),
    },
    "noisy photo": lambda rng: {"noise": _between(rng, 0.04, 0.08)},
    "table around the paper": lambda rng: {
        "table": _one_of(rng, TABLES), "height": _between(rng, 0.2, 0.4)
    },
    "coloured ink": lambda rng: {"ink": _one_of(rng, INKS)},
    "small, in a corner": lambda rng: {
        "height": _between(rng, 0.1, 0.16), "place": tuple(rng.choice([-0.9, 0.9], 2).tolist())
    },
    "very large": lambda rng: {"height": _between(rng, 0.8, 0.93), "place": (0.0, 0.0)},
    "several of these": lambda rng: _several(rng),
}  # fmt: skip
KINDS = tuple(_KINDS)


def _printed(rng: Random) -> Changes:
    shade = _between(rng, 0.4, 0.8)
    colours = [(shade, shade, shade), (shade - 0.1, shade, 0.9), (0.85, shade, shade)]
    width, margin = _between(rng, 0.012, 0.03), bool(rng.integers(2))
    return {"rule_width": width, "rule_colour": _one_of(rng, colours), "margin": margin}


def _several(rng: Random) -> Changes:
    changes: Changes = {}
    for kind in rng.choice(KINDS[1:-2], 3, replace=False).tolist():
        changes |= _KINDS[kind](rng)
    return changes


def take_photo(image: NDArray[np.uint8], kind: str, seed: int) -> bytes:
    """Photograph a digit, uint8 (784,), on paper of some kind: a JPEG file."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    scene = replace(_usual(rng), **_KINDS[kind](rng))
    return _develop(_light(_page(_write(image, scene.pen), scene), scene), scene)


def _write(image: NDArray[np.uint8], pen: float | None) -> Picture:
    """Draw the digit smoothly, 10 times as large: float64 (280, 280), ink = 1.

    Its strokes stay as they are, or are as wide as the pen, or wider by twice a negative one.
    """
    fine = transform.resize(image.reshape(28, 28) / 255, (28 * _FINE,) * 2, order=3)
    mask = filters.gaussian(fine, 0.3 * _FINE) > 0.35
    if pen is not None and mask.any():
        lines = skeletonize(mask) if pen > 0 else mask
        radius = 20 * _FINE * (pen / 2 if pen > 0 else -pen)
        mask = isotropic_dilation(lines, radius)
    drawn: Picture = filters.gaussian(mask.astype(np.float64), 1.0)
    return drawn


def _page(digit: Picture, scene: Scene) -> Picture:
    """What lies before the camera, evenly lit: (h, w, 3) of reflectances."""
    height, width = scene.size
    tall = scene.height * min(scene.size)
    free = (np.array(scene.size) - 1.1 * tall) / 2
    middle = np.array(scene.size) / 2 + np.array(scene.place) * np.maximum(free, 0)
    y, x = np.mgrid[:height, :width] - middle[:, None, None]
    turn = np.deg2rad(scene.angle)
    # In heights of the digit, from its middle
    down = (y * np.cos(turn) - x * np.sin(turn)) / tall
    right = (y * np.sin(turn) + x * np.cos(turn)) / tall
    rng = np.random.default_rng(scene.seed)
    grain = filters.gaussian(rng.standard_normal(scene.size, np.float32), 1.5) * 0.012
    page: Picture = np.array(scene.paper) + grain[..., None]
    if scene.rule:
        start = rng.uniform(0, scene.rule, 2)
        directions = [down, right] if scene.across else [down]
        for place, each in zip(start, directions, strict=False):
            offset = np.abs((each + place) % scene.rule - scene.rule / 2)
            page = _over(page, _edge(scene.rule_width / 2 - offset, tall), scene.rule_colour)
        if scene.margin:
            line = _edge(scene.rule_width / 2 - np.abs(right + 1.1 + place), tall)
            page = _over(page, line, (0.85, 0.4, 0.4))
    at = np.stack([down, right]) * 20 * _FINE + 14 * _FINE
    inked = transform.warp(digit, at, order=1)
    page = _over(page, inked * scene.opacity, scene.ink)
    if scene.table is not None:
        edges = rng.uniform(0.04, 0.14, 4) * min(scene.size)
        edges = np.where(rng.random(4) < 0.3, -height - width, edges)
        lean = rng.uniform(-0.04, 0.04, 4)
        rows, columns = np.mgrid[:height, :width]
        inside = np.minimum.reduce(
            [rows - edges[0] + lean[0] * columns, height - edges[1] - rows + lean[1] * columns,
             columns - edges[2] + lean[2] * rows, width - edges[3] - columns + lean[3] * rows]
        )  # fmt: skip
        wood = filters.gaussian(rng.standard_normal(scene.size, np.float32), (1, 25)) * 0.3
        off = np.clip(0.5 - inside, 0, 1)[..., None]
        page = page * (1 - off) + off * (np.array(scene.table) * (1 + wood[..., None]))
    return page


def _edge(distance: Picture, tall: float) -> Picture:
    """How far a pixel is inside, from 0 to 1, where `distance` is in heights of the digit."""
    inside: Picture = np.clip(distance * tall + 0.5, 0, 1)
    return inside


def _over(page: Picture, cover: Picture, colour: tuple[float, float, float]) -> Picture:
    covered: Picture = page * (1 - cover[..., None]) + np.array(colour) * cover[..., None]
    return covered


def _light(page: Picture, scene: Scene) -> Picture:
    """Light it from one side, and let shadows fall on it."""
    rng = np.random.default_rng([scene.seed, 1])
    height, width = scene.size
    y, x = np.mgrid[-1 : 1 : 1j * height, -1 : 1 : 1j * width]
    turn = rng.uniform(0, 2 * np.pi)
    along = (y * np.sin(turn) + x * np.cos(turn)) / np.sqrt(2)
    light = 1 - scene.fading * (along + 1) / 2
    if scene.shadow:
        turn, place = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)
        across = y * np.sin(turn) + x * np.cos(turn) - place
        dark = np.clip(across / (scene.shadow_softness + 1e-3) + 0.5, 0, 1)
        light *= 1 - scene.shadow * dark
    if scene.hand:
        # A palm and four fingers that come in from the lower right
        hand = np.zeros(scene.size)
        palm = rng.uniform([0.3, 0.3], [1.0, 1.0])
        hand[np.hypot(y - palm[0], x - palm[1]) < 0.45] = 1
        for finger in range(4):
            turn = np.deg2rad(rng.uniform(-4, 4) + 200 + 18 * finger)
            up, side = y - palm[0], x - palm[1]
            reach = up * np.sin(turn) + side * np.cos(turn)
            apart = np.abs(up * np.cos(turn) - side * np.sin(turn))
            hand[(apart < 0.07) & (reach > 0) & (reach < 0.9)] = 1
        soft = filters.gaussian(hand, min(scene.size) * rng.uniform(0.01, 0.04))
        light *= 1 - scene.hand * soft
    lit: Picture = page * light[..., None]
    return lit


def _develop(seen: Picture, scene: Scene) -> bytes:
    """Take the photo: focus, noise of the sensor, and JPEG."""
    rng = np.random.default_rng([scene.seed, 2])
    seen = filters.gaussian(seen, scene.blur, channel_axis=-1) if scene.blur else seen
    seen = seen + scene.noise * rng.standard_normal(seen.shape, np.float32)
    picture = Image.fromarray(np.clip(seen * 255, 0, 255).astype(np.uint8))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=scene.quality)
    return stream.getvalue()
