"""A trained network with its normalisation and its views: images in, probabilities out."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import Augmentation, TrainConfig, make_config
from kit.data.digits import CLASSES, PIXELS, Digits
from kit.errors import DataError
from kit.files import naming
from kit.runs import MODEL, Run, members_of
from kit.training.augmentation import Warp, draw_noise
from kit.training.networks import build_network
from kit.training.normalization import Normalize
from kit.training.predictions import Probabilities, mean_probabilities

# Of all predictions, because each size would be compiled on its own: of a drawing, and of more
FEW, BATCH_SIZE = 10, 500
# The largest warp of a view
VIEW_WARP = Augmentation(rotation=3.6, scale=0.045, shear=0.045, shift=0.36, displacement=0.45)
_CLASSIFIER = "classifier"

Pixels = NDArray[np.uint8]


class Predictor:
    """Recognises digits, whatever layers its network has.

    >>> kit.Predictor.load(run).predict(data.test[:8]).shape
    (8, 10)

    Attributes:
        views: over how many slightly different views of each digit it averages, 1 or more.
        network: images to logits, which `fit` trains; None in a predictor that was loaded.
    """

    def __init__(self, classifier: keras.Model, config: TrainConfig, network: Any = None) -> None:
        """Put it together; `classifier` turns normalised images into probabilities."""
        self.views, self.network = config.views, network
        self._classifier = _compiled(classifier)
        self._ways = [Normalize(**each.model_dump()) for each in config.normalization]
        if self._ways:
            images = keras.Input((PIXELS,), name="images")
            normalised = keras.ops.stack([way(images) for way in self._ways], axis=1)
            self._normalizer = _compiled(keras.Model(images, normalised))

    @classmethod
    def build(cls, config: TrainConfig) -> Self:
        """Build an untrained predictor. The seed decides its initial weights."""
        # What an earlier training of this process compiled would stay in memory
        keras.utils.clear_session()
        network = build_network(config)
        images = keras.Input((PIXELS,), name="images")
        probabilities = keras.layers.Softmax(name="probabilities")(network(images))
        classifier = keras.Model(images, probabilities, name=_CLASSIFIER)
        return cls(classifier, config, network)

    @staticmethod
    def load(run: Run | Path | str) -> "Predictor | CommitteePredictor":
        """Load the predictor of a complete run or of its folder; a committee loads its members.

        Raises:
            DataError: a model, a member or a record is missing or broken.
        """
        run = run if isinstance(run, Run) else Run(Path(run))
        if "committee" in run.config:
            return CommitteePredictor([Predictor.load(member) for member in members_of(run)])
        path = run.folder / MODEL
        try:
            model = keras.models.load_model(path, compile=False)
            # Before format 2, `model.keras` expected images that were normalised already
            classifier = model.get_layer(_CLASSIFIER) if "format" in run.config else model
        except Exception as error:
            # Keras raises all kinds of exceptions for a missing or broken file
            reason = (str(error) or repr(error)).strip().partition("\n")[0]
            raise DataError(
                f"{path}: not a model that the kit can load ({reason}).",
                "Put the file back, or train again. If a newer Keras saved it, update Keras "
                f"(this is {keras.__version__}).",
            ) from error
        return Predictor(classifier, make_config(run.settings))

    def save(self, path: Path) -> None:
        """Save what predicts one view: raw float32 (n, 784) in [0, 1] to (n, 10) probabilities.

        Raises:
            OSError: the file cannot be written.
        """
        images = keras.Input((PIXELS,), name="images")
        parts = [self._classifier(way(images)) for way in self._ways] or [self._classifier(images)]
        mean = keras.layers.Average()(parts) if len(parts) > 1 else parts[0]
        model = keras.Model(images, mean, name="predictor")
        with naming(path):
            model.save(path)

    @property
    def n_parameters(self) -> int:
        """How many weights training changes."""
        return int(sum(np.prod(weight.shape) for weight in self._classifier.trainable_weights))

    def normalize(self, pixels: Pixels) -> Pixels | NDArray[np.float32]:
        """Normalise uint8 (n, 784) in k ways: float32 (n * k, 784) in [0, 1], or do nothing.

        The k ways of a digit follow each other.
        """
        if not self._ways or not len(pixels):
            return pixels
        return _in_batches(self._normalizer, pixels).reshape(-1, PIXELS)

    def predict(self, digits: Digits) -> Probabilities:
        """Predict the class probabilities of each digit: float32 (n, 10), rows that sum to 1.

        They are averaged over the views of each normalisation of each digit.
        """
        matrices = view_matrices(self.views)
        if not len(digits):
            return np.zeros((0, CLASSES), np.float32)
        images = self.normalize(digits.pixels)
        if len(matrices) == 1:
            probabilities = _in_batches(self._classifier, images)
        else:
            probabilities = np.zeros((len(images), CLASSES), np.float32)
            for matrix in matrices:
                probabilities += _in_batches(self._view_classifier, images, matrix)
        probabilities /= np.float32(len(matrices))
        mean: Probabilities = probabilities.reshape(len(digits), -1, CLASSES).mean(axis=1)
        return mean

    @functools.cached_property
    def _view_classifier(self) -> keras.Model:
        images = keras.Input((PIXELS,), name="images")
        matrix = keras.Input(batch_shape=(PIXELS, PIXELS), name="matrix")
        view = keras.ops.matmul(images, matrix)
        return _compiled(keras.Model([images, matrix], self._classifier(view)))


class CommitteePredictor:
    """Averages the probabilities of its members, each with its own normalisation and views."""

    def __init__(self, members: Sequence["Predictor | CommitteePredictor"]) -> None:
        self.members = members

    def predict(self, digits: Digits) -> Probabilities:
        """Predict the mean of the members' probabilities: float32 (n, 10), rows that sum to 1."""
        return mean_probabilities([member.predict(digits) for member in self.members])


@functools.cache
def view_matrices(views: int) -> tuple[NDArray[np.float32], ...]:
    """Return float32 (784, 784) matrices that make views of images; the first changes nothing.

    The others are slight warps, always the same ones. They come in pairs of opposite directions, so
    that on average a digit stays where it was. A warp is linear in the pixels. So the warps of
    images with a single pixel of ink are the rows of its matrix.
    """
    noise = draw_noise(views // 2, np.random.default_rng(0))
    warp, pixels = Warp(VIEW_WARP), np.eye(PIXELS, dtype=np.float32)
    matrices = [pixels]
    for row in np.stack([noise, -noise], axis=1).reshape(-1, noise.shape[1])[: views - 1]:
        warped = warp(pixels, np.tile(row, (PIXELS, 1)))
        matrices.append(keras.ops.convert_to_numpy(warped))
    return tuple(matrices)


def _compiled(model: keras.Model) -> keras.Model:
    # As in training: on a CPU, TensorFlow without XLA takes twice as long
    model.jit_compile = keras.backend.backend() != "torch"
    return model


def _in_batches(
    model: keras.Model, images: Pixels | NDArray[np.float32], *more: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Call a model on images, (n, 784) with n at least 1; blanks fill up the last batch."""
    parts, size = [], FEW if len(images) <= FEW else BATCH_SIZE
    for first in range(0, len(images), size):
        part = images[first : first + size]
        batch = np.zeros((size, PIXELS), np.float32)
        scale = np.float32(255 if part.dtype == np.uint8 else 1)
        np.divide(part, scale, out=batch[: len(part)])
        predicted = model.predict_on_batch([batch, *more] if more else batch)
        parts.append(np.asarray(predicted, np.float32)[: len(part)])
    return np.concatenate(parts)
