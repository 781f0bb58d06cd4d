import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from kit.config import make_config
from kit.data.digits import Digits
from kit.errors import TrainingError, UsageError
from kit.search.comparison import compare
from kit.search.experiments import base_program, make_plan
from kit.search.storage import open_storage
from kit.search.tables import compare_setups, make_table, standstill
from kit.search.training import Reading, pack, train_network, unpack
from kit.search.trainings import Training, Trainings, needs, training_key
from kit.training.callback import Epoch
from kit.training.dataset import Dataset


def test_the_lab_s_values() -> None:
    base = base_program()
    assert make_plan("epochs", base, 1).values == (50, 75, 100, 125)
    assert make_plan("batch-size", base, 1).values == (50, 100, 200, 400)
    assert make_plan("units", base, 2).seeds == (42, 43)
    hidden = make_plan("hidden", base, 1, [600]).config(600, 7)
    assert (hidden.hidden, hidden.seed, hidden.epochs) == ((800, 600), 7, 100)
    with pytest.raises(UsageError, match="depth: no such experiment"):
        make_plan("depth", base, 1)


@pytest.mark.parametrize(
    ("epochs", "values"),
    [(100, (50, 75, 100, 125)), (3, (1, 2, 3, 4)), (1, (1,)), (8, (4, 6, 8, 10))],
)
def test_epochs_change_with_the_base_program(epochs: int, values: tuple[int, ...]) -> None:
    assert make_plan("epochs", base_program({"epochs": epochs}), 1).values == values


def test_all_experiments_together_need_twelve_trainings() -> None:
    names = ("epochs", "batch-size", "units", "hidden")
    plans = [make_plan(name, base_program(), 1) for name in names]
    wanted = [need for plan in plans for need in needs(plan)]
    assert len(wanted) == 16
    assert len({training_key(config) for config, _ in wanted}) == 12
    # whichever experiment meets the base program first, it is read for all of them
    read_at = [epochs for config, epochs in needs(plans[1]) if config.batch_size == 200]
    assert read_at == [{50, 75, 100, 125}]


def test_mcnemar_by_hand() -> None:
    # both right on 80, only the first on 14, only the second on 4: z = (|14 - 4| - 1) / √18
    first = np.array([[True] * 94 + [False] * 6])
    second = np.array([[True] * 80 + [False] * 14 + [True] * 4 + [False] * 2])
    found = compare(first, second)
    assert found.difference == pytest.approx(0.10)
    assert found.p_value == pytest.approx(math.erfc(9 / math.sqrt(18) / math.sqrt(2)))
    assert found.beyond_chance
    half_width = 1.96 * math.sqrt((18 / 100 - 0.1**2) / 100)
    assert found.interval == pytest.approx((0.1 - half_width, 0.1 + half_width), abs=1e-4)


def test_equal_answers_are_no_better_than_chance() -> None:
    same = np.array([[True, False, True], [True, True, False]])
    found = compare(same, same)
    assert (found.difference, found.p_value, found.beyond_chance) == (0.0, 1.0, False)
    with pytest.raises(ValueError, match="not of the same images"):
        compare(same, same[:1])


def test_an_image_stays_one_observation_over_seeds() -> None:
    first = np.array([[True] * 94 + [False] * 6])
    second = np.array([[True] * 80 + [False] * 14 + [True] * 4 + [False] * 2])
    once = compare(first, second)
    twice = compare(np.repeat(first, 2, axis=0), np.repeat(second, 2, axis=0))
    assert twice.interval == pytest.approx(once.interval)


def test_answers_survive_packing() -> None:
    right = np.random.default_rng(1).random(9_999) < 0.97
    assert np.array_equal(unpack(pack(right)), right)
    assert len(pack(right)) < 2_000


def epochs(seconds: list[float], accuracies: list[float]) -> list[Epoch]:
    pairs = enumerate(zip(seconds, accuracies, strict=True), start=1)
    return [
        Epoch(epoch, 0.1, 0.9, 0.1, accuracy, 0.01, second) for epoch, (second, accuracy) in pairs
    ]


