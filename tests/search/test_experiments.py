import base64
import math
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.config import TrainConfig, make_config
from kit.data.digits import Source
from kit.errors import DataError
from kit.search.experiments import (
    EXPERIMENTS,
    Laboratory,
    compare_with_base,
    epoch_values,
    make_table,
    plan_experiment,
    read_training,
)


def base_program(**given: Any) -> TrainConfig:
    """The lab's base program, with the settings that were given."""
    return make_config({"preset": "baseline", **given})


def ignore(_done: int, _total: int) -> None:
    """Watch nothing."""


def test_the_lab_s_values() -> None:
    base = base_program()
    assert plan_experiment("epochs", base, 1).values == (50, 75, 100, 125)
    assert plan_experiment("batch-size", base, 1).values == (50, 100, 200, 400)
    assert plan_experiment("units", base, 2).seeds == (42, 43)
    hidden = plan_experiment("hidden", base, 1, [600]).config(600, 7)
    assert (hidden.hidden, hidden.seed, hidden.epochs) == ((800, 600), 7, 100)
    assert plan_experiment("units", base, 1, [30, 10, 30]).values == (10, 30)


@pytest.mark.parametrize(
    ("epochs", "values"),
    [(100, (50, 75, 100, 125)), (3, (1, 2, 3, 4)), (1, (1, 1, 1, 1)), (8, (4, 6, 8, 10))],
)
def test_epochs_change_with_the_base_program(epochs: int, values: tuple[int, ...]) -> None:
    assert epoch_values(epochs) == values


def test_all_experiments_together_need_twelve_trainings(tmp_path: Path) -> None:
    laboratory = Laboratory(tmp_path, 1, ignore)
    plans = [plan_experiment(name, base_program(), 1) for name in EXPERIMENTS]
    assert sum(len(plan.values) * len(plan.seeds) for plan in plans) == 16
    assert len({laboratory.path(config) for plan in plans for config in plan.configs()}) == 12
    # whichever experiment needs the base program first, it is trained for all of them
    for plan in plans[:2]:
        lengths = {config.epochs for config in plan.configs() if config.batch_size == 200}
        assert lengths == {50, 75, 100, 125}


def test_a_file_is_named_by_what_its_training_depends_on(tmp_path: Path) -> None:
    laboratory = Laboratory(tmp_path, 1, ignore)
    base = base_program()
    path = laboratory.path(base)
    assert path.name.startswith("800-batch200-seed42-")
    for aside in ({"epochs": 7}, {"name": "other"}, {"views": 9}):
        assert laboratory.path(base.model_copy(update=aside)) == path
    for change in ({"seed": 43}, {"learning_rate": 0.02}, {"hidden": (800, 800)}):
        assert laboratory.path(base.model_copy(update=change)) != path


def found(
    epochs: int, keras_test: float, machine: str = "here", validation: tuple[float, ...] = ()
) -> dict[str, Any]:
    """What `Laboratory.train` gives of a training that takes 2 s an epoch."""
    curve = validation or (keras_test + 0.1,) * epochs
    return {
        "machine": machine,
        "parameters": 9,
        "history": [{"epoch": i, "val_accuracy": each} for i, each in enumerate(curve, start=1)],
        "validation": curve[-1],
        "keras_test": keras_test,
        "seconds": 2.0 * epochs,
        "seconds_per_epoch": 2.0,
        "n": 100,
        "right": base64.b64encode(np.packbits(np.arange(100) < 100 * keras_test)).decode(),
    }


def test_a_row_sums_up_a_value_over_its_seeds() -> None:
    plan = plan_experiment("units", base_program(epochs=4), 2, [10, 20, 30])
    done = {
        plan.config(10, 42): found(4, 0.5),
        plan.config(10, 43): found(4, 0.7),
        plan.config(20, 43): found(4, 0.6, "there"),
    }
    table = make_table(plan, done)
    first, second = table["rows"]
    assert (first["value"], first["seeds"], first["parameters"]) == (10, 2, 9)
    assert first["keras_test"] == pytest.approx(0.6)
    assert first["keras_test_sd"] == pytest.approx(0.1 * math.sqrt(2))
    assert first["validation"] == pytest.approx(0.7)
    assert (first["seconds"], first["seconds_per_epoch"]) == (8.0, 2.0)
    assert (second["value"], second["seeds"], second["keras_test_sd"]) == (20, 1, None)
    assert table["missing"] == [30]
    assert not table["times_compare"]
    # of equals, the smallest value
    assert (table["best_by_validation"], table["best_by_keras_test"]) == (10, 10)
    assert table["no_longer_rises_after"] is None


def test_a_table_without_a_finished_training_is_empty() -> None:
    table = make_table(plan_experiment("epochs", base_program(), 1), {})
    assert (table["rows"], table["missing"]) == ([], [50, 75, 100, 125])
    assert (table["best_by_validation"], table["no_longer_rises_after"]) == (None, None)


