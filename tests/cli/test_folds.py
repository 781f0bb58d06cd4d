"""Runs with folds: every row judged by a network that has not seen it, and what its label says."""

import gc
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import Ended, Kit, run_in

SETTINGS = ("train", "--source", "kaggle", "--preset", "baseline", "--hidden", "128", "--epochs",
            "12", "--optimizer", "adam", "--learning-rate", "0.002", "--batch-size", "50", "--seed",
            "5", "--folds", "3")  # fmt: skip


@pytest.fixture(scope="module")
def folded(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A project with a run of three folds on digits of which 30 have another label; those rows.

    Rows 1 to 50 stand there twice.
    """
    folder = tmp_path_factory.mktemp("folds")
    shutil.copytree(small_kaggle, folder / "data" / "kaggle")
    file = folder / "data" / "kaggle" / "train.csv"
    header, *rows = file.read_text().splitlines()
    rng = np.random.default_rng(3)
    changed = rng.choice(np.arange(50, len(rows)), 30, replace=False).tolist()
    for row in changed:
        label, pixels = rows[row].split(",", 1)
        rows[row] = f"{(int(label) + rng.integers(1, 10)) % 10},{pixels}"
    file.write_text("\n".join([header, *rows, *rows[:50]]) + "\n")
    # Interrupted once, when the second fold has begun
    interrupter = threading.Thread(target=interrupt_second_fold, args=(folder / "submissions",))
    interrupter.start()
    assert run_in(folder, *SETTINGS, "--name", "folded").exit_code == 130
    interrupter.join()
    # A process of its own would have ended here, and left the runs' locks
    gc.collect()
    (run,) = (path.name[1:] for path in folder.glob("submissions/.*-folded"))
    ended = run_in(folder, "train", "--resume", run)
    assert ended.exit_code == 0, ended.stderr
    return folder, [row + 1 for row in changed]


def interrupt_second_fold(submissions: Path) -> None:
    while not list(submissions.glob(".*-folded-2")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_each_row_is_judged_once_by_a_network_that_has_not_seen_it(
    folded: tuple[Path, list[int]], small_kaggle: Path
) -> None:
    submissions = folded[0] / "submissions"
    (run,) = submissions.glob("*-folded")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["rows"] == {"train": 1550, "validation": 1550, "test": 300}
    assert (metrics["folds"], metrics["validation"]["n"]) == (3, 1550)
    members = [
        np.load(submissions / told["run"] / "probabilities.npz") for told in metrics["members"]
    ]
    held_out = [member["validation_rows"].tolist() for member in members]
    assert sorted(row for rows in held_out for row in rows) == list(range(1550))
    # Equal images stand in one fold
    for rows in held_out:
        assert {row for row in rows if row < 50} == {row - 1500 for row in rows if row >= 1500}
        assert abs(len(rows) - 1550 / 3) < 30
    whole = np.load(run / "probabilities.npz")
    for rows, member in zip(held_out, members, strict=True):
        np.testing.assert_array_equal(whole["validation"][rows], member["validation"])
    mean = np.mean([member["test"].astype(float) for member in members], axis=0)
    np.testing.assert_allclose(whole["test"], mean, atol=1e-6)
    seeds = [told["seed"] for told in metrics["members"]]
    assert seeds == [5, 6, 7]


def test_suspects_are_the_rows_whose_label_was_changed(
    folded: tuple[Path, list[int]], kit: Kit
) -> None:
    folder, changed = folded
    here = ("--submissions", folder / "submissions", "--data", folder / "data" / "kaggle")
    suspects = kit("suspects", *here, "--json").json["suspects"]
    first = {each["row"] for each in suspects[:45]}
    assert len(first.intersection(changed)) >= 20
    for each in suspects:
        assert each["label"] != each["predicted"]
        assert each["probability"] > each["label_probability"]
    table = kit("suspects", *here).stdout.splitlines()
    assert table[0].split("\t")[:3] == ["row", "label", "network says"]
    assert table[1].split("\t")[0] == str(suspects[0]["row"])


def test_without_folds_there_are_no_suspects(folded: tuple[Path, list[int]], kit: Kit) -> None:
    here = ("--submissions", folded[0] / "submissions")
    (member, *_) = sorted(folded[0].glob("submissions/*-folded-1"))
    ended = kit("suspects", member.name, *here)
    assert ended.exit_code == 2
    assert "--folds 5" in ended.stderr


@pytest.mark.parametrize("options", [("--members", "2"), ("--patience", "3")])
def test_folds_choose_nothing_and_are_a_committee_of_their_own(
    options: tuple[str, ...], kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    ended: Ended = kit(*SETTINGS, "--data", small_kaggle, *options)
    assert ended.exit_code == 2
    assert not (tmp_path / "submissions").exists()
