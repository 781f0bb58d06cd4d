import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_kaggle import write_csv

from kit.config import TrainConfig, make_config
from kit.data.digits import Source
from kit.errors import DataError
from kit.search.experiments import (
    Laboratory,
    compare_with_base,
    make_table,
    plan,
)


def base_program(**given: Any) -> TrainConfig:
    """The lab's base program, with the settings that were given."""
    return make_config({"preset": "baseline", **given})


def ignore(_done: int, _total: int) -> None:
    """Watch nothing."""


def test_the_lab_s_values() -> None:
    base = base_program()
    assert [value for value, _ in plan("epochs", base, [], [42])] == [50, 75, 100, 125]
    assert [value for value, _ in plan("batch-size", base, [], [42])] == [50, 100, 200, 400]
    ((value, hidden),) = plan("hidden", base, [600], [7])
    assert (value, hidden.hidden, hidden.seed, hidden.epochs) == (600, (800, 600), 7, 100)
    units = plan("units", base, [30, 10, 30], [42, 43])
    assert [(config.hidden, config.seed) for _, config in units] == [
        ((10,), 42), ((10,), 43), ((30,), 42), ((30,), 43),
    ]  # fmt: skip


@pytest.mark.parametrize(("epochs", "values"), [(3, [1, 2, 3, 4]), (1, [1]), (8, [4, 6, 8, 10])])
def test_epochs_change_with_the_base_program(epochs: int, values: list[int]) -> None:
    pairs = plan("epochs", base_program(epochs=epochs), [], [42])
    assert [value for value, _ in pairs] == values


class Planner(Laboratory):
    """Says what would be trained."""

    def train(self, configs: Sequence[TrainConfig]) -> dict[TrainConfig, dict[str, Any]]:
        self.lengths: dict[Path, set[int]] = {}
        for config in configs:
            self.lengths.setdefault(self.path(config), set()).add(config.epochs)
        return {}


def test_all_experiments_together_need_twelve_trainings(tmp_path: Path) -> None:
    planner = Planner(tmp_path, 1, ignore)
    planner.run("all", base_program(), 1, [])
    assert len(planner.lengths) == 12
    # whichever experiment needs the base program first, it is trained for all of them
    for name in ("epochs", "batch-size"):
        planner.run(name, base_program(), 1, [])
        assert planner.lengths[planner.path(base_program())] == {50, 75, 100, 125}
    planner.run("units", base_program(), 1, [])
    assert planner.path(base_program()) not in planner.lengths


def test_a_file_is_named_by_what_its_training_depends_on(tmp_path: Path) -> None:
    laboratory = Laboratory(tmp_path, 1, ignore)
    base = base_program()
    path = laboratory.path(base)
    assert path.name.startswith("800-batch200-seed42-")
    for aside in ({"epochs": 7}, {"name": "other"}, {"views": 9}):
        assert laboratory.path(base.model_copy(update=aside)) == path
    for change in ({"seed": 43}, {"learning_rate": 0.02}, {"hidden": (800, 800)}):
        assert laboratory.path(base.model_copy(update=change)) != path


def found(epochs: int, keras_test: float, validation: tuple[float, ...] = ()) -> dict[str, Any]:
    """What `Laboratory.train` gives of a training that takes 2 s an epoch."""
    curve = validation or (keras_test + 0.1,) * epochs
    return {
        "parameters": 9,
        "history": [{"epoch": i, "val_accuracy": each} for i, each in enumerate(curve, start=1)],
        "validation": curve[-1],
        "keras_test": keras_test,
        "seconds": 2.0 * epochs,
        "seconds_per_epoch": 2.0,
        "right": np.arange(100) < 100 * keras_test,
    }


def test_a_row_sums_up_a_value_over_its_seeds() -> None:
    base = base_program(epochs=4)
    units = plan("units", base, [10, 20, 30], [42, 43])
    (_, first_seed), (_, second_seed), _, (_, other_value), *_ = units
    done = {
        first_seed: found(4, 0.5),
        second_seed: found(4, 0.7),
        other_value: found(4, 0.6),
    }
    table = make_table("units", base, units, done)
    assert (table["seeds"], table["epochs"]) == ([42, 43], 4)
    first, second = table["rows"]
    assert (first["value"], first["seeds"], first["parameters"]) == (10, 2, 9)
    assert first["keras_test"] == pytest.approx(0.6)
    assert first["keras_test_sd"] == pytest.approx(0.1 * math.sqrt(2))
    assert first["validation"] == pytest.approx(0.7)
    assert (first["seconds"], first["seconds_per_epoch"]) == (8.0, 2.0)
    assert (second["value"], second["seeds"], second["keras_test_sd"]) == (20, 1, None)
    assert len(table["rows"]) == 2
    # of equals, the smallest value
    assert (table["best_by_validation"], table["best_by_keras_test"]) == (10, 10)
    assert table["no_longer_rises_after"] is None


def test_a_table_without_a_finished_training_is_empty() -> None:
    base = base_program()
    table = make_table("epochs", base, plan("epochs", base, [50, 75], [42]), {})
    assert table["rows"] == []
    assert (table["best_by_validation"], table["no_longer_rises_after"]) == (None, None)