def test_the_curve_is_that_of_the_most_epochs() -> None:
    plan = plan_experiment("epochs", base_program(epochs=4), 1, [1, 3])
    validation = (0.2, 0.4, 0.4)
    table = make_table(
        plan,
        {plan.config(epochs, 42): found(epochs, 0.1 * epochs, validation=validation[:epochs])
         for epochs in (1, 3)},
    )  # fmt: skip
    assert [row["keras_test"] for row in table["rows"]] == pytest.approx([0.1, 0.3])
    assert [epoch["epoch"] for epoch in table["curve"]] == [1, 2, 3]
    assert (table["no_longer_rises_after"], table["times_compare"]) == (2, True)


def test_the_best_of_all_is_compared_seed_by_seed() -> None:
    best, base = ([base_program(epochs=epochs, seed=seed) for seed in (42, 43)]
                  for epochs in (2, 1))  # fmt: skip
    done = {config: found(config.epochs, {2: 0.8, 1: 0.5}[config.epochs]) for config in best + base}
    compared = compare_with_base(best, base, done)
    assert compared is not None
    assert compared["settings"]["epochs"] == 2
    assert (compared["best"]["value"], compared["best"]["seeds"]) == ("best", 2)
    assert compared["best"]["keras_test"] == pytest.approx(0.8)
    assert compared["base"]["keras_test"] == pytest.approx(0.5)
    assert compared["comparison"]["difference"] == pytest.approx(0.3)
    assert compare_with_base(best, base, {best[0]: done[best[0]], base[0]: done[base[0]]}) is None


TINY = {"preset": "baseline", "hidden": (16,), "batch_size": 20}


@pytest.fixture
def overlapping(mnist: Source, tmp_path: Path) -> Path:
    """Kaggle's files with 200 digits of MNIST's training split and 100 of its test split."""
    names = ",".join(f"pixel{i}" for i in range(784))
    parts = [mnist.train.take(np.arange(200)), mnist.test.take(np.arange(100))]
    rows = np.vstack([np.column_stack([part.labels, part.pixels]) for part in parts])  # type: ignore[list-item]
    (tmp_path / "kaggle").mkdir()
    for file, header, table in (
        ("train.csv", f"label,{names}", rows), ("test.csv", names, rows[:5, 1:]),
    ):  # fmt: skip
        np.savetxt(tmp_path / "kaggle" / file, table, "%d", ",", header=header, comments="")
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
    assert told == [(0, 1), (1, 1)]
    assert first["parameters"] == 785 * 16 + 17 * 10
    # the 100 that stand in the training digits are left out
    assert first["n"] == 9_900
    packed = np.frombuffer(base64.b64decode(first["right"]), np.uint8)
    assert np.unpackbits(packed, count=9_900).mean() == pytest.approx(first["keras_test"])
    assert train(1) == [first]
    assert len(told) == 2, "it was trained twice"

    # a training that goes on is, on its way, what a shorter one is at its end
    again, longer = train(1, 3)
    assert laboratory.trained == 2
    assert [epoch["epoch"] for epoch in again["history"]] == [1]
    assert again["right"] == first["right"]
    assert longer["validation"] == longer["history"][2]["val_accuracy"]
    assert longer["seconds"] == pytest.approx(sum(each["seconds"] for each in longer["history"]))

    (file,) = (tmp_path / "lab").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-20], b"7", b'{"form": "another"}', b'{"form": 1}'):
        file.write_bytes(damaged)
        assert read_training(file) == {"readings": {}}


def test_what_is_wrong_with_one_training_does_not_end_the_others(
    overlapping: Path, tmp_path: Path
) -> None:
    base = make_config({**TINY, "source": "kaggle", "data": overlapping, "epochs": 1})
    diverging = base.model_copy(update={"learning_rate": 1e30, "epochs": 2})
    slow = base.model_copy(update={"epochs": 1_000_000})

    def kill_the_worker() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(children[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_worker)
    killer.start()
    laboratory = Laboratory(tmp_path / "lab", 1, ignore)
    found = laboratory.train([base, diverging, slow.model_copy(update={"seed": 7})])
    killer.join()
    # the longest began first
    reasons = list(laboratory.failures.values())
    assert "killed" in reasons[0]
    assert "the loss is" in reasons[1]
    assert list(found) == [base]
    assert laboratory.trained == 1


def test_the_longest_trainings_begin_first(overlapping: Path, tmp_path: Path) -> None:
    base = make_config({**TINY, "source": "kaggle", "data": overlapping})
    configs = [
        base.model_copy(update={"hidden": hidden, "epochs": epochs})
        for hidden, epochs in (((10,), 1), ((15,), 1), ((10, 10), 3), ((10,), 2))
    ]
    Laboratory(tmp_path / "lab", 1, ignore).train(configs)
    files = sorted((tmp_path / "lab").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert [file.name.split("-")[0] for file in files] == ["10x10", "10", "15"]


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
