"""Digits in the terminal, drawn in half blocks: each character is two pixels."""

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import SIDE
from kit.errors import one_line

# A narrower terminal shows no pictures
NARROWEST = 80


def draw_digits(images: NDArray[np.uint8], captions: Sequence[str]) -> None:
    """Draw images, uint8 (n, 784), beside each other on stdout, each above its caption.

    Nothing is drawn where that is no terminal with colours, or one of fewer than 80 columns.
    """
    if not sys.stdout.isatty():
        return
    from rich.color import Color
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.color_system or console.no_color or console.width < NARROWEST:
        return
    beside = (console.width + 2) // (SIDE + 2)
    for first in range(0, len(images), beside):
        group = images[first : first + beside].reshape(-1, SIDE, SIDE)
        for y in range(0, SIDE, 2):
            line = Text()
            for image in group:
                for upper, lower in image[y : y + 2].T.tolist():
                    colours = (Color.from_rgb(grey, grey, grey) for grey in (upper, lower))
                    line.append("▀", Style.from_color(*colours))
                line.append("  ")
            line.rstrip()
            console.print(line)
        under = [Text(one_line(caption)) for caption in captions[first : first + beside]]
        for caption in under:
            caption.truncate(SIDE, overflow="ellipsis", pad=True)
        console.print(Text("  ").join(under))
