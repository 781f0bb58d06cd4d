import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_kaggle import write_csv

from kit.config import make_config
from kit.data.digits import Digits, Source, seen_in_training
from kit.data.kaggle_csv import load_kaggle
from kit.errors import DataError, KitError, UsageError
from kit.evaluation.judging import judge_keras_test
from kit.metrics import Accuracy, log_loss
from kit.runs import Run, begin_run
from kit.submission import read_submission
from kit.training.committee import make_committee
from kit.training.dataset import Dataset
from kit.training.predictions import Predictions, finish_run
from kit.training.train import provenance

Arrays = dict[str, NDArray[Any]]
MakeMember = Callable[..., Run]
# Every third of the 120 training digits is held out by all, every sixth by some alone
SHARED = np.arange(0, 120, 3)


@pytest.fixture(scope="session")
def kaggle(tmp_path_factory: pytest.TempPathFactory, mnist: Source) -> Path:
    """120 digits to train on, half of them from the Keras test split, and 30 to predict."""
    folder = tmp_path_factory.mktemp("committee")
    both = Digits(
        np.concatenate([mnist.train.pixels[:60], mnist.test.pixels[:60]]), None, "some digits"
    )
    assert mnist.train.labels is not None
    assert mnist.test.labels is not None
    labels = np.concatenate([mnist.train.labels[:60], mnist.test.labels[:60]])
    write_csv(folder / "train.csv", both.pixels, labels)
    # its last five stand in train.csv
    write_csv(folder / "test.csv", mnist.train.pixels[np.r_[100:125, 0:5]])
    return folder


@pytest.fixture
def member(tmp_path: Path, kaggle: Path, mnist: Source) -> MakeMember:
    """Write a run as a training does, with predictions drawn by chance that lean to the truth."""
    source = load_kaggle(kaggle)

    def make(seed: int, more_held_out: list[int] | None = None, **given: Any) -> Run:
        rng = np.random.default_rng(seed)
        keras_test = given.pop("keras_test", mnist.test)
        dataset = Dataset(source.train, keras_test, source.test)
        config = make_config(
            {"source": "kaggle", "data": kaggle, "seed": seed, "name": f"run-{seed}", **given}
        )
        held_out = np.union1d(SHARED, np.array(more_held_out or [], np.int64))

        def predict(digits: Digits) -> NDArray[np.float32]:
            weights = rng.random((len(digits), 10)) ** 4
            if digits.labels is not None:
                weights[np.arange(len(digits)), digits.labels] += 0.4
            return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

        predictions: Predictions = {
            "validation_rows": held_out,
            "validation": predict(source.train.take(held_out)),
        }
        for part, digits in {"keras_test": keras_test, "test": source.test}.items():
            if digits is not None:
                predictions[part] = predict(digits)
                predictions[f"{part}_seen"] = seen_in_training(digits, source.train)
        record = {
            "settings": config.model_dump(mode="json"),
            **provenance(),
            **dataset.describe((np.setdiff1d(np.arange(120), held_out), held_out)),
        }
        about = {
            "source": "kaggle",
            "preset": "tuned",
            "seed": seed,
            "epochs": 10 + seed,
            "seconds": {"load": 0.5, "fit": 2.0 * seed, "total": 3.0 * seed},
        }
        draft = begin_run(tmp_path / "submissions", config.name, record)
        return finish_run(draft, predictions, dataset, about)

    return make


def arrays(run: Run) -> Arrays:
    with np.load(run.folder / "probabilities.npz") as file:
        return {name: file[name] for name in file.files}


def write_arrays(run: Run, changed: Arrays) -> None:
    np.savez(run.folder / "probabilities.npz", **changed)


def refusal(members: list[Run], kind: type[KitError], folder: Path) -> tuple[str, str]:
    """What is said of members that are refused, which leaves nothing behind."""
    before = sorted(folder.iterdir())
    with pytest.raises(kind) as caught:
        make_committee(members, folder, "committee")
    assert sorted(folder.iterdir()) == before
    return caught.value.what, caught.value.remedy


