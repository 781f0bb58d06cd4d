"""Pictures of the lab's experiments and of studies, as PNG files."""

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.files import whole_file
from kit.search.experiments import EXPERIMENTS

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure

# More of them side by side cannot be read
SLICES = 6


def draw_experiment(table: dict[str, Any], path: Path) -> None:
    """Draw accuracy and time against the value, or for `epochs` the learning curve.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    figure.suptitle(f"The lab's experiment on {EXPERIMENTS[table['name']][0]}")
    (_draw_curve if table["name"] == "epochs" else _draw_values)(figure, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=120)


def _draw_values(figure: "Figure", table: dict[str, Any]) -> None:
    values = [row["value"] for row in table["rows"]]
    accuracy, time = figure.subplots(1, 2)
    for axes, name, scale in (
        (accuracy, "validation", 100), (accuracy, "keras_test", 100), (time, "seconds", 1),
    ):  # fmt: skip
        means = [scale * row[name] for row in table["rows"]]
        sds = [scale * (row[f"{name}_sd"] or 0) for row in table["rows"]]
        axes.errorbar(values, means, sds, marker="o", capsize=3, label=name.replace("_", " "))
        axes.set(xlabel=EXPERIMENTS[table["name"]][0], xticks=values)
    accuracy.set(ylabel="accuracy, % (mean ± sd over seeds)")
    accuracy.legend()
    time.set(ylabel="seconds in all", ylim=(0, None))


def _draw_curve(figure: "Figure", table: dict[str, Any]) -> None:
    axes = figure.subplots()
    epochs = [each["epoch"] for each in table["curve"]]
    for label, name in (("training", "accuracy"), ("validation", "val_accuracy")):
        axes.plot(epochs, [100 * each[name] for each in table["curve"]], label=label)
    if best := table["no_longer_rises_after"]:
        label = f"validation no longer rises after epoch {best}"
        axes.axvline(best, linestyle="--", color="grey", label=label)
    keras_test = [100 * row["keras_test"] for row in table["rows"]]
    values = [row["value"] for row in table["rows"]]
    axes.plot(values, keras_test, "k^", label="keras test, mean over seeds")
    axes.set(xlabel="epoch", ylabel="accuracy, %")
    axes.legend()


def draw_study(study: "optuna.Study", importances: dict[str, float], folder: Path) -> list[Path]:
    """Draw a study as PNG files named after it, without those for which it has too few trials.

    Args:
        study: what to draw.
        importances: of its hyperparameters, the most important first.
        folder: where the files go.

    Raises:
        OSError: a file cannot be written.
    """
    if not any(trial.state.is_finished() and trial.values for trial in study.trials):
        return []
    import matplotlib as mpl
    import optuna

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
        # Each of these plots is called experimental, and raises where there are too few trials
        with warnings.catch_warnings(), contextlib.suppress(RuntimeError, ValueError):
            warnings.simplefilter("ignore")
            plot()
            with whole_file(path) as stream:
                plt.savefig(stream, format="png", dpi=120, bbox_inches="tight")
            paths.append(path)
        plt.close("all")
    return paths
