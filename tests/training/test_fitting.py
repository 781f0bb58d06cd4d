from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits
from kit.errors import TrainingError
from kit.training.backend import load_backend
from kit.training.callback import Callback, Epoch, FitState
from kit.training.dataset import split_digits

load_backend()

import keras  # noqa: E402

from kit.training.fitting import draw_epoch, fit  # noqa: E402
from kit.training.learner import OneCycle  # noqa: E402
from kit.training.predictor import Predictor  # noqa: E402

Weights = list[NDArray[Any]]

# Its weights are so many that XLA may pack them
BASELINE = {"preset": "baseline", "hidden": [800], "batch_size": 64, "seed": 3}
TUNED = {
    "hidden": [16, 16],
    "epochs": 4,
    "batch_size": 80,
    "dropout": 0.1,
    "validation_fraction": 0.2,
    "seed": 3,
}
CNN = {**TUNED, "preset": "cnn", "conv": ["4x5/4", "8x3p2"], "head": "mean", "hidden": [16],
       "learning_rate": 2e-3}  # fmt: skip
PATIENT = {**BASELINE, "optimizer": "adam", "learning_rate": 0.01, "epochs": 12, "patience": 2}


class Recorder(Callback):
    """Remembers what it is told, and the state after each epoch."""

    def __init__(self) -> None:
        self.shares: list[tuple[int, float]] = []
        self.epochs: list[Epoch] = []
        self.states: list[FitState] = []

    def on_batches_end(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        assert set(logs) == {"loss", "accuracy"}
        self.shares.append((epoch, share))

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:
        self.epochs.append(epoch)
        self.states.append(state())


def train(
    config: TrainConfig,
    digits: Digits,
    callback: Callback | None = None,
    state: FitState | None = None,
) -> tuple[Predictor, list[Epoch]]:
    predictor = Predictor.build(config)
    assert digits.labels is not None
    rows = split_digits(digits, config)
    return predictor, fit(predictor, digits, rows, config, callback or Callback(), state)


def weights(predictor: Predictor) -> Weights:
    variables = predictor.network.variables
    return [keras.ops.convert_to_numpy(variable.value).copy() for variable in variables]


def untimed(history: list[Epoch]) -> list[dict[str, Any]]:
    return [{**asdict(epoch), "seconds": 0} for epoch in history]


def weights_differ(one: keras.Variable, two: keras.Variable) -> float:
    """The share of weights that differ."""
    values = keras.ops.convert_to_numpy(one.value) != keras.ops.convert_to_numpy(two.value)
    return float(np.mean(values))


def cross_entropy(probabilities: NDArray[np.float32], answers: NDArray[np.float64]) -> float:
    return float(-np.mean(np.sum(answers * np.log(probabilities.astype(np.float64)), axis=1)))


@dataclass
class Trained:
    """An uninterrupted training."""

    config: TrainConfig
    weights: Weights
    history: list[Epoch]
    recorder: Recorder


@pytest.fixture(scope="module", params=["patience", "tuned", "cnn"])
def trained(request: pytest.FixtureRequest, thousand_digits: Digits) -> Trained:
    kinds = {"patience": PATIENT, "tuned": TUNED, "cnn": CNN}
    config = make_config(kinds[request.param])
    recorder = Recorder()
    predictor, history = train(config, thousand_digits, recorder)
    return Trained(config, weights(predictor), history, recorder)


def test_resumed_training_ends_as_an_uninterrupted_one(
    trained: Trained, thousand_digits: Digits
) -> None:
    # What was kept after two epochs, while the training went on
    kept = trained.recorder.states[1]
    kept = replace(kept, history=list(kept.history))
    assert untimed(kept.history) == untimed(trained.history[:2])
    predictor, history = train(trained.config, thousand_digits, state=kept)
    assert untimed(history) == untimed(trained.history)
    for value, expected in zip(weights(predictor), trained.weights, strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("trained", ["patience"], indirect=True)
def test_resuming_a_finished_training_changes_nothing(
    trained: Trained, thousand_digits: Digits
) -> None:
    recorder = Recorder()
    state = trained.recorder.states[-1]
    predictor, history = train(trained.config, thousand_digits, recorder, state)
    assert history == trained.history
    assert (recorder.shares, recorder.epochs) == ([], [])
    for value, expected in zip(weights(predictor), trained.weights, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_state_is_a_copy_that_training_does_not_change(trained: Trained) -> None:
    first, second = trained.recorder.states[:2]
    assert (len(first.history), len(second.history)) == (1, 2)
    assert not np.array_equal(first.variables[0], second.variables[0])


def test_validation_figures_are_those_of_the_predictions(
    trained: Trained, thousand_digits: Digits
) -> None:
    config, history = trained.config, trained.history
    # Training validates in the first normalization alone
    first = config.model_copy(update={"normalization": config.normalization[:1], "views": 1})
    predictor = Predictor.build(first)
    for variable, value in zip(predictor.network.variables, trained.weights, strict=True):
        variable.assign(value)
    assert thousand_digits.labels is not None
    _, rows = split_digits(thousand_digits, config)
    assert len(rows) == 200
    probabilities = predictor.predict(thousand_digits.take(rows))
    labels = thousand_digits.labels[rows]
    # With patience the weights are those of the best epoch, else of the last one
    judged = history[-1]
    if config.patience:
        judged = max(history, key=lambda epoch: epoch.val_accuracy or 0)
    assert judged.val_accuracy == pytest.approx(np.mean(probabilities.argmax(axis=1) == labels))
    answers = np.eye(10)[labels] * (1 - config.label_smoothing) + config.label_smoothing / 10
    assert judged.val_loss == pytest.approx(cross_entropy(probabilities, answers), rel=1e-4)


def test_patience_stops_after_so_many_epochs_without_a_better_one(
    trained: Trained,
) -> None:
    config, history = trained.config, trained.history
    assert [epoch.epoch for epoch in history] == list(range(1, len(history) + 1))
    if config.patience is None:
        assert len(history) == config.epochs
        return
    accuracies = [epoch.val_accuracy or 0 for epoch in history]
    assert len(history) < config.epochs
    assert accuracies.index(max(accuracies)) == len(history) - 1 - config.patience


def test_another_seed_gives_other_weights() -> None:
    # That the same seed gives the same ones is what resuming is held to
    first, second = (
        Predictor.build(make_config({**BASELINE, "seed": seed})).network for seed in (3, 4)
    )
    for one, two in zip(first.layers, second.layers, strict=True):
        for ours, theirs in zip(one.weights[:1], two.weights[:1], strict=True):
            differ = weights_differ(ours, theirs)
            assert differ > 0.99


def test_baseline_learns_as_plain_keras_does(thousand_digits: Digits) -> None:
    config = make_config({**BASELINE, "epochs": 1})
    predictor, history = train(config, thousand_digits)
    # The lab's program, with the initial weights and the order of rows of the kit's
    plain = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(800, "relu", kernel_initializer="random_normal"),
            keras.layers.Dense(10, "softmax", kernel_initializer="random_normal"),
        ]
    )
    for variable, value in zip(
        plain.variables, Predictor.build(config).network.variables, strict=True
    ):
        variable.assign(value)
    plain.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    assert thousand_digits.labels is not None
    x, y = thousand_digits.images, np.eye(10)[thousand_digits.labels]
    order = np.random.default_rng((3, 0)).permutation(np.arange(800))
    told = plain.fit(
        x[order],
        y[order],
        batch_size=64,
        epochs=1,
        shuffle=False,
        validation_data=(x[800:], y[800:]),
        verbose=0,
    ).history
    (epoch,) = history
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert getattr(epoch, name) == pytest.approx(told[name][0], abs=1e-4)
    for ours, theirs in zip(weights(predictor), plain.variables, strict=True):
        np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs.value), atol=1e-5)


