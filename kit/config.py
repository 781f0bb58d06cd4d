"""What a run was asked to do: one frozen model, and the presets that fill it."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from kit.errors import UsageError

Preset = Literal["baseline", "quick", "tuned", "best"]


def _check_name(name: str) -> str:
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if not name or len(name) > 100 or name.startswith(".") or not set(name) <= allowed:
        raise ValueError("takes letters, digits, '.', '_' and '-', and does not begin with '.'")
    return name


class Augmentation(BaseModel):
    """How far digits are warped, afresh for each image of each epoch, at full strength.

    Attributes:
        rotation: at most so many degrees to either side.
        scale: height and width change by at most this share, each on its own.
        shear: x shifts by at most this many pixels for each pixel of y.
        shift: at most so many pixels up or down, and left or right.
        displacement: root mean square of the elastic displacement of each axis, in pixels.
        smoothness: sd of the Gaussian that displacement is smoothed with, in pixels.
        final_strength: what the strength, 1 in the first epoch, has fallen to in the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rotation: Annotated[float, Field(ge=0, le=180)] = 10.0
    scale: Annotated[float, Field(ge=0, le=1)] = 0.1
    shear: Annotated[float, Field(ge=0, le=1)] = 0.1
    shift: Annotated[float, Field(ge=0, le=28)] = 1.2
    displacement: Annotated[float, Field(ge=0, le=28)] = 1.2
    # Far below it, the few knots that displacement is drawn at leave pixels between them untouched
    smoothness: Annotated[float, Field(ge=1, le=28)] = 5.0
    final_strength: Annotated[float, Field(ge=0, le=1)] = 0.3


