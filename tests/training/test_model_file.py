"""`model.keras`: raw images in, the kit's own probabilities out, under each backend."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Source
from kit.errors import DataError
from kit.runs import MODEL, Run
from kit.training.backend import load_backend
from kit.training.callback import Callback
from kit.training.committee import train_plan

load_backend()

import keras  # noqa: E402

import kit.training.normalization  # noqa: E402, F401 - registers the layer that the file needs
from kit.training.predictor import Predictor  # noqa: E402

# What somebody does with the file alone: Keras, the import that the docs name, and raw images
ELSEWHERE = """
import sys
import keras
import numpy as np
import kit.training.normalization
model = keras.models.load_model(sys.argv[1])
images = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(images, batch_size=1000, verbose=0))
print(keras.backend.backend())
"""
WITHOUT_THE_KIT = """
import sys
sys.modules["kit"] = None
import keras
keras.models.load_model(sys.argv[1])
"""


@pytest.fixture(scope="module")
def run(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of convolutions and a hidden layer, with three normalizations and two views."""
    config = make_config(
        {"source": "kaggle", "data": small_kaggle, "conv": ("4x5/4", "8x3p2"), "hidden": (64,),
         "batch_size": 50, "epochs": 6, "views": 2, "augmentation": None}
    )  # fmt: skip
    assert len(config.normalization) == 3
    return train_plan([config], tmp_path_factory.mktemp("submissions"), Callback())


def one_view(run: Run, mnist: Source) -> NDArray[np.float32]:
    """What the kit predicts for one view of the Keras test split."""
    predictor = Predictor.load(run)
    assert isinstance(predictor, Predictor)
    predictor.views = 1
    return predictor.predict(mnist.test)


def test_the_file_and_the_kit_agree_on_the_keras_test_split(run: Run, mnist: Source) -> None:
    ours = one_view(run, mnist)
    model = keras.models.load_model(run.folder / MODEL)
    theirs = model.predict(mnist.test.images, batch_size=1000, verbose=0)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    assert np.mean(ours.argmax(axis=1) == mnist.test.labels) > 0.8
    # With its own views it predicts what the run has stored
    some = np.arange(1_000)
    with np.load(run.folder / "probabilities.npz") as file:
        stored = file["keras_test"][some]
    found = Predictor.load(run).predict(mnist.test.take(some))
    np.testing.assert_allclose(found, stored, atol=1e-5)


def test_the_same_file_serves_the_other_backend(run: Run, mnist: Source, tmp_path: Path) -> None:
    backend = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    np.save(tmp_path / "images.npy", mnist.test.images)
    ended = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, run.folder / MODEL, tmp_path / "images.npy",
         tmp_path / "found.npy"],
        env=os.environ | {"KERAS_BACKEND": backend, "XLA_FLAGS": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == backend
    ours = one_view(run, mnist)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), ours, atol=1e-3)


@pytest.mark.any_backend
def test_without_the_layer_keras_says_what_it_lacks(run: Run) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_KIT, run.folder / MODEL],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "'Normalize'" in ended.stderr
    assert "kit>Normalize" in ended.stderr


def test_a_model_that_is_missing_or_broken_is_bad_data(run: Run) -> None:
    path = run.folder / MODEL
    whole = path.read_bytes()
    try:
        for content in (whole[:1000], b"", None):
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            with pytest.raises(DataError, match=r"model\.keras") as raised:
                Predictor.load(run)
            assert raised.value.exit_code == 3
    finally:
        path.write_bytes(whole)