@pytest.mark.parametrize(("batch_size", "rows"), [(7, 100), (99, 100), (101, 100)])
def test_every_training_row_is_used_once_an_epoch(
    batch_size: int, rows: int, thousand_digits: Digits
) -> None:
    # At a rate that moves no weight, an epoch's figures are those of the initial network
    given = {**BASELINE, "batch_size": batch_size, "learning_rate": 1e-30, "epochs": 2}
    config = make_config({**given, "validation_fraction": 0})
    digits = thousand_digits.take(np.arange(rows))
    predictor, history = train(config, digits)
    probabilities = predictor.predict(digits)
    assert digits.labels is not None
    for epoch in history:
        assert epoch.accuracy * rows == pytest.approx(
            np.count_nonzero(probabilities.argmax(axis=1) == digits.labels), abs=1e-3
        )
        loss = cross_entropy(probabilities, np.eye(10)[digits.labels])
        assert epoch.loss == pytest.approx(loss, rel=1e-6)
        assert (epoch.val_loss, epoch.val_accuracy) == (None, None)


@pytest.mark.any_backend
def test_each_epoch_shows_each_digit_once_in_one_of_its_normalizations() -> None:
    ways = [{"width": 20}, {"width": 14}, {}]
    one, several = make_config({"normalization": ways[0]}), make_config({"normalization": ways})
    training = np.arange(0, 6000, 2)
    orders = []
    for epoch in (0, 1):
        rows = draw_epoch(several, epoch, training)["rows"]
        np.testing.assert_array_equal(np.sort(rows // 3), training)
        np.testing.assert_allclose(np.bincount(rows % 3), [1000] * 3, atol=100)
        np.testing.assert_array_equal(rows // 3, draw_epoch(one, epoch, training)["rows"])
        orders.append(rows)
    assert np.count_nonzero(orders[0] == orders[1]) < 10
    np.testing.assert_array_equal(draw_epoch(several, 1, training)["rows"], orders[1])


@pytest.mark.any_backend
def test_a_network_learns_from_all_its_normalizations(thousand_digits: Digits) -> None:
    assert thousand_digits.labels is not None
    ways: list[dict[str, int]] = [{"width": 28}, {"width": 8}]
    given = {"epochs": 12, "hidden": (64,), "batch_size": 100, "augmentation": None}
    accuracies = []
    for several in (ways, ways[:1]):
        config = make_config({**given, "normalization": several})
        predictor, rows = Predictor.build(config), split_digits(thousand_digits, config)
        fit(predictor, thousand_digits, rows, config, Callback())
        narrow = Predictor.build(make_config({**given, "normalization": ways[1]}))
        logits = predictor.network(narrow.normalize(thousand_digits.pixels))
        answers = keras.ops.convert_to_numpy(logits).argmax(axis=1)
        accuracies.append(np.mean(answers == thousand_digits.labels))
    assert accuracies[0] > accuracies[1] + 0.1
    assert accuracies[0] > 0.85


def test_one_cycle_rises_then_falls_to_nothing(
    trained: Trained,
) -> None:
    config, history = trained.config, trained.history
    rates = [epoch.learning_rate for epoch in history]
    if config.schedule == "constant":
        assert rates == pytest.approx([config.learning_rate] * len(history))
        return
    # 10 steps an epoch, 40 in all, 4 of them to warm up: a cosine over the other 36
    falling = [2e-3 * (1 + np.cos(np.pi * (10 * epoch - 4) / 36)) / 2 for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx(falling, rel=1e-4, abs=1e-9)


def test_a_callback_is_told_parts_of_epochs_in_order_and_each_epoch_once(trained: Trained) -> None:
    recorder = trained.recorder
    assert recorder.epochs == trained.history
    assert recorder.shares == sorted(set(recorder.shares))
    assert all(0 < share < 1 for _, share in recorder.shares)
    # Often enough for a bar to move, and not so often that it slows the training
    assert 5 <= len(recorder.shares) / len(recorder.epochs) <= 9


@pytest.mark.any_backend
@pytest.mark.parametrize(("rows", "parts"), [(800, 8), (590, 9), (310, 11), (30, 3), (9, 1)])
def test_the_bar_moves_whatever_the_number_of_batches(
    rows: int, parts: int, thousand_digits: Digits
) -> None:
    # 80 batches, 8 times 10; 59, a prime: 8 times 7, and 3; 31: 10 times 3, and 1; 3; less than one
    config = make_config({**BASELINE, "epochs": 1, "batch_size": 10, "validation_fraction": 0})
    recorder = Recorder()
    train(config, thousand_digits.take(np.arange(rows)), recorder)
    assert len(recorder.shares) == parts - 1
    assert recorder.shares == sorted(set(recorder.shares))
    assert len(recorder.epochs) == 1


def test_one_cycle_is_keras_s_cosine_after_a_line() -> None:
    ours = OneCycle(0.002, 50)
    theirs = keras.optimizers.schedules.CosineDecay(
        0.002 / 25, 45, warmup_target=0.002, warmup_steps=5
    )
    for step in range(52):
        assert float(ours(step)) == pytest.approx(float(theirs(step)), rel=1e-5, abs=1e-10)


@pytest.mark.any_backend
def test_digits_without_labels_are_refused(thousand_digits: Digits) -> None:
    config = make_config(BASELINE)
    unlabelled = Digits(thousand_digits.pixels, None, "a test")
    rows = (np.arange(800), np.arange(800, 1_000))
    with pytest.raises(ValueError, match="labels"):
        fit(Predictor.build(config), unlabelled, rows, config, Callback())


def test_a_training_that_diverges_fails(thousand_digits: Digits) -> None:
    recorder = Recorder()
    with pytest.raises(TrainingError, match="diverged") as raised:
        train(make_config({**BASELINE, "learning_rate": 1e30}), thousand_digits, recorder)
    assert raised.value.exit_code == 8
    assert recorder.epochs == []
