"""Pictures of studies, as PNG files."""

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna

# More of them side by side cannot be read
SLICES = 6


def draw_study(study: "optuna.Study", importances: dict[str, float], folder: Path) -> list[Path]:
    """Draw a study with Optuna's own plots, those that its trials are enough for.

    Args:
        study: what to draw.
        importances: of its hyperparameters, the most important first.
        folder: where the pictures go, each named after the study.

    Raises:
        OSError: a file cannot be written.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from optuna.visualization import matplotlib as plots

    plotted: dict[str, Callable[[Any], Any]] = {
        "history": plots.plot_optimization_history,
        "importances": plots.plot_param_importances,
        "slice": partial(plots.plot_slice, params=list(importances)[:SLICES] or None),
        "intermediate-values": plots.plot_intermediate_values,
    }
    paths = []
    for name, plot in plotted.items():
        with warnings.catch_warnings():
            # Each of these plots is called experimental
            warnings.simplefilter("ignore")
            try:
                drawn = plot(study)
            except (RuntimeError, ValueError):
                # Too few trials for it
                plt.close("all")
                continue
            axes = drawn if hasattr(drawn, "figure") else drawn.flat[0]
            _save(axes.figure, path := folder / f"{study.study_name}-{name}.png")
        plt.close("all")
        paths.append(path)
    return paths


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=120, bbox_inches="tight")
