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
from kit.errors import DataError, UsageError
from kit.search.experiments import (
    EXPERIMENTS,
    base_program,
    epoch_values,
    plan_experiment,
)
from kit.search.laboratory import Laboratory, train_in_processes
from kit.search.tables import compare, compare_with_base, make_table


def test_the_lab_s_values() -> None:
    base = base_program()
    assert plan_experiment("epochs", base, 1).values == (50, 75, 100, 125)
    assert plan_experiment("batch-size", base, 1).values == (50, 100, 200, 400)
    assert plan_experiment("units", base, 2).seeds == (42, 43)
    hidden = plan_experiment("hidden", base, 1, [600]).config(600, 7)
    assert (hidden.hidden, hidden.seed, hidden.epochs) == ((800, 600), 7, 100)
    assert plan_experiment("units", base, 1, [30, 10, 30]).values == (10, 30)
    with pytest.raises(UsageError, match=r"--values: 0 .* units of the first layer"):
        plan_experiment("units", base, 1, [10, 0])


@pytest.mark.parametrize(
    ("epochs", "values"),
    [(100, (50, 75, 100, 125)), (3, (1, 2, 3, 4)), (1, (1, 1, 1, 1)), (8, (4, 6, 8, 10))],
)
def test_epochs_change_with_the_base_program(epochs: int, values: tuple[int, ...]) -> None:
    assert epoch_values(epochs) == values


def test_all_experiments_together_need_twelve_trainings(tmp_path: Path) -> None:
    laboratory = Laboratory(base_program(), tmp_path, 1)
    plans = [plan_experiment(name, base_program(), 1) for name in EXPERIMENTS]
    needs = [need for plan in plans for need in plan.needs()]
    assert len(needs) == 16
    assert len({laboratory.path(config) for config, _ in needs}) == 12
    # whichever experiment needs the base program first, it is read for all of them
    read_at = [epochs for config, epochs in plans[1].needs() if config.batch_size == 200]
    assert read_at == [{50, 75, 100, 125}]


def test_a_file_is_named_by_what_its_training_depends_on(tmp_path: Path) -> None:
    laboratory = Laboratory(base_program(), tmp_path, 1)
    base = base_program()
    path = laboratory.path(base)
    assert path.name.startswith("800-batch200-seed42-")
    for aside in ({"epochs": 7}, {"name": "other"}, {"views": 9}):
        assert laboratory.path(base.model_copy(update=aside)) == path
    for change in ({"seed": 43}, {"learning_rate": 0.02}, {"hidden": (800, 800)}):
        assert laboratory.path(base.model_copy(update=change)) != path


def test_mcnemar_by_hand() -> None:
    # both right on 80, only the first on 14, only the second on 4: z = (|14 - 4| - 1) / √18
    first = np.array([[True] * 94 + [False] * 6])
    second = np.array([[True] * 80 + [False] * 14 + [True] * 4 + [False] * 2])
    once = compare(first, second)
    assert once.difference == pytest.approx(0.10)
    assert once.p_value == pytest.approx(math.erfc(9 / math.sqrt(18) / math.sqrt(2)))
    assert once.significant
    half_width = 1.96 * math.sqrt((18 / 100 - 0.1**2) / 100)
    assert once.interval == pytest.approx((0.1 - half_width, 0.1 + half_width), abs=1e-4)
    # over seeds, an image stays one observation
    twice = compare(np.repeat(first, 2, axis=0), np.repeat(second, 2, axis=0))
    assert twice.interval == pytest.approx(once.interval)


def test_equal_answers_are_no_better_than_chance() -> None:
    same = np.array([[True, False, True], [True, True, False]])
    equal = compare(same, same)
    assert (equal.difference, equal.p_value, equal.significant) == (0.0, 1.0, False)


def found(
    epochs: int, keras_test: float, machine: str = "here", validation: tuple[float, ...] = ()
) -> dict[str, Any]:
    """What `Laboratory.find` gives of a training that takes 2 s an epoch."""
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
    plan = plan_experiment("units", base_program({"epochs": 4}), 2, [10, 20, 30])
    done = {
        (10, 42): found(4, 0.5), (10, 43): found(4, 0.7), (20, 43): found(4, 0.6, "there"),
    }  # fmt: skip
    table = make_table(plan, lambda config: done.get((config.hidden[0], config.seed)))
    first, second = table.rows
    assert (first["value"], first["seeds"], first["parameters"]) == (10, 2, 9)
    assert first["keras_test"] == pytest.approx(0.6)
    assert first["keras_test_sd"] == pytest.approx(0.1 * math.sqrt(2))
    assert first["validation"] == pytest.approx(0.7)
    assert (first["seconds"], first["seconds_per_epoch"]) == (8.0, 2.0)
    assert (second["value"], second["seeds"], second["keras_test_sd"]) == (20, 1, None)
    assert table.missing == [30]
    assert not table.times_compare
    # of equals, the smallest value
    assert (table.best_by("validation"), table.best_by("keras_test")) == (10, 10)
    assert table.best_epoch is None


