"""What a training is asked to do: one frozen model, and the presets that fill it."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from kit.errors import UsageError


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name):
        raise ValueError("takes letters, digits, '.', '_' and '-', and does not begin with '.'")
    return name


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Augmentation(_Frozen):
    """How far digits are warped while training: each image in each epoch by a new random warp.

    Attributes:
        rotation: the largest rotation to either side, in degrees.
        scale: the largest change of height and of width, as a share.
        shear: the largest shift of x for each pixel of y, in pixels.
        shift: the largest shift up or down, and left or right, in pixels.
        displacement: root mean square of the elastic displacement of each axis, in pixels.
        smoothness: sd of the Gaussian that smooths the displacement, in pixels.
        final_strength: the strength of the last epoch; it is 1 in the first and falls linearly.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 10.0
    scale: Annotated[float, Field(ge=0, le=1)] = 0.1
    shear: Annotated[float, Field(ge=0, le=1)] = 0.1
    shift: Annotated[float, Field(ge=0, le=28)] = 1.2
    displacement: Annotated[float, Field(ge=0, le=28)] = 1.2
    # Displacement is drawn at a few knots. Below 1, the pixels between them would not move
    smoothness: Annotated[float, Field(ge=1, le=28)] = 5.0
    final_strength: Annotated[float, Field(ge=0, le=1)] = 0.3


