import math
from typing import Any

import pytest
from pydantic import ValidationError

from kit.config import (
    MEMBER_NORMALIZATIONS,
    PRESETS,
    Augmentation,
    TrainConfig,
    make_config,
)
from kit.errors import UsageError

REMEDY = "Change this setting, in the options or in its file."
WRONG_NAME = "takes letters, digits, '.', '_' and '-', and does not begin with '.'"
WRONG_PRESET = "Input should be 'baseline', 'quick', 'tuned', 'best-mlp', 'cnn' or 'best'"
WRONG_INTEGER = "Input should be a valid integer"


def fault(given: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        make_config(given)
    assert caught.value.exit_code == 2
    return caught.value.what, caught.value.remedy


def test_baseline_is_the_labs_base_program() -> None:
    # From the lab: Dense 800 ReLU, normal-initialised kernels, plain SGD at Keras's default rate,
    # 0.01, batch 200, 100 epochs, validation on the last 20%, seed 42
    assert make_config({"preset": "baseline"}) == TrainConfig(
        source="keras",
        data=None,
        preset="baseline",
        name="baseline",
        epochs=100,
        batch_size=200,
        hidden=(800,),
        kernel_initializer="random_normal",
        batch_normalization=False,
        dropout=0.0,
        augmentation=None,
        label_smoothing=0.0,
        optimizer="sgd",
        learning_rate=0.01,
        schedule="constant",
        weight_decay=0.0,
        split="last",
        validation_fraction=0.2,
        patience=None,
        seed=42,
        split_seed=None,
        views=1,
    )


def test_tuned_is_the_default() -> None:
    assert make_config({}) == make_config({"preset": "tuned"})
    assert make_config({}).name == "tuned"
    assert make_config({}).split == "stratified"


def test_given_wins_over_preset_and_preset_over_default() -> None:
    config = make_config({"preset": "baseline", "epochs": 3, "seed": 7})
    assert config.epochs == 3
    assert config.seed == 7
    assert config.batch_size == 200
    assert config.split == "last"
    assert TrainConfig.model_fields["split"].default == "stratified"
    assert config.schedule == TrainConfig.model_fields["schedule"].default == "constant"


def test_what_is_given_wins_even_where_it_is_nothing() -> None:
    config = make_config({"augmentation": None, "weight_decay": 0, "validation_fraction": 0})
    assert config.augmentation is None
    assert (config.weight_decay, config.validation_fraction) == (0.0, 0.0)


def test_part_of_an_augmentation_is_completed_with_defaults() -> None:
    config = make_config({"preset": "baseline", "augmentation": {"rotation": 3}})
    assert config.augmentation == Augmentation(rotation=3.0)
    assert config.augmentation.shift == 1.2


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("source", "mnist", "Input should be 'keras' or 'kaggle'"),
        ("data", 3, "Input is not a valid path for <class 'pathlib.Path'>"),
        ("preset", "huge", WRONG_PRESET),
        ("preset", None, WRONG_PRESET),
        ("preset", ["tuned"], WRONG_PRESET),
        ("name", "a/b", WRONG_NAME),
        ("name", "", WRONG_NAME),
        ("name", ".hidden", WRONG_NAME),
        ("name", "two\nlines", WRONG_NAME),
        ("name", "x" * 101, WRONG_NAME),
        ("epochs", 0, "Input should be greater than 0"),
        ("epochs", 1.5, f"{WRONG_INTEGER}, got a number with a fractional part"),
        ("epochs", "many", f"{WRONG_INTEGER}, unable to parse string as an integer"),
        ("batch_size", -1, "Input should be greater than 0"),
        ("hidden", 800, "Input should be a valid tuple"),
        (
            "kernel_initializer",
            "zeros",
            "Input should be 'random_normal', 'glorot_uniform' or 'he_normal'",
        ),
        ("dropout", 1, "Input should be less than 1"),
        ("label_smoothing", -0.1, "Input should be greater than or equal to 0"),
        ("optimizer", "lion", "Input should be 'sgd', 'adam' or 'adamw'"),
        ("learning_rate", 0, "Input should be greater than 0"),
        ("learning_rate", math.nan, "Input should be a finite number"),
        ("learning_rate", math.inf, "Input should be a finite number"),
        ("weight_decay", math.inf, "Input should be a finite number"),
        ("schedule", "step", "Input should be 'constant' or 'one_cycle'"),
        ("split", "first", "Input should be 'stratified' or 'last'"),
        ("validation_fraction", 1, "Input should be less than 1"),
        ("validation_fraction", -0.1, "Input should be greater than or equal to 0"),
        ("patience", 0, "Input should be greater than 0"),
        ("seed", -1, "Input should be greater than or equal to 0"),
        ("seed", 2**32, "Input should be less than 4294967296"),
        ("split_seed", -1, "Input should be greater than or equal to 0"),
        ("views", 0, "Input should be greater than or equal to 1"),
        ("views", 100, "Input should be less than or equal to 99"),
    ],
)
def test_wrong_setting_is_named_with_what_was_found(
    setting: str, value: object, expected: str
) -> None:
    assert fault({setting: value}) == (f"{setting}: {expected}, found {value!r}.", REMEDY)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("rotation", 181, "Input should be less than or equal to 180"),
        ("displacement", math.nan, "Input should be a finite number"),
        ("smoothness", 0.05, "Input should be greater than or equal to 1"),
    ],
)
def test_wrong_augmentation_is_named(setting: str, value: float, expected: str) -> None:
    what = f"augmentation.{setting}: {expected}, found {value!r}."
    assert fault({"augmentation": {setting: value}}) == (what, REMEDY)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("width", 3, "Input should be greater than or equal to 4"),
        ("width", 29, "Input should be less than or equal to 28"),
    ],
)
def test_wrong_normalization_is_named(setting: str, value: float, expected: str) -> None:
    what = f"normalization.0.{setting}: {expected}, found {value!r}."
    assert fault({"normalization": {setting: value}}) == (what, REMEDY)
    assert fault({"normalization": [{setting: value}]}) == (what, REMEDY)


