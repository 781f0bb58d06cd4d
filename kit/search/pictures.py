"""Pictures of experiments and studies, as PNG files."""

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.files import whole_file
from kit.search.tables import Row, Table, standstill

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna
    from matplotlib.figure import Figure

# More of them side by side cannot be read
SLICES = 6


def draw_experiment(table: Table, path: Path) -> None:
    """Draw accuracy and time against the value, or for `epochs` the learning curve.

    The curve is the first seed's, with the epoch from which validation accuracy no longer rises.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    if table.plan.experiment.name == "epochs":
        _draw_curve(figure, table)
    else:
        _draw_values(figure, table.rows, table.plan.experiment.changes)
    figure.suptitle(f"The lab's experiment on {table.plan.experiment.changes}")
    _save(figure, path)


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


def _draw_values(figure: "Figure", rows: list[Row], changes: str) -> None:
    values = [row.value for row in rows]
    accuracy, time = figure.subplots(1, 2)
    for name, spreads in (
        ("validation", [row.val_accuracy for row in rows]),
        ("test", [row.test_accuracy for row in rows]),
    ):
        means, sds = [100 * s.mean for s in spreads], [100 * (s.sd or 0) for s in spreads]
        accuracy.errorbar(values, means, sds, marker="o", capsize=3, label=name)
    accuracy.set(xlabel=changes, ylabel="accuracy, % (mean ± sd over seeds)", xticks=values)
    accuracy.legend()
    seconds = [row.seconds for row in rows]
    time.errorbar(values, [s.mean for s in seconds], [s.sd or 0 for s in seconds],
                  marker="o", capsize=3, color="tab:green")  # fmt: skip
    time.set(xlabel=changes, ylabel="seconds in all", xticks=values, ylim=(0, None))


def _draw_curve(figure: "Figure", table: Table) -> None:
    axes = figure.subplots()
    if table.histories:
        first = table.histories[0]
        epochs = [epoch.epoch for epoch in first.history]
        axes.plot(epochs, [100 * e.accuracy for e in first.history], label="training")
        axes.plot(epochs, [100 * (e.val_accuracy or 0) for e in first.history], label="validation")
        still = standstill(first)
        label = f"validation no longer rises after epoch {still}"
        axes.axvline(still, linestyle="--", color="grey", label=label)
    for row in table.rows:
        axes.plot(row.value, 100 * row.test_accuracy.mean, "k^")
    axes.plot([], [], "k^", label="test, mean over seeds")
    axes.set(xlabel="epoch", ylabel="accuracy, %")
    axes.legend()


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=120, bbox_inches="tight")
