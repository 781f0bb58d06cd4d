"""The multiplications and additions that a multilayer perceptron cannot do without."""

from collections.abc import Sequence
from itertools import pairwise

from kit.data.digits import CLASSES, PIXELS

TRAINING_FORMULA = (
    "rows × 2 × (784 × *w* × 2 + *w* × 10 × 3) FLOP for one hidden layer of *w* units: "
    "activations and weight gradients in both layers, and the gradient that the second passes on"
)


def forward_flop(hidden: Sequence[int]) -> int:
    """FLOP of one image's logits, a multiplication and an addition for each weight."""
    return 2 * sum(_weights(hidden))


def training_flop(hidden: Sequence[int]) -> int:
    """FLOP of one image in a gradient step.

    Every weight is used three times: for the activations, for its own gradient, and for the
    gradient of what came in, which nobody asks of the first layer.
    """
    first, *others = _weights(hidden)
    return 2 * (2 * first + 3 * sum(others))


def _weights(hidden: Sequence[int]) -> list[int]:
    return [inputs * units for inputs, units in pairwise([PIXELS, *hidden, CLASSES])]