def test_a_table_without_a_finished_training_is_empty() -> None:
    table = make_table(plan_experiment("epochs", base_program(), 1), lambda _: None)
    assert (table.rows, table.missing) == ([], [50, 75, 100, 125])
    assert (table.best_by("validation"), table.best_epoch) == (None, None)


def test_the_curve_is_that_of_the_most_epochs() -> None:
    plan = plan_experiment("epochs", base_program({"epochs": 4}), 1, [1, 3])
    validation = (0.2, 0.4, 0.4)
    table = make_table(
        plan, lambda c: found(c.epochs, 0.1 * c.epochs, validation=validation[: c.epochs])
    )
    assert [row["keras_test"] for row in table.rows] == pytest.approx([0.1, 0.3])
    assert [epoch["epoch"] for epoch in table.curve] == [1, 2, 3]
    assert (table.best_epoch, table.times_compare) == (2, True)


def test_the_best_of_all_is_compared_seed_by_seed() -> None:
    best, base = ([base_program({"epochs": epochs, "seed": seed}) for seed in (42, 43)]
                  for epochs in (2, 1))  # fmt: skip

    def find(config: TrainConfig) -> dict[str, Any]:
        return found(config.epochs, 0.8 if config.epochs == 2 else 0.5)

    compared = compare_with_base(best, base, find)
    assert compared is not None
    assert [row["value"] for row in compared.rows] == ["best", "base"]
    assert [row["keras_test"] for row in compared.rows] == pytest.approx([0.8, 0.5])
    assert compared.comparison.difference == pytest.approx(0.3)
    assert compare_with_base(best, base, lambda c: find(c) if c.seed == 42 else None) is None


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

    def train(epochs: set[int]) -> Laboratory:
        laboratory = Laboratory(config, tmp_path / "lab", 1)
        need = config.model_copy(update={"epochs": max(epochs)}), frozenset(epochs)
        assert laboratory.train([need], lambda *done: told.append(done)) == {}
        return laboratory

    first = train({1}).find(config)
    assert first is not None
    assert told == [(0, 1), (1, 1)]
    assert first["parameters"] == 785 * 16 + 17 * 10
    # the 100 that stand in the training digits are left out
    assert first["n"] == 9_900
    packed = np.frombuffer(base64.b64decode(first["right"]), np.uint8)
    assert np.unpackbits(packed, count=9_900).mean() == pytest.approx(first["keras_test"])
    assert train({1}).find(config) == first
    assert len(told) == 2, "it was trained twice"

    # a training that goes on is, on its way, what a shorter one is at its end
    laboratory = train({3})
    again = laboratory.find(config)
    assert again is not None
    assert [epoch["epoch"] for epoch in again["history"]] == [1]
    assert again["right"] == first["right"]
    longer = laboratory.find(config.model_copy(update={"epochs": 3}))
    assert longer is not None
    assert longer["validation"] == longer["history"][2]["val_accuracy"]
    assert longer["seconds"] == pytest.approx(sum(each["seconds"] for each in longer["history"]))

    (file,) = (tmp_path / "lab").iterdir()
    for damaged in (b"", file.read_bytes()[:-20], b'{"form": "another"}', b'{"form": 1}'):
        file.write_bytes(damaged)
        assert laboratory.find(config) is None


def test_what_is_wrong_with_one_training_does_not_end_the_others(overlapping: Path) -> None:
    base = make_config({**TINY, "source": "kaggle", "data": overlapping, "epochs": 1})
    diverging = base.model_copy(update={"learning_rate": 1e30})
    slow = base.model_copy(update={"epochs": 1_000_000})

    def kill_the_worker() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(children[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_worker)
    killer.start()
    needs = [(config, frozenset([config.epochs])) for config in (slow, diverging, base)]
    outcomes = [outcome for _, outcome in train_in_processes(needs, base, 1)]
    killer.join()
    assert "killed" in str(outcomes[0])
    assert "the loss is" in str(outcomes[1])
    assert isinstance(outcomes[2], dict)
    assert list(outcomes[2]["readings"]) == ["1"]


def test_the_longest_trainings_begin_first(overlapping: Path, tmp_path: Path) -> None:
    base = make_config({**TINY, "source": "kaggle", "data": overlapping})
    needs = [
        (base.model_copy(update={"hidden": hidden, "epochs": epochs}), frozenset([epochs]))
        for hidden, epochs in (((10,), 1), ((15,), 1), ((10, 10), 3), ((10,), 2))
    ]
    Laboratory(base, tmp_path / "lab", 1).train(needs, lambda *_: None)
    files = sorted((tmp_path / "lab").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert [file.name.split("-")[0] for file in files] == ["10x10", "10", "15"]


def test_without_the_keras_test_split_there_is_nothing_to_judge_by(
    overlapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.training.dataset.load_keras", _no_mnist)
    base = base_program({"source": "kaggle", "data": overlapping})
    with pytest.raises(DataError, match="Keras test split"):
        Laboratory(base, tmp_path, 1)


def _no_mnist() -> Source:
    raise DataError("data/mnist.npz: missing.", "Put it there.")