def test_the_curve_is_that_of_the_most_epochs() -> None:
    base, validation = base_program(epochs=4), (0.2, 0.4, 0.4)
    pairs = plan("epochs", base, [1, 3], [42])
    done = {config: found(n, 0.1 * n, validation=validation[:n]) for n, config in pairs}
    table = make_table("epochs", base, pairs, done)
    assert [row["keras_test"] for row in table["rows"]] == pytest.approx([0.1, 0.3])
    assert [epoch["epoch"] for epoch in table["curve"]] == [1, 2, 3]
    assert table["no_longer_rises_after"] == 2


def test_the_best_of_all_is_compared_seed_by_seed() -> None:
    pairs = [(name, base_program(epochs=epochs, seed=seed))
             for name, epochs in (("best", 2), ("base", 1)) for seed in (42, 43)]  # fmt: skip
    done = {config: found(config.epochs, {2: 0.8, 1: 0.5}[config.epochs]) for _, config in pairs}
    compared = compare_with_base(pairs, done)
    assert compared is not None
    assert compared["settings"]["epochs"] == 2
    assert (compared["best"]["value"], compared["best"]["seeds"]) == ("best", 2)
    assert compared["best"]["keras_test"] == pytest.approx(0.8)
    assert compared["base"]["keras_test"] == pytest.approx(0.5)
    assert compared["comparison"]["difference"] == pytest.approx(0.3)
    del done[pairs[1][1]]
    assert compare_with_base(pairs, done) is None


TINY = {"preset": "baseline", "hidden": (16,), "batch_size": 20}


@pytest.fixture
def overlapping(mnist: Source, tmp_path: Path) -> Path:
    """Kaggle's files with 200 digits of MNIST's training split and 100 of its test split."""
    parts = [mnist.train.take(np.arange(200)), mnist.test.take(np.arange(100))]
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])  # type: ignore[arg-type]
    (tmp_path / "kaggle").mkdir()
    write_csv(tmp_path / "kaggle" / "train.csv", pixels, labels)
    write_csv(tmp_path / "kaggle" / "test.csv", pixels[:5])
    return tmp_path / "kaggle"


def test_a_training_is_kept_until_a_longer_one_is_needed_or_its_file_is_damaged(
    overlapping: Path, tmp_path: Path
) -> None:
    config = make_config({**TINY, "source": "kaggle", "data": overlapping, "epochs": 1})
    told: list[tuple[int, int]] = []
    laboratory = Laboratory(tmp_path / "lab", 1, lambda *done: told.append(done))

    def train(*epochs: int) -> list[dict[str, Any]]:
        configs = [config.model_copy(update={"epochs": each}) for each in epochs]
        found = laboratory.train(configs)
        assert laboratory.failures == {}
        return [found[each] for each in configs]

    (first,) = train(1)
    assert list(dict.fromkeys(told)) == [(0, 1), (1, 1)]
    assert first["parameters"] == 785 * 16 + 17 * 10
    # the 100 that stand in the training digits are left out
    assert first["right"].shape == (9_900,)
    assert first["right"].mean() == first["keras_test"]
    assert train(1)[0]["history"] == first["history"]
    assert laboratory.trained == 1

    # a training that goes on is, on its way, what a shorter one is at its end
    again, longer = train(1, 3)
    assert laboratory.trained == 2
    assert [epoch["epoch"] for epoch in again["history"]] == [1]
    assert (again["right"] == first["right"]).all()
    assert longer["validation"] == longer["history"][2]["val_accuracy"]
    assert longer["seconds"] == pytest.approx(sum(each["seconds"] for each in longer["history"]))

    (file,) = (tmp_path / "lab").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-20], b"7", b'{"form": "another"}', b'{"form": 1}'):
        file.write_bytes(damaged)
        assert laboratory.find(config) is None


def test_what_is_wrong_with_one_training_does_not_end_the_others(
    overlapping: Path, tmp_path: Path
) -> None:
    base = make_config({**TINY, "source": "kaggle", "data": overlapping, "epochs": 1})
    diverging = base.model_copy(update={"learning_rate": 1e30, "epochs": 2})
    others = [
        base.model_copy(update={"hidden": hidden, "epochs": epochs})
        for hidden, epochs in (((10,), 1), ((15,), 1), ((10, 10), 3), ((10,), 2))
    ]

    laboratory = Laboratory(tmp_path / "lab", 1, ignore)
    found = laboratory.train([*others, diverging])
    (reason,) = laboratory.failures.values()
    assert "the loss is" in reason
    # the longest begin first
    files = sorted((tmp_path / "lab").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert [file.name.split("-")[0] for file in files] == ["10x10", "10", "15"]
    assert list(found) == others
    assert laboratory.trained == 3
    # what failed is tried again
    assert laboratory.find(diverging) is None


def test_without_the_keras_test_split_there_is_nothing_to_judge_by(
    overlapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.training.dataset.load_keras", _no_mnist)
    monkeypatch.setattr("kit.search.experiments.load_keras", _no_mnist)
    base = base_program(source="kaggle", data=overlapping)
    with pytest.raises(DataError, match=r"mnist\.npz: missing"):
        Laboratory(tmp_path, 1, ignore).train([base])


def _no_mnist() -> Source:
    raise DataError("data/mnist.npz: missing.", "Put it there.")
