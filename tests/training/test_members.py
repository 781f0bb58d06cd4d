import pytest

from kit.config import COMMITTEE, MEMBER_NORMALIZATIONS, Normalization, make_config
from kit.errors import UsageError
from kit.training.committee import plan_training


def test_members_differ_by_seed_and_normalisation_alone() -> None:
    plan = plan_training({"seed": 7, "epochs": 3, "name": "five"}, 5)
    assert [config.name for config in plan] == ["five-1", "five-2", "five-3", "five-4", "five-5"]
    assert [config.seed for config in plan] == [7, 8, 9, 10, 11]
    assert [config.normalization for config in plan] == [
        (way,) for way in MEMBER_NORMALIZATIONS[:5]
    ]
    assert {config.split_seed for config in plan} == {7}
    own = {"name", "seed", "split_seed", "normalization"}
    for config in plan:
        assert config.model_dump(exclude=own) == make_config({"epochs": 3}).model_dump(exclude=own)


def test_the_cycle_of_normalisations_begins_again() -> None:
    n = len(MEMBER_NORMALIZATIONS)
    plan = plan_training({}, n + 2)
    assert [config.normalization for config in plan[n:]] == [
        (way,) for way in MEMBER_NORMALIZATIONS[:2]
    ]
    assert plan[n].seed == plan[0].seed + n


def test_a_normalisation_that_was_given_is_every_member_s() -> None:
    plan = plan_training({"normalization": {"width": 18}, "split_seed": 3}, 3)
    assert [config.normalization for config in plan] == [(Normalization(width=18),)] * 3
    assert [config.split_seed for config in plan] == [3] * 3


def test_the_record_of_a_run_without_one_gives_none() -> None:
    plan = plan_training(make_config({"preset": "baseline"}).model_dump(mode="json"), 2)
    assert [config.normalization for config in plan] == [
        (way,) for way in MEMBER_NORMALIZATIONS[:2]
    ]


def test_seeds_and_names_end_somewhere() -> None:
    with pytest.raises(UsageError, match="seed: Input should be less than 4294967296"):
        plan_training({"seed": 2**32 - 2}, 3)
    with pytest.raises(UsageError, match="name: takes letters"):
        plan_training({"name": "x" * 99}, 2)


def test_the_preset_committee_has_a_list_of_kinds() -> None:
    plan = plan_training({"preset": "committee", "seed": 3, "source": "kaggle"})
    assert [config.name for config in plan] == [f"committee-{i}" for i in range(1, 4)]
    assert len({(config.conv, config.normalization) for config in plan}) == len(COMMITTEE)
    # All hold the same rows out, so that the committee is judged by them
    assert {(config.split_seed, config.validation_fraction) for config in plan} == {(3, 0.02)}
    assert [config.seed for config in plan] == [3, 4, 5]
    first = plan_training({"preset": "committee", "seed": 3, "source": "kaggle"}, 2)
    assert first == plan[:2]
    more = plan_training({"preset": "committee"}, len(COMMITTEE) + 1)
    assert (more[-1].conv, more[-1].epochs) == (more[0].conv, more[0].epochs)
    assert more[-1].seed != more[0].seed


def test_options_win_over_the_kinds_of_a_committee() -> None:
    plan = plan_training({"preset": "committee", "epochs": 2, "name": "short"}, 3)
    assert [(config.name, config.epochs) for config in plan] == [
        ("short-1", 2),
        ("short-2", 2),
        ("short-3", 2),
    ]
    with pytest.raises(UsageError, match="--folds"):
        plan_training({"preset": "committee"}, folds=5)