def test_a_committee_predicts_the_mean_and_is_judged_on_what_no_member_has_seen(
    member: MakeMember, tmp_path: Path, kaggle: Path, mnist: Source
) -> None:
    members = [member(1), member(2, [6, 7, 8]), member(3, [7, 10])]
    made = make_committee(members, tmp_path / "submissions", "three")
    assert made.name.endswith("-three")
    assert {path.name for path in made.folder.iterdir()} == {
        "config.json", "metrics.json", "probabilities.npz", "submission.csv",
    }  # fmt: skip
    parts, whole = [arrays(run) for run in members], arrays(made)

    mean = {
        role: np.mean([part[role].astype(np.float64) for part in parts], axis=0)
        for role in ("test", "keras_test")
    }
    for role, expected in mean.items():
        assert whole[role].dtype == np.float32
        np.testing.assert_allclose(whole[role], expected, rtol=1e-6)
        np.testing.assert_allclose(whole[role].sum(axis=1), 1, atol=1e-6)
    predicted = mean["test"].argmax(axis=1)
    np.testing.assert_array_equal(read_submission(made.folder / "submission.csv"), predicted)
    assert not np.array_equal(predicted, parts[0]["test"].argmax(axis=1))

    # the rows that all held out, wherever those stand in each member's file
    np.testing.assert_array_equal(whole["validation_rows"], SHARED)
    shared = np.zeros((len(SHARED), 10))
    for part in parts:
        place = {row: at for at, row in enumerate(part["validation_rows"].tolist())}
        shared += part["validation"][[place[row] for row in SHARED.tolist()]] / 3
    np.testing.assert_allclose(whole["validation"], shared, rtol=1e-5)
    labels = load_kaggle(kaggle).train.labels
    assert labels is not None
    right = int((shared.argmax(axis=1) == labels[SHARED]).sum())
    metrics = made.metrics
    assert 0 < right < 40
    assert metrics["validation"]["accuracy"] == right / 40
    assert metrics["validation"]["n"] == 40
    expected_loss = log_loss(shared, labels[SHARED])
    assert metrics["validation"]["log_loss"] == pytest.approx(expected_loss, rel=1e-5)
    assert made.config["rows"] == metrics["rows"] == {"train": 80, "validation": 40, "test": 30}

    assert mnist.test.labels is not None
    unseen = mean["keras_test"].argmax(axis=1)[60:] == mnist.test.labels[60:]
    judged = Accuracy.from_counts(int(unseen.sum()), 9_940)
    assert metrics["keras_test"]["accuracy"] == judged.accuracy
    assert metrics["keras_test"]["interval"] == list(judged.interval)
    assert judge_keras_test(made, mnist.test).accuracy == judged
    assert metrics["overlap"] == {
        "keras_test": {"n": 10_000, "n_overlap": 60},
        "test": {"n": 30, "n_overlap": 5},
    }

    assert made.config["committee"] == [run.name for run in members]
    assert made.config["data"] == members[0].config["data"]
    assert (metrics["preset"], metrics["seed"], metrics["epochs"]) == ("committee", None, 36)
    assert metrics["seconds"]["fit"] == 12
    assert metrics["seconds"]["total"] >= 18
    assert [told["run"] for told in metrics["members"]] == made.config["committee"]
    for told, run in zip(metrics["members"], members, strict=True):
        assert told["validation"] == run.metrics["validation"]
        assert told["keras_test"] == run.metrics["keras_test"]
    assert set(metrics) == {*members[0].metrics, "members"}


def test_an_image_that_one_member_has_seen_is_seen(member: MakeMember, tmp_path: Path) -> None:
    members = [member(1), member(2)]
    seen = [np.zeros(30, np.bool_), np.zeros(30, np.bool_)]
    seen[0][[1, 2]] = seen[1][[2, 9]] = True
    for run, flags in zip(members, seen, strict=True):
        write_arrays(run, {**arrays(run), "test_seen": flags})
    made = make_committee(members, tmp_path / "submissions", "committee")
    assert np.flatnonzero(arrays(made)["test_seen"]).tolist() == [1, 2, 9]
    assert made.metrics["overlap"]["test"] == {"n": 30, "n_overlap": 3}


def test_without_shared_rows_there_is_no_validation(member: MakeMember, tmp_path: Path) -> None:
    members = [member(1), member(2)]
    other = arrays(members[1])
    write_arrays(members[1], {**other, "validation_rows": other["validation_rows"] + 1})
    made = make_committee(members, tmp_path / "submissions", "committee")
    assert made.metrics["validation"] == {
        "accuracy": None, "n": 0, "interval": [0.0, 1.0], "log_loss": None,
    }  # fmt: skip
    assert made.metrics["rows"] == {"train": 120, "validation": 0, "test": 30}
    assert arrays(made)["validation"].shape == (0, 10)


def test_members_that_were_judged_on_nothing_make_a_committee_that_is_not(
    member: MakeMember, tmp_path: Path
) -> None:
    members = [member(1, keras_test=None), member(2, keras_test=None)]
    made = make_committee(members, tmp_path / "submissions", "committee")
    assert made.metrics["keras_test"] is None
    assert made.config["data"]["keras_test"] is None
    assert set(made.metrics["overlap"]) == {"test"}


def test_too_few_and_the_same_twice_are_refused(member: MakeMember, tmp_path: Path) -> None:
    run, submissions = member(1), tmp_path / "submissions"
    link = tmp_path / run.name
    link.symlink_to(run.folder)
    assert refusal([run], UsageError, submissions) == (
        "A committee has two members or more, found 1.",
        "Name two runs; kit history --offline lists them.",
    )
    assert refusal([run, Run(link)], UsageError, submissions) == (
        f"{run.name}: named twice.",
        "Name each member once.",
    )


