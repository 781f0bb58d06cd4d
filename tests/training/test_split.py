import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits, Source
from kit.errors import UsageError
from kit.training.dataset import split_digits


def config(fraction: float, split: str = "stratified", seed: int = 42) -> TrainConfig:
    return make_config({"validation_fraction": fraction, "split": split, "seed": seed})


def split_labels(
    labels: NDArray[np.int64], config: TrainConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split digits with these labels, all of whose images differ."""
    pixels = np.arange(len(labels), dtype=np.uint64)[:, None].view(np.uint8)
    return split_digits(Digits(pixels, labels, "different"), config)


def assert_split(training: NDArray[np.int64], validation: NDArray[np.int64], n: int) -> None:
    for rows in (training, validation):
        assert rows.tolist() == sorted(set(rows.tolist()))
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(n))


def test_last_holds_out_what_keras_does(mnist: Source) -> None:
    labels = mnist.train.labels
    assert labels is not None
    # The lab: validation on the last 20% of the 60,000 rows
    training, validation = split_labels(labels, config(0.2, "last"))
    np.testing.assert_array_equal(training, np.arange(48_000))
    np.testing.assert_array_equal(validation, np.arange(48_000, 60_000))


@pytest.mark.parametrize(
    ("n", "fraction", "kept"), [(10, 0.25, 7), (10, 0.1, 9), (7, 0.5, 3), (5, 0, 5)]
)
def test_last_keeps_the_floor_of_the_rest(n: int, fraction: float, kept: int) -> None:
    # As keras.src.trainers.data_adapters.data_adapter_utils.train_validation_split does
    training, validation = split_labels(np.zeros(n, np.int64), config(fraction, "last"))
    assert training.tolist() == list(range(kept))
    assert validation.tolist() == list(range(kept, n))


@settings(max_examples=200)
@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=300),
    fraction=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
)
def test_stratified_gives_each_digit_its_share(
    labels: list[int], fraction: float, seed: int
) -> None:
    digits = np.array(labels)
    try:
        training, validation = split_labels(digits, config(fraction, seed=seed))
    except UsageError:
        assert round(len(labels) * fraction) in (0, len(labels))
        return
    assert_split(training, validation, len(labels))
    assert len(validation) == round(len(labels) * fraction)
    held_out = len(validation) / len(labels)
    for digit in range(10):
        share = np.count_nonzero(digits[validation] == digit)
        assert abs(share - np.count_nonzero(digits == digit) * held_out) < 1


def test_every_row_may_be_held_out() -> None:
    labels = np.repeat(np.arange(10), 5)
    held_out = [
        set(split_labels(labels, config(0.2, seed=seed))[1].tolist()) for seed in range(100)
    ]
    assert set.union(*held_out) == set(range(50))


def test_seed_decides_which_rows_are_held_out(mnist: Source) -> None:
    labels = mnist.train.labels
    assert labels is not None
    first, again, other = (split_labels(labels, config(0.1, seed=seed))[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    # Two random tenths share a tenth of their rows
    assert 450 < len(np.intersect1d(first, other)) < 750


def test_fraction_of_nothing_trains_on_every_row() -> None:
    for kind in ("stratified", "last"):
        training, validation = split_labels(np.arange(10), config(0, kind))
        assert training.tolist() == list(range(10))
        assert validation.tolist() == []


@pytest.mark.parametrize("kind", ["stratified", "last"])
def test_split_seed_holds_the_same_rows_out_for_every_seed(kind: str, mnist: Source) -> None:
    labels = mnist.train.labels
    assert labels is not None
    by_seed = split_labels(labels, config(0.1, kind, seed=7))
    for seed in (7, 8):
        given = config(0.1, kind, seed=seed).model_copy(update={"split_seed": 7})
        for rows, expected in zip(split_labels(labels, given), by_seed, strict=True):
            np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize(
    ("n", "fraction", "left"), [(1, 0.9, (0, 1)), (3, 0.1, (3, 0)), (0, 0.0, (0, 0))]
)
def test_a_split_that_leaves_nothing_is_refused(
    n: int, fraction: float, left: tuple[int, int], mnist: Source
) -> None:
    with pytest.raises(UsageError) as caught:
        split_digits(mnist.train.take(np.arange(n)), config(fraction))
    assert caught.value.what == (
        f"validation_fraction: {fraction} of {n} rows leaves "
        f"{left[0]} to train on and {left[1]} to validate on."
    )


@pytest.mark.parametrize("preset", ["quick", "tuned", "best-mlp", "cnn", "best"])
@pytest.mark.parametrize("rows", [42_000, 60_000])
def test_batches_divide_the_rows_that_are_trained_on(preset: str, rows: int) -> None:
    # A last, shorter one would be compiled on its own
    given_preset = make_config({"preset": preset})
    training, validation = split_labels(np.arange(rows) % 10, given_preset)
    assert len(validation) > 0
    assert len(training) % given_preset.batch_size == 0


@settings(max_examples=100)
@given(
    labels=st.lists(st.integers(0, 9), min_size=12, max_size=300),
    folds=st.integers(2, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_folds_hold_each_row_out_once_and_give_each_digit_its_share(
    labels: list[int], folds: int, seed: int
) -> None:
    given = np.array(labels)
    held_out = []
    for number in range(1, folds + 1):
        chosen = make_config({"fold": (number, folds), "seed": seed, "split": "last"})
        training, validation = split_labels(given, chosen)
        assert_split(training, validation, len(labels))
        for digit in range(10):
            share = np.count_nonzero(given == digit) / folds
            assert abs(np.count_nonzero(given[validation] == digit) - share) <= 1
        held_out += validation.tolist()
    assert sorted(held_out) == list(range(len(labels)))


@settings(max_examples=100)
@given(
    images=st.lists(st.integers(0, 30), min_size=4, max_size=120),
    fraction=st.floats(0.1, 0.6),
    kind=st.sampled_from(["stratified", "last", "fold"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equal_images_never_stand_on_both_sides(
    mnist: Source, images: list[int], fraction: float, kind: str, seed: int
) -> None:
    rows = np.array(images)
    # Some copies have another label
    labels = (rows + np.random.default_rng(seed).integers(0, 2, len(rows))) % 10
    digits = Digits(mnist.train.pixels[rows], labels, "copies")
    chosen = {"split": "last" if kind == "last" else "stratified", "seed": seed}
    chosen |= {"fold": (2, 3)} if kind == "fold" else {"validation_fraction": fraction}
    try:
        training, validation = split_digits(digits, make_config(chosen))
    except UsageError:
        # Too few different images for both sides
        assert len(set(images)) < 12 or kind == "last"
        return
    assert not set(rows[training]) & set(rows[validation])
    if kind == "last":
        # The rows held out are fixed; their twins leave the training rows
        assert validation.tolist() == list(range(int(len(rows) * (1 - fraction)), len(rows)))
        assert set(rows[training]) == set(images) - set(rows[validation])
        return
    assert sorted([*training, *validation]) == list(range(len(rows)))
    share = 1 / 3 if kind == "fold" else fraction
    # Of a fold, each digit may be a row off
    off = 10 if kind == "fold" else 1
    assert abs(len(set(rows[validation])) - share * len(set(images))) <= off


def test_the_labs_last_rows_stay_and_their_copies_are_not_trained_on(mnist: Source) -> None:
    # Ten of MNIST's last rows stand among its first, too
    rows = np.r_[59_990:60_000, 0:60_000]
    training, validation = split_digits(mnist.train.take(rows), make_config({"preset": "baseline"}))
    np.testing.assert_array_equal(validation, np.arange(48_008, 60_010))
    np.testing.assert_array_equal(training, np.arange(10, 48_008))


def test_without_copies_the_split_is_that_of_the_labels(mnist: Source) -> None:
    assert mnist.train.labels is not None
    for kind in ("stratified", "last"):
        chosen = config(0.1, kind, seed=7)
        for ours, plain in zip(
            split_digits(mnist.train, chosen), split_labels(mnist.train.labels, chosen), strict=True
        ):
            np.testing.assert_array_equal(ours, plain)
