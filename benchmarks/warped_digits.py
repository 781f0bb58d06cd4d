"""A picture of a dozen digits: as they are, as `tuned` sees them, and warped four times each.

python -m benchmarks.warped_digits
"""

from pathlib import Path

import numpy as np

from kit.config import make_config
from kit.data.digits import SIDE
from kit.data.mnist import load_keras
from kit.training.backend import load_backend
from kit.training.normalization import normalise_digits

PICTURE = Path(__file__).with_name("warped_digits.png")
DIGITS, TIMES, ZOOM = 12, 4, 3


def main() -> None:
    """Draw it."""
    load_backend()
    import keras
    from matplotlib import image

    from kit.training.augmentation import Warp, draw_noise

    config = make_config({"preset": "tuned"})
    if config.augmentation is None:
        raise SystemExit("tuned warps nothing")
    digits = load_keras().train.take(np.arange(DIGITS))
    upright = normalise_digits(digits, config.normalization)
    warp, rng = Warp(config.augmentation), np.random.default_rng(0)
    rows = [digits.images, upright.images]
    for _ in range(TIMES):
        warped = warp(upright.images, draw_noise(DIGITS, rng))
        rows.append(keras.ops.convert_to_numpy(warped))
    lines = [np.hstack(list(row.reshape(-1, SIDE, SIDE))) for row in rows]
    sheet = np.kron(1 - np.vstack(lines), np.ones((ZOOM, ZOOM)))
    image.imsave(PICTURE, sheet, cmap="gray", vmin=0, vmax=1)


if __name__ == "__main__":
    main()