def test_a_committee_is_no_member(member: MakeMember, tmp_path: Path) -> None:
    members, submissions = [member(1), member(2)], tmp_path / "submissions"
    made = make_committee(members, submissions, "committee")
    assert refusal([made, members[0]], UsageError, submissions) == (
        f"{made.name}: is a committee itself.",
        f"Name its members instead: {members[0].name} {members[1].name}",
    )


def test_a_wrong_name_is_refused(member: MakeMember, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name: takes letters"):
        make_committee([member(1), member(2)], tmp_path / "submissions", "a/b")


@pytest.mark.parametrize("role", ["train", "keras_test", "test"])
@pytest.mark.parametrize("missing", [False, True])
def test_members_of_different_data_are_refused(
    role: str, missing: bool, member: MakeMember, tmp_path: Path
) -> None:
    one, two = member(1), member(2)
    other = None if missing else {**two.config["data"][role], "fingerprint": "0" * 64}
    config = {**two.config, "data": {**two.config["data"], role: other}}
    (two.folder / "config.json").write_text(json.dumps(config))
    assert refusal([one, Run(two.folder)], UsageError, tmp_path / "submissions") == (
        f"{one.name} and {two.name} differ in their {role} digits.",
        "Name runs that were trained on the same data.",
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"test": None}, "'test' is missing there or in config.json."),
        ({"validation": np.zeros((40, 9), np.float32)}, "validation: found (40, 9), expected"),
        ({"test": np.zeros((29, 10), np.float32)}, "test: found (29, 10), expected (30, 10)"),
    ],
    ids=str,
)
def test_predictions_that_do_not_fit_are_bad_data(
    changed: dict[str, NDArray[Any] | None], words: str, member: MakeMember, tmp_path: Path
) -> None:
    one, two = member(1), member(2)
    left = {name: array for name, array in {**arrays(two), **changed}.items() if array is not None}
    write_arrays(two, left)
    what, remedy = refusal([one, two], DataError, tmp_path / "submissions")
    assert what.startswith(f"{two.folder / 'probabilities.npz'}: ")
    assert words in what
    assert remedy == "Put the file back, or train again."


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off"])
def test_broken_predictions_are_bad_data(
    content: bytes | None, member: MakeMember, tmp_path: Path
) -> None:
    one, two = member(1), member(2)
    path = two.folder / "probabilities.npz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    what, _ = refusal([one, two], DataError, tmp_path / "submissions")
    assert what.startswith(f"{path}: ")


REMOVED = "removed"


@pytest.mark.parametrize(
    ("file", "keys", "value"),
    [
        ("metrics.json", ["epochs"], REMOVED),
        ("metrics.json", ["epochs"], "ten"),
        ("metrics.json", ["seconds", "load"], REMOVED),
        ("metrics.json", ["seconds", "fit"], "1.5"),
        ("metrics.json", ["seconds"], 5),
        ("metrics.json", ["seed"], REMOVED),
        ("config.json", ["settings"], 5),
        ("config.json", ["settings"], REMOVED),
        ("config.json", ["rows", "validation"], REMOVED),
        ("config.json", ["data"], [5]),
        ("config.json", ["data", "test"], REMOVED),
        ("config.json", ["data", "train", "fingerprint"], 7),
        ("config.json", ["settings", "optimizer"], None),
        ("config.json", ["settings", "normalization"], [{"width": "wide"}]),
        ("metrics.json", ["validation"], None),
        ("metrics.json", ["validation", "interval"], [math.nan, 1.0]),
    ],
    ids=str,
)
def test_a_damaged_record_is_named(
    file: str, keys: list[str], value: object, member: MakeMember, tmp_path: Path
) -> None:
    one, two = member(1), member(2)
    path = two.folder / file
    record = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    if value == REMOVED:
        del part[keys[-1]]
    path.write_text(json.dumps(record))
    for members in ([one, Run(two.folder)], [Run(two.folder), one]):
        what, _ = refusal(members, DataError, tmp_path / "submissions")
        assert what.startswith(f"{path}: ")
        assert keys[-1] in what or "'NaN'" in what


def test_digits_that_were_moved_are_read_where_they_are_now(
    member: MakeMember, tmp_path: Path, kaggle: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    members = [member(1, data=here), member(2, data=here)]
    shutil.copytree(kaggle, there)
    run = make_committee(members, tmp_path / "submissions", "committee", there)
    assert run.metrics["validation"]["n"] > 0


def test_digits_that_have_changed_since_are_bad_data(
    member: MakeMember, tmp_path: Path, kaggle: Path, mnist: Source
) -> None:
    elsewhere = tmp_path / "kaggle"
    members = [member(1, data=elsewhere), member(2, data=elsewhere)]
    elsewhere.mkdir()
    write_csv(elsewhere / "train.csv", mnist.train.pixels[:120], mnist.train.labels[:120])  # type: ignore[index]
    (elsewhere / "test.csv").write_bytes((kaggle / "test.csv").read_bytes())
    what, remedy = refusal(members, DataError, tmp_path / "submissions")
    assert f"train.csv: not the digits that {members[0].name} began" in what
    assert remedy == "Put those files back, or train a new run."
