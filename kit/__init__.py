"""The submission kit for Kaggle's Digit Recognizer competition.

From Python:

    import kit
    data = kit.load_kaggle()
    run = kit.train(data, preset="quick")
    probabilities = kit.predict(run, data.test[:8])
    kit.show_mistakes(run)

Each name is loaded when it is first used, so `import kit` loads neither TensorFlow nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.api import predict as predict
    from kit.api import submit as submit
    from kit.api import train as train
    from kit.config import TrainConfig as TrainConfig
    from kit.data.kaggle_csv import load_kaggle as load_kaggle
    from kit.data.mnist import load_keras as load_keras
    from kit.evaluation.figures import show_confusion as show_confusion
    from kit.evaluation.figures import show_mistakes as show_mistakes
    from kit.runs import Run as Run
    from kit.submission import check_submission as check_submission
    from kit.training.predictor import Predictor as Predictor

__version__ = "0.1.0"

_PLACES = {
    "load_keras": "kit.data.mnist",
    "load_kaggle": "kit.data.kaggle_csv",
    "TrainConfig": "kit.config",
    "train": "kit.api",
    "Run": "kit.runs",
    "predict": "kit.api",
    "Predictor": "kit.training.predictor",
    "show_mistakes": "kit.evaluation.figures",
    "show_confusion": "kit.evaluation.figures",
    "check_submission": "kit.submission",
    "submit": "kit.api",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'kit' has no attribute {name!r}")
    if name == "Predictor":
        # Keras is loaded without the notes that TensorFlow prints meanwhile
        from kit.training.backend import load_backend

        load_backend()
    value: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
