"""Digits as strokes: points (x, y) in a box of 280."""

import math

Strokes = list[list[tuple[int, int]]]

ONE: Strokes = [[(150, 45), (135, 235)]]
SEVEN: Strokes = [[(75, 60), (205, 60), (125, 235)]]
ZERO: Strokes = [
    [
        (round(140 + 60 * math.sin(angle)), round(140 - 95 * math.cos(angle)))
        for angle in (math.tau * step / 24 for step in range(25))
    ]
]
DRAWN = {1: ONE, 7: SEVEN, 0: ZERO}
