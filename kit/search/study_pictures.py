"""Pictures of a study, drawn by Optuna."""

import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import optuna

from kit.files import whole_file

# More of them side by side cannot be read
SLICES = 6


def draw_study(study: optuna.Study, importances: dict[str, float], folder: Path) -> list[Path]:
    """Draw a study as PNG files, without those for which it has too few trials.

    Args:
        study: what to draw.
        importances: of its hyperparameters, the most important first.
        folder: where the files go; their names begin with the study's.

    Raises:
        OSError: a file cannot be written.
    """
    mpl.use("agg")
    from matplotlib import pyplot as plt
    from optuna.visualization import matplotlib as plots

    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    slices = list(importances)[:SLICES] or None
    plotted: dict[str, Any] = {
        "history": lambda: plots.plot_optimization_history(study),
        "importances": lambda: plots.plot_param_importances(study, evaluator=evaluator),
        "slice": lambda: plots.plot_slice(study, params=slices),
        "intermediate-values": lambda: plots.plot_intermediate_values(study),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, plot in plotted.items():
        path = folder / f"{study.study_name}-{name}.png"
        # Each of these plots is called experimental
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plot()
                with whole_file(path) as stream:
                    plt.savefig(stream, format="png", dpi=120, bbox_inches="tight")
                paths.append(path)
            except (RuntimeError, ValueError):
                # Too few trials
                continue
            finally:
                plt.close("all")
    return paths