class Convolution(_Frozen):
    """A layer of convolutions. In a command and in JSON also as text: `32x5/2`, `64x3vp2`.

    Attributes:
        filters: how many maps it makes.
        kernel: the side of its square kernel, in pixels.
        stride: its step in both directions, in pixels; after `/` in the text.
        pooling: the side of the squares whose largest value is kept; after `p` in the text.
        padding: `same` lays zeros around the maps, so a kernel reaches over their edge; `valid`
            does not, so the maps get smaller; `v` after the kernel in the text.
    """

    filters: PositiveInt
    kernel: Annotated[int, Field(ge=1, le=28)]
    stride: Annotated[int, Field(ge=1, le=28)] = 1
    pooling: Annotated[int, Field(ge=1, le=28)] = 1
    padding: Literal["same", "valid"] = "same"

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        parts = re.fullmatch(r"(\d{1,5})x(\d{1,2})(v?)(?:/(\d{1,2}))?(?:p(\d{1,2}))?", given)
        if parts is None:
            raise ValueError("write FILTERSxKERNEL, with v, /STRIDE or pPOOLING behind it: 32x5/2")
        filters, kernel, v, *rest = parts.groups()
        numbers = (int(part or 1) for part in (filters, kernel, *rest))
        padding = "valid" if v else "same"
        return {**dict(zip(cls.model_fields, numbers, strict=False)), "padding": padding}

    def side(self, before: int) -> int:
        """The side of its maps before pooling, in pixels, of the side that it is given.

        It is 0 or less where the kernel does not fit.
        """
        return -(-(before - (self.kernel - 1) * (self.padding == "valid")) // self.stride)


class Normalization(_Frozen):
    """What digits are brought to before a network sees them. By default they stay as they are.

    Attributes:
        width: the width that the ink is stretched to, in pixels, or None to leave it.
        slant: whether to take out the slant.
    """

    width: Annotated[int, Field(ge=4, le=28)] | None = None
    slant: bool = False


# The normalisations of a committee's members, in this order, then from the start again. Members
# whose digits look different make different mistakes, so small committees mix both, too.
MEMBER_NORMALIZATIONS = (
    Normalization(width=20, slant=True),
    Normalization(slant=True),
    Normalization(width=16, slant=True),
    Normalization(width=18),
    Normalization(width=14, slant=True),
    Normalization(),
    Normalization(width=18, slant=True),
    Normalization(width=14),
)


def _listed(given: Any) -> Any:
    # Older records and files of settings have one, or null
    return () if given is None else [given] if isinstance(given, dict | Normalization) else given


def describe_normalization(recorded: Any) -> str:
    """Put what a record has as `normalization` into a few words: "width 20, slant or as it is"."""
    words = []
    for each in _listed(recorded):
        ways = [f"width {each['width']}"] * bool(each["width"]) + ["slant"] * each["slant"]
        words.append(", ".join(ways) or "as it is")
    return " or ".join(words)


class TrainConfig(_Frozen):
    """Everything that decides what a training makes, on a given machine.

    Settings that are not given are filled from the preset.

    >>> kit.TrainConfig(preset="quick", epochs=3).hidden
    (512, 512)

    Attributes:
        source: where the digits come from.
        data: the folder or file to read them from, or None to look in the usual places.
        preset: where the settings that are not given come from.
        name: the last part of the run's name; the preset's name if not given.
        epochs: how often training passes over all its rows.
        batch_size: training rows in a gradient step.
        conv: the layers of convolutions before the hidden layers, first to last; none for an MLP.
        head: whether hidden layers see the pixels of all maps (`flatten`), or each map's `mean`.
        hidden: units of each hidden layer, first to last; there may be none after convolutions.
        kernel_initializer: Keras's name of the initializer, for every layer.
        batch_normalization: whether to normalise each hidden layer before its ReLU.
        dropout: share of units dropped after each hidden layer, in [0, 1).
        normalization: what digits are brought to before anything else; none leaves them. Of
            several, each image in each epoch gets a random one, validation while training takes
            the first, and predictions average over all.
        augmentation: how digits are warped while training, or None to leave them.
        label_smoothing: share of each label that is spread over all ten digits, in [0, 1).
        optimizer: Keras's name of the optimizer.
        learning_rate: the constant rate, or the highest one of `one_cycle`.
        schedule: `one_cycle` rises over the first tenth of the steps, then falls to 0 on a cosine.
        weight_decay: of kernels alone, decoupled from the gradient as in AdamW.
        split: whether the rows held out are `stratified` by label, or the `last`, as in the lab.
        validation_fraction: share of the rows held out, in [0, 1); 0 trains on every row.
        fold: which fold is held out instead, and of how many: (1, 5) to (5, 5), or None.
        patience: training stops after this many epochs without a better validation accuracy, and
            keeps the best epoch's weights. None never stops early and keeps the last epoch's.
        seed: seed of all random numbers: initial weights, order of rows, dropout, warps.
        split_seed: seed of the choice of the rows held out; None uses `seed`.
        views: how many views of each digit predictions are averaged over: the digit as it is, and
            others that are moved, turned and bent a little.
    """

    source: Literal["keras", "kaggle"] = "keras"
    data: Path | None = None
    preset: Literal["baseline", "quick", "tuned", "best-mlp", "cnn", "best"] = "tuned"
    name: Annotated[str, AfterValidator(_check_name)]
    epochs: PositiveInt
    batch_size: PositiveInt
    conv: tuple[Convolution, ...] = ()
    head: Literal["flatten", "mean"] = "flatten"
    hidden: tuple[PositiveInt, ...]
    kernel_initializer: Literal["random_normal", "glorot_uniform", "he_normal"] = "he_normal"
    batch_normalization: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    normalization: Annotated[tuple[Normalization, ...], BeforeValidator(_listed)] = ()
    augmentation: Augmentation | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: PositiveFloat
    schedule: Literal["constant", "one_cycle"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    split: Literal["stratified", "last"] = "stratified"
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    fold: tuple[PositiveInt, Annotated[int, Field(ge=2)]] | None = None
    patience: PositiveInt | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    views: Annotated[int, Field(ge=1, le=99)] = 1

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: dict[str, Any]) -> dict[str, Any]:
        preset = given.get("preset", "tuned")
        # With a preset that does not exist, that alone is the error, not each missing setting
        return {"name": preset, **PRESETS.get(str(preset), PRESETS["tuned"]), **given}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.hidden and not self.conv:
            raise ValueError("a network needs hidden layers, or conv")
        side = 28
        for conv in self.conv:
            if (now := conv.side(side)) < 1:
                raise ValueError(f"conv: the kernel {conv.kernel} does not fit into maps of {side}")
            side = -(-now // conv.pooling)
        if self.fold is not None and self.fold[0] > self.fold[1]:
            raise ValueError(f"fold: there is no fold {self.fold[0]} of {self.fold[1]}")
        if self.fold is not None and self.patience is not None:
            raise ValueError("patience would choose the best epoch by the fold that is held out")
        if self.patience is not None and self.validation_fraction == 0:
            raise ValueError("patience needs validation rows: give a validation_fraction above 0")
        return self


_UPRIGHT = Normalization(width=20, slant=True)
# One network that sees digits in three ways errs as rarely as the mean of two networks
_THREE_WAYS = (_UPRIGHT, Normalization(), Normalization(width=16, slant=True))
_STRONG = Augmentation(rotation=15, scale=0.2, shear=0.2, displacement=1.8, final_strength=0.5)
# What all but `baseline` have in common
_RECIPE: dict[str, Any] = {
    # Divides the training rows, 37,800 of Kaggle's and 54,000 of MNIST's, because a shorter last
    # batch would be compiled on its own
    "batch_size": 450,
    "batch_normalization": True,
    "normalization": (_UPRIGHT,),
    "augmentation": Augmentation(rotation=12, scale=0.15, shear=0.15, displacement=1.5),
    "label_smoothing": 0.02,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "schedule": "one_cycle",
    "weight_decay": 0.02,
    "validation_fraction": 0.1,
}

# What `cnn` and `best` have in common
_CONVOLUTIONS: dict[str, Any] = {
    **_RECIPE,
    # Divides 41,160 and 58,800 rows
    "batch_size": 294,
    "learning_rate": 6e-3,
    "augmentation": Augmentation(rotation=15, scale=0.2, shear=0.2, displacement=1.5),
    "validation_fraction": 0.02,
    "views": 9,
}

PRESETS: dict[str, dict[str, Any]] = {
    # The lab's base program: one hidden layer, plain SGD at Keras's default rate.
    "baseline": {
        "epochs": 100,
        "batch_size": 200,
        "hidden": (800,),
        "kernel_initializer": "random_normal",
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "split": "last",
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
        "normalization": _THREE_WAYS,
        "views": 5,
    },
    # An MLP with fewer mistakes. It holds out just enough rows to notice a failure
    "best-mlp": {
        **_RECIPE,
        "epochs": 120,
        # Divides 41,160 and 58,800 rows
        "batch_size": 490,
        "hidden": (2048, 1024, 512),
        "augmentation": _STRONG,
        "validation_fraction": 0.02,
        "views": 17,
    },
    # Convolutions see the same stroke in every place
    "cnn": {**_CONVOLUTIONS, "epochs": 60, "conv": ("32x5/2", "64x5/2"), "hidden": (256,)},
    # Fewer mistakes, in most of an hour. The first layers see the strokes on all pixels. Padding
    # would double the time, and gain nothing
    "best": {
        **_CONVOLUTIONS,
        "epochs": 34,
        "conv": ("32x3v", "32x3v", "32x5/2", "64x3v", "64x3v", "64x5/2"),
        "hidden": (128,),
        "normalization": _THREE_WAYS,
    },
}


# The members of the preset `committee`, first to last, each with why it is there. The counts are
# mistakes in 14,000 digits of networks that were trained a little longer: benchmarks/RECIPE.md
COMMITTEE: tuple[dict[str, Any], ...] = (
    # Small kernels, and the mean of each map: 51 alone
    {
        "preset": "cnn",
        "epochs": 45,
        "conv": ("32x3", "32x3/2", "64x3", "64x3/2", "128x3"),
        "head": "mean",
        "hidden": (),
    },
    # 52 alone, but a third of these are others: 48 with the first
    {"preset": "cnn", "epochs": 48},
    # No convolutions: 74 alone, but right in 11 of the 73 where both others are wrong
    {"preset": "tuned", "epochs": 40, "batch_size": 490, "validation_fraction": 0.02},
)

_SETTINGS = f"Settings are {', '.join(TrainConfig.model_fields)}; presets: {', '.join(PRESETS)}."


def make_config(given: dict[str, Any], data: Path | None = None) -> TrainConfig:
    """Complete the settings that somebody gave, from their preset and then from the defaults.

    If `data` is given, the digits are there, whatever the settings say.

    Raises:
        UsageError: a setting is unknown, out of range, or does not fit another.
    """
    given = given if data is None else {**given, "data": data}
    try:
        return TrainConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UsageError(f"{field}: the kit has no such setting.", _SETTINGS) from error
        found = f", found {first['input']!r}" if field else ""
        message = first["msg"].removeprefix("Value error, ")
        what = f"{field + ': ' if field else ''}{message}{found}."
        raise UsageError(what, "Change this setting, in the options or in its file.") from error
