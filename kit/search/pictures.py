"""Pictures of the lab's experiments and of studies, as PNG files."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.files import whole_file
from kit.search.tables import Table

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure

# More of them side by side cannot be read
SLICES = 6


def draw_experiment(table: Table, path: Path) -> None:
    """Draw accuracy and time against the value, or for `epochs` the learning curve.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    figure.suptitle(f"The lab's experiment on {table.experiment.changes}")
    if table.experiment.name == "epochs":
        _draw_curve(figure, table)
    else:
        _draw_values(figure, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=120)


def _draw_values(figure: "Figure", table: Table) -> None:
    values, changes = [row["value"] for row in table.rows], table.experiment.changes
    accuracy, time = figure.subplots(1, 2)
    for name in ("validation", "keras_test"):
        means = [100 * row[name] for row in table.rows]
        sds = [100 * (row[f"{name}_sd"] or 0) for row in table.rows]
        accuracy.errorbar(values, means, sds, marker="o", capsize=3, label=name.replace("_", " "))
    accuracy.set(xlabel=changes, ylabel="accuracy, % (mean ± sd over seeds)", xticks=values)
    accuracy.legend()
    means = [row["seconds"] for row in table.rows]
    sds = [row["seconds_sd"] or 0 for row in table.rows]
    time.errorbar(values, means, sds, marker="o", capsize=3, color="tab:green")
    time.set(xlabel=changes, ylabel="seconds in all", xticks=values, ylim=(0, None))


def _draw_curve(figure: "Figure", table: Table) -> None:
    axes = figure.subplots()
    epochs = [each["epoch"] for each in table.curve]
    axes.plot(epochs, [100 * each["accuracy"] for each in table.curve], label="training")
    validation = [100 * each["val_accuracy"] for each in table.curve]
    axes.plot(epochs, validation, label="validation")
    if table.best_epoch:
        label = f"validation no longer rises after epoch {table.best_epoch}"
        axes.axvline(table.best_epoch, linestyle="--", color="grey", label=label)
    keras_test = [100 * row["keras_test"] for row in table.rows]
    values = [row["value"] for row in table.rows]
    axes.plot(values, keras_test, "k^", label="keras test, mean over seeds")
    axes.set(xlabel="epoch", ylabel="accuracy, %")
    axes.legend()


def draw_study(study: "optuna.Study", importances: dict[str, float], folder: Path) -> list[Path]:
    """Draw a study as PNG files, without those for which it has too few trials.

    Args:
        study: what to draw.
        importances: of its hyperparameters, the most important first.
        folder: where the files go; their names begin with the study's.

    Raises:
        OSError: a file cannot be written.
    """
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
    if not any(trial.state.is_finished() and trial.values for trial in study.trials):
        return []
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