def test_members_normalise_each_in_a_way_of_its_own() -> None:
    assert len(set(MEMBER_NORMALIZATIONS)) == len(MEMBER_NORMALIZATIONS) == 8
    # a network on its own does best with the first
    assert (MEMBER_NORMALIZATIONS[0],) == make_config({"preset": "quick"}).normalization


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"epoch": 3}, "epoch"),
        ({"augmentation": {"turn": 2}}, "augmentation.turn"),
        ({"normalization": {"tilt": True}}, "normalization.0.tilt"),
    ],
)
def test_an_unknown_setting_is_told_which_ones_there_are(
    given: dict[str, Any], setting: str
) -> None:
    what, remedy = fault(given)
    assert what == f"{setting}: the kit has no such setting."
    for known in (*TrainConfig.model_fields, *PRESETS):
        assert known in remedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32x5", (32, 5, 1, 1, "same")),
        ("64x3/2", (64, 3, 2, 1, "same")),
        ("128x3p2", (128, 3, 1, 2, "same")),
        ("8x28/14p2", (8, 28, 14, 2, "same")),
        ("32x3v", (32, 3, 1, 1, "valid")),
        ("32x5v/2p3", (32, 5, 2, 3, "valid")),
    ],
)
def test_a_convolution_is_read_from_text(text: str, expected: tuple[int | str, ...]) -> None:
    config = make_config({"preset": "cnn", "conv": [text]})
    (conv,) = config.conv
    assert tuple(conv.model_dump().values()) == expected
    assert make_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("text", ["32", "32x", "32x29", "0x3", "32x3/0", "32x3p0", "32X3", "32vx3"])
def test_a_wrong_convolution_is_named(text: str) -> None:
    what, _ = fault({"preset": "cnn", "conv": ["32x5/2", text]})
    assert what.startswith("conv.1")


def test_a_kernel_without_padding_fits_into_its_maps() -> None:
    # 28, then 24 by 24 in squares of 4, then 6 less 4 in steps of 2
    fits = ["8x5vp4", "8x5v/2"]
    assert len(make_config({"preset": "cnn", "conv": [*fits, "8x1v"]}).conv) == 3
    what, _ = fault({"preset": "cnn", "conv": [*fits, "8x2v"]})
    assert what.startswith("conv: the kernel 2 does not fit into maps of 1")
    # With padding, any does
    assert len(make_config({"preset": "cnn", "conv": [*fits, "8x2"]}).conv) == 3


def test_a_network_has_a_hidden_layer_or_convolutions() -> None:
    assert "conv" in fault({"hidden": []})[0]
    assert make_config({"preset": "cnn", "hidden": []}).hidden == ()


def test_wrong_layer_is_named() -> None:
    assert fault({"hidden": [800, 0]}) == (
        "hidden.1: Input should be greater than 0, found 0.",
        REMEDY,
    )


def test_patience_without_validation_rows_is_refused() -> None:
    assert fault({"validation_fraction": 0, "patience": 3}) == (
        "patience needs validation rows: give a validation_fraction above 0.",
        REMEDY,
    )


def test_limits_themselves_are_taken() -> None:
    config = make_config({"seed": 2**32 - 1, "name": "a" * 100, "dropout": 0, "hidden": [1]})
    assert (config.seed, config.name, config.hidden) == (4_294_967_295, "a" * 100, (1,))


def test_configuration_cannot_be_changed() -> None:
    config = make_config({})
    with pytest.raises(ValidationError, match="frozen"):
        config.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_configuration_fills_itself_from_its_preset(preset: str) -> None:
    config = TrainConfig(preset=preset, epochs=3)  # type: ignore[call-arg,arg-type]
    assert config == make_config({"preset": preset, "epochs": 3})
    assert (config.name, config.epochs) == (preset, 3)
    assert config.hidden == PRESETS[preset]["hidden"]  # type: ignore[index]
