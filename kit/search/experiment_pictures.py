"""Pictures of the lab's experiments, as PNG files."""

from pathlib import Path
from typing import TYPE_CHECKING

from kit.files import whole_file
from kit.search.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
