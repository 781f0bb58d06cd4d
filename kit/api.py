"""Training, predicting and submitting from Python: the same functions as the commands call."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import ArrayLike

from kit.cli.app import resume_command
from kit.cli.output import note
from kit.cli.progress import judging_clock, note_retry, training_bar
from kit.config import TrainConfig
from kit.data.digits import Digits, Source, as_digits
from kit.errors import UsageError
from kit.runs import Run
from kit.training.callback import Callback
from kit.training.committee import plan_training, train_plan
from kit.training.predictions import Probabilities

if TYPE_CHECKING:
    from kit.kaggle.receipt import Attempt


def train(
    data: Source | TrainConfig,
    submissions: Path | str = "submissions",
    callback: Callback | None = None,
    *,
    members: int | None = None,
    folds: int | None = None,
    **settings: Any,
) -> Run:
    """Train a network, and return its run, with its predictions and its submission.

    >>> data = kit.load_kaggle()
    >>> run = kit.train(data, preset="quick", epochs=3)

    Args:
        data: what `load_kaggle` or `load_keras` returned; or a `TrainConfig` with all settings.
        submissions: the folder of the runs.
        callback: told about the progress; without one, a bar shows it.
        members: train so many runs that differ, and return their committee.
        folds: train so many, each without another part of the rows, and return their committee.
        settings: the preset, by default `tuned`, and fields of `TrainConfig` that differ from it.

    Raises:
        UsageError: a setting is unknown, out of range, or does not fit another.
        DataError: a file of digits is missing or wrong.
        TrainingError: the training has diverged, or ran out of memory.
    """
    if isinstance(data, Source):
        given = {**settings, "source": data.name, "data": data.path}
        plan, source = plan_training(given, members, folds), data
    elif isinstance(data, TrainConfig) and not (settings or members or folds):
        plan, source = [data], None
    else:
        what = f"train: expected digits with settings, or a TrainConfig alone, found {type(data)}."
        raise UsageError(what, 'Write: kit.train(kit.load_kaggle(), preset="quick")')
    submissions = Path(submissions)
    if callback is not None:
        return train_plan(plan, submissions, callback, source)
    with training_bar(resume_command(submissions)) as bar:
        return train_plan(plan, submissions, bar, source)


def predict(run: Run, images: Digits | ArrayLike) -> Probabilities:
    """Predict the probabilities of the ten digits: float32 (n, 10), rows that sum to 1.

    >>> kit.predict(run, data.test[:8]).argmax(axis=1)  # the likeliest digits
    array([...])

    `images` are digits, or an array or a table (n, 784), (n, 28, 28) or (28, 28) of integers from 0
    for paper to 255 for ink, or of floats from 0 to 1. Each call loads the network;
    `kit.Predictor.load(run)` keeps it.

    Raises:
        DataError: the images have another form, or the run's files are broken.
    """
    digits = images if isinstance(images, Digits) else as_digits(images)
    from kit import Predictor

    return Predictor.load(run).predict(digits)


def submit(
    run: Run,
    message: str | None = None,
    *,
    allow_overlap: bool = False,
    again: bool = False,
    timeout: float = 600.0,
) -> "Attempt":
    """Submit a run to Kaggle without asking, wait for its score, and return the receipt.

    >>> kit.submit(run).public_score
    '0...'

    If it is interrupted and repeated, it still submits once. The `message` is by default the run's
    name and figures. `allow_overlap` sends a run that has trained on the images that it predicts,
    `again` one that was submitted before. It waits at most `timeout` seconds for the score.

    Raises:
        DataError, OverlapError, UsageError: the run cannot be submitted.
        CredentialsError, CompetitionError: Kaggle refused, or no submission is left today.
        NetworkError: the network failed, or there is no score yet.
    """
    from kit.cli.kaggle import check_accepted
    from kit.kaggle.client import Kaggle
    from kit.kaggle.entry import prepare_entry
    from kit.kaggle.submit import submit as submit_entry
    from kit.kaggle.submit import wait_for_score

    place, name = run.folder.parent, str(run.folder)
    entry = prepare_entry(place, name, message=message, allow_overlap=allow_overlap)
    kaggle = Kaggle(on_retry=note_retry)
    # None is only returned where somebody says no
    attempt = cast("Attempt", submit_entry(kaggle, entry, lambda _: True, note, again=again))
    if not attempt.is_judged:
        with judging_clock(attempt.ref):
            attempt = wait_for_score(kaggle, attempt, timeout)
    check_accepted(attempt, entry)
    return attempt
