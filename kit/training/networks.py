"""The networks that a configuration describes. Nothing outside this file knows their layers."""

from typing import Any

import keras

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, SIDE


def build_network(config: TrainConfig) -> keras.Sequential:
    """Build the untrained network: float32 (n, 784) in [0, 1] to float32 (n, 10) logits.

    The seed decides the initial weights.
    """
    keras.utils.set_random_seed(config.seed)
    kernel = {"kernel_initializer": config.kernel_initializer}
    # Batch normalisation adds a bias of its own
    options: dict[str, Any] = {**kernel, "use_bias": not config.batch_normalization}
    layers: list[keras.layers.Layer] = [keras.Input((PIXELS,), name="images")]
    if config.conv:
        layers.append(keras.layers.Reshape((SIDE, SIDE, 1)))
    for conv in config.conv:
        layers.append(
            keras.layers.Conv2D(conv.filters, conv.kernel, conv.stride, conv.padding, **options)
        )
        layers += _activation(config)
        if conv.pooling > 1:
            layers.append(keras.layers.MaxPooling2D(conv.pooling, padding="same"))
    if config.conv and config.head == "mean":
        layers.append(keras.layers.GlobalAveragePooling2D())
    elif config.conv:
        layers.append(keras.layers.Flatten())
    for units in config.hidden:
        layers.append(keras.layers.Dense(units, **options))
        layers += _activation(config)
        if config.dropout:
            layers.append(keras.layers.Dropout(config.dropout))
    layers.append(keras.layers.Dense(CLASSES, name="logits", **kernel))
    return keras.Sequential(layers, name="network")


def _activation(config: TrainConfig) -> list[keras.layers.Layer]:
    layers: list[keras.layers.Layer] = [keras.layers.ReLU()]
    if config.batch_normalization:
        layers.insert(0, keras.layers.BatchNormalization(momentum=0.9))
    return layers
