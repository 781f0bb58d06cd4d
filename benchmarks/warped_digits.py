"""Draw a dozen digits: as they are, normalised as `tuned` does, and warped four times each.

python -m benchmarks.warped_digits
"""

from pathlib import Path

import numpy as np

from kit.config import make_config
from kit.data.digits import SIDE
from kit.data.mnist import load_keras
from kit.training.backend import choose_backend, load_backend

PICTURE = Path(__file__).with_name("warped_digits.png")
DIGITS, TIMES, ZOOM = 12, 4, 3


def main() -> None:
    """Draw the picture."""
    choose_backend()
    load_backend()
    import keras
    from matplotlib import image

    from kit.training.augmentation import Warp, draw_noise
    from kit.training.normalization import Normalize

    config = make_config({"preset": "tuned"})
    assert config.augmentation is not None
    digits = load_keras().train.take(np.arange(DIGITS))
    normalised = Normalize(**config.normalization[0].model_dump())(digits.images)
    warp, rng = Warp(config.augmentation), np.random.default_rng(0)
    warped = [warp(normalised, draw_noise(DIGITS, rng)) for _ in range(TIMES)]
    rows = map(keras.ops.convert_to_numpy, [digits.images, normalised, *warped])
    lines = [np.hstack(list(row.reshape(-1, SIDE, SIDE))) for row in rows]
    sheet = np.kron(1 - np.vstack(lines), np.ones((ZOOM, ZOOM)))
    image.imsave(PICTURE, sheet, cmap="gray", vmin=0, vmax=1)


if __name__ == "__main__":
    main()