class Normalization(BaseModel):
    """What digits are brought to before a network sees them.

    Attributes:
        width: the width that the ink is stretched to, in pixels, or None to leave it.
        slant: take out the slant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Annotated[int, Field(ge=4, le=28)] | None = None
    slant: bool = False


# Those of a committee's members, one after the other, then from the start again. Networks err the
# less alike the less alike their digits look, so that small committees, too, mix widths and slants.
MEMBER_NORMALIZATIONS: tuple[Normalization | None, ...] = (
    Normalization(width=20, slant=True),
    Normalization(slant=True),
    Normalization(width=16, slant=True),
    Normalization(width=18),
    Normalization(width=14, slant=True),
    None,
    Normalization(width=18, slant=True),
    Normalization(width=14),
)


class TrainConfig(BaseModel):
    """Everything that decides what a training makes, on a given machine.

    Attributes:
        source: where the digits come from.
        data: the folder or file to read them from, or None to look in the usual places.
        preset: what the values that nobody gave were taken from.
        name: the last part of the run's name.
        epochs: how often training passes over all its rows.
        batch_size: rows a gradient step.
        hidden: units of each hidden layer, first to last.
        kernel_initializer: Keras's name of it, for every layer.
        batch_normalization: normalise each hidden layer before its ReLU.
        dropout: share of units dropped after each hidden layer, in [0, 1).
        normalization: what digits are brought to before anything else, or None to leave them.
        augmentation: how digits are warped while training, or None to take them as they are.
        label_smoothing: share of each label that is spread over all ten digits, in [0, 1).
        optimizer: Keras's name of it.
        learning_rate: the constant rate, or the highest one of `one_cycle`.
        schedule: `one_cycle` rises over the first tenth of the steps, then falls to 0 on a cosine.
        weight_decay: of kernels alone, decoupled from the gradient as in AdamW.
        validation: the rows held out are `stratified` by label, or the `last`, as in the lab.
        validation_fraction: share of the rows held out, in [0, 1); 0 trains on every row.
        patience: epochs without a better validation accuracy until training stops, and the best
            epoch's weights are kept; None never stops early and keeps the last epoch's.
        seed: decides initial weights, order of rows, dropout, and warps.
        split_seed: decides which rows are held out; None leaves that to the seed.
        views: how many slightly different views of each digit predictions are averaged over: the
            digit as it is (1), and moved, turned and bent a little.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: Literal["keras", "kaggle"] = "keras"
    data: Path | None = None
    preset: Preset = "tuned"
    name: Annotated[str, AfterValidator(_check_name)]
    epochs: PositiveInt
    batch_size: PositiveInt
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    kernel_initializer: Literal["random_normal", "glorot_uniform", "he_normal"] = "he_normal"
    batch_normalization: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    normalization: Normalization | None = None
    augmentation: Augmentation | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: PositiveFloat
    schedule: Literal["constant", "one_cycle"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    validation: Literal["stratified", "last"] = "stratified"
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    patience: PositiveInt | None = None
    seed: Annotated[NonNegativeInt, Field(lt=2**32)] = 42
    split_seed: Annotated[NonNegativeInt, Field(lt=2**32)] | None = None
    views: Annotated[int, Field(ge=1, le=99)] = 1

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.patience is not None and self.validation_fraction == 0:
            raise ValueError("patience needs validation rows: give a validation_fraction above 0")
        return self


# What `quick`, `tuned` and `best` have in common, but for what they say otherwise.
_RECIPE: dict[str, Any] = {
    # Divides the rows trained on, 37,800 of Kaggle's and 54,000 of MNIST's: a last, shorter batch
    # would be compiled on its own
    "batch_size": 450,
    "batch_normalization": True,
    "normalization": Normalization(width=20, slant=True),
    "augmentation": Augmentation(
        rotation=12, scale=0.15, shear=0.15, displacement=1.5, final_strength=0.3
    ),
    "label_smoothing": 0.02,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "schedule": "one_cycle",
    "weight_decay": 0.02,
    "validation_fraction": 0.1,
}

PRESETS: dict[Preset, dict[str, Any]] = {
    # The lab's base program: one hidden layer, plain SGD at Keras's default rate.
    "baseline": {
        "epochs": 100,
        "batch_size": 200,
        "hidden": (800,),
        "kernel_initializer": "random_normal",
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "validation": "last",
        "validation_fraction": 0.2,
    },
    # How these were chosen, and what was set by hand: benchmarks/RECIPE.md
    "quick": {
        **_RECIPE,
        "epochs": 16,
        "batch_size": 300,
        "hidden": (512, 512),
        "augmentation": Augmentation(),
    },
    "tuned": {
        **_RECIPE,
        "epochs": 60,
        "hidden": (2048, 1024, 512),
        "views": 9,
    },
    # As long as it likes: what the members of a committee are worth waiting for. It holds out just
    # enough to tell whether something went wrong
    "best": {
        **_RECIPE,
        "epochs": 120,
        # Divides 41,160 and 58,800 rows
        "batch_size": 490,
        "hidden": (2048, 1024, 512),
        "augmentation": Augmentation(
            rotation=15, scale=0.2, shear=0.2, displacement=1.8, final_strength=0.5
        ),
        "validation_fraction": 0.02,
        "views": 17,
    },
}


SETTINGS = f"Settings are {', '.join(TrainConfig.model_fields)}; presets: {', '.join(PRESETS)}."


def make_config(given: dict[str, Any]) -> TrainConfig:
    """Complete the settings somebody gave: theirs win over their preset's, those over the defaults.

    Raises:
        UsageError: a setting is unknown, out of range, or at odds with another.
    """
    preset = given.get("preset", TrainConfig.model_fields["preset"].default)
    values = PRESETS[preset] if preset in tuple(PRESETS) else {}
    try:
        return TrainConfig.model_validate({"name": preset, **values, **given})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        found = f", found {first['input']!r}" if field else ""
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"{field + ': ' if field else ''}{message}{found}.",
            SETTINGS,
        ) from error


def parse_settings(text: str | bytes, origin: str) -> dict[str, Any]:
    """Take settings out of JSON text: an object of them, or a run's config.json.

    Args:
        text: the JSON.
        origin: what to call it in an error.

    Raises:
        UsageError: the text is no JSON object, or a committee's.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{origin}: not JSON ({error}).", SETTINGS) from error
    if isinstance(content, dict) and "committee" in content:
        raise UsageError(
            f"{origin}: a committee's, which has no settings of its own.",
            "Name the config.json of one of its members.",
        )
    settings = content.get("settings", content) if isinstance(content, dict) else None
    if not isinstance(settings, dict):
        raise UsageError(f"{origin}: expected a JSON object of settings.", SETTINGS)
    return settings
