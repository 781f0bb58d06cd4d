"""The multilayer perceptrons that a configuration describes."""

import keras

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS


def build_network(config: TrainConfig) -> keras.Sequential:
    """Build the untrained network: float32 (n, 784) in [0, 1] to float32 (n, 10) logits.

    The initial weights are the seed's.
    """
    keras.utils.set_random_seed(config.seed)
    layers: list[keras.layers.Layer] = [keras.Input((PIXELS,), name="images")]
    for units in config.hidden:
        # A batch normalisation adds a bias of its own
        layers.append(
            keras.layers.Dense(
                units,
                use_bias=not config.batch_normalization,
                kernel_initializer=config.kernel_initializer,
            )
        )
        if config.batch_normalization:
            layers.append(keras.layers.BatchNormalization(momentum=0.9))
        layers.append(keras.layers.ReLU())
        if config.dropout:
            layers.append(keras.layers.Dropout(config.dropout))
    layers.append(
        keras.layers.Dense(CLASSES, kernel_initializer=config.kernel_initializer, name="logits")
    )
    return keras.Sequential(layers, name="network")


def with_probabilities(network: keras.Sequential) -> keras.Sequential:
    """Put a softmax behind a network's logits: what a run saves and predicts with."""
    model = keras.Sequential(
        [
            keras.Input((PIXELS,), name="images"),
            *network.layers,
            keras.layers.Softmax(name="probabilities"),
        ]
    )
    # As in training: TensorFlow's own choice takes twice as long on a CPU
    model.jit_compile = keras.backend.backend() != "torch"
    return model
