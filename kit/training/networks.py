"""The networks that a configuration describes. Nothing outside this file knows their layers."""

import keras

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS


def build_network(config: TrainConfig) -> keras.Sequential:
    """Build the untrained network: float32 (n, 784) in [0, 1] to float32 (n, 10) logits.

    The seed decides the initial weights.
    """
    keras.utils.set_random_seed(config.seed)
    kernel = {"kernel_initializer": config.kernel_initializer}
    layers: list[keras.layers.Layer] = [keras.Input((PIXELS,), name="images")]
    for units in config.hidden:
        # Batch normalisation adds a bias of its own
        layers.append(keras.layers.Dense(units, use_bias=not config.batch_normalization, **kernel))
        if config.batch_normalization:
            layers.append(keras.layers.BatchNormalization(momentum=0.9))
        layers.append(keras.layers.ReLU())
        if config.dropout:
            layers.append(keras.layers.Dropout(config.dropout))
    layers.append(keras.layers.Dense(CLASSES, name="logits", **kernel))
    return keras.Sequential(layers, name="network")