def test_setups_are_compared_by_what_all_workers_do_together() -> None:
    alone = Training(0, 1_000_000, 10, 1, 2, "here", epochs([9, 2, 2], [0.5, 0.7, 0.6]), {})
    shared = Training(1, 500_000, 10, 2, 1, "here", epochs([9, 1, 1], [0.5, 0.6, 0.7]), {})
    setups = compare_setups([("base", alone), ("base", shared), ("other", shared)])
    assert [(setup.workers, setup.threads, setup.speed) for setup in setups] == [
        (2, 1, 10.0), (1, 2, 5.0),
    ]  # fmt: skip
    assert [setup.trainings for setup in setups] == [1, 1]
    assert compare_setups([("base", alone), ("other", shared)]) == []
    assert compare_setups([("base", shared)]) == []
    assert (standstill(alone), standstill(shared)) == (2, 3)


@pytest.fixture(scope="module")
def material(mnist_digits: Digits) -> Dataset:
    first, rest = np.arange(200), np.arange(150, 300)
    return Dataset(mnist_digits.take(first), mnist_digits.take(rest), None)


def test_readings_on_the_way_are_those_of_a_training_that_ends_there(material: Dataset) -> None:
    config = make_config({"preset": "baseline", "hidden": (16,), "batch_size": 20, "epochs": 3})
    told: list[int] = []
    whole = train_network(config, material, {1, 3}, lambda epoch, _: told.append(epoch))
    short = train_network(config.model_copy(update={"epochs": 1}), material, {1})
    assert told == [1, 2, 3]
    assert [reading.epoch for reading in whole.readings] == [1, 3]
    assert whole.readings[0].correct == short.readings[0].correct
    assert whole.readings[0].val_accuracy == short.readings[0].val_accuracy
    assert whole.parameters == 785 * 16 + 17 * 10
    # the 50 of the 150 that stand in the training digits are left out
    assert len(unpack(whole.readings[0].correct)) == 100


def test_a_training_that_diverges_says_so(material: Dataset) -> None:
    config = make_config(
        {"preset": "baseline", "hidden": (16,), "batch_size": 20, "learning_rate": 1e30}
    )
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) after epoch \d"):
        train_network(config, material)


def test_what_was_read_needs_no_training_for_what_only_might_be_asked(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    trainings = Trainings(storage, "keras", "0123456789")
    base = base_program({"epochs": 3})
    tickets = trainings.plan([(base, {2, 3})])
    trial = tickets.claim()
    assert trial is not None
    tickets.study.tell(trial, 0.9)
    assert trainings.plan([(base, {1, 2, 3, 4})]).only == frozenset()
    longer = base.model_copy(update={"epochs": 4})
    assert len(trainings.plan([(base, {3}), (longer, {4})]).only or ()) == 1


def test_a_curve_ends_where_its_table_does(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    trainings = Trainings(storage, "keras", "0123456789")
    plan = make_plan("epochs", base_program({"epochs": 4}), 1, [1, 2])
    tickets = trainings.plan([(plan.base, {1, 2, 4})])
    trial = tickets.claim()
    assert trial is not None
    epochs = [asdict(Epoch(i, 0.5, 0.5, 0.5, i / 10, 0.01, 1.0)) for i in (1, 2, 3, 4)]
    readings = [asdict(Reading(i, i / 10, i / 10, float(i), "")) for i in (1, 2, 4)]
    trial.set_user_attr(
        "result",
        {"rows": 9, "workers": 1, "threads": 1, "parameters": 9, "history": epochs,
         "readings": readings},
    )  # fmt: skip
    tickets.study.tell(trial, 0.4)
    table = make_table(plan, trainings)
    assert table.times_compare
    (history,) = table.histories
    assert [epoch.epoch for epoch in history.history] == [1, 2]
    assert standstill(history) == 2


def test_the_longest_trainings_begin_first(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    base = base_program({"epochs": 3})
    wide = base.model_copy(update={"hidden": (1200,)})
    deep = base.model_copy(update={"hidden": (800, 700)})
    narrow = base.model_copy(update={"hidden": (500,), "epochs": 4})
    tickets = Trainings(storage, "keras", "0123456789").plan(
        [(config, {config.epochs}) for config in (narrow, base, deep, wide)]
    )
    # 3 × 1,194,600; 3 × 952,800; 3 × 635,200; 4 × 397,000 weights times epochs
    hidden = [trial.user_attrs["settings"]["hidden"] for trial in tickets.trials()]
    assert hidden == [[800, 700], [1200], [800], [500]]
