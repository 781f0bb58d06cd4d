"""Trainings that are killed or stopped, and go on."""

import multiprocessing
import os
import random
import resource
import sys
import time
from pathlib import Path

from command_line import Kit

import kit.training.train
from kit.cli.main import run
from kit.training.backend import load_backend

load_backend()

WHOLE = {
    "config.json", "history.csv", "metrics.json", "model.keras", "probabilities.npz",
    "submission.csv",
}  # fmt: skip


def run_quietly(arguments: tuple[str, ...], folder: Path) -> None:
    # Each epoch leaves a state, so that kills hit its writing, and short trainings go on from one
    kit.training.train.STATE_SECONDS = 0
    os.chdir(folder)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(run(list(arguments)))


def runs(submissions: Path) -> list[Path]:
    return [path for path in submissions.glob("*") if not path.name.startswith(".")]


def test_ten_kills_leave_only_whole_runs_and_resume_to_the_same_predictions(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    settings = ("--source", "kaggle", "--data", str(small_kaggle), "--preset", "baseline",
                "--hidden", "32", "--batch-size", "150", "--epochs", "12")  # fmt: skip
    # Each process is a copy of one that has loaded Keras, else most kills would hit that
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])

    def start(*arguments: str) -> multiprocessing.process.BaseProcess:
        process = processes.Process(target=run_quietly, args=(arguments, tmp_path))
        process.start()
        return process

    # The first one starts the process that is copied
    start("train", "--help").join()
    began = time.monotonic()
    undisturbed = start("train", *settings, "--submissions", "undisturbed")
    undisturbed.join()
    span = time.monotonic() - began
    assert undisturbed.exitcode == 0

    submissions = tmp_path / "killed"
    chance = random.Random(7)
    command = ["train", *settings]
    for _ in range(10):
        process = start(*command, "--submissions", "killed")
        time.sleep(chance.uniform(0, span))
        process.kill()
        process.join()
        for folder in runs(submissions):
            assert {path.name for path in folder.iterdir()} == WHOLE
        begun = [path.name for path in submissions.glob(".2*")] + [
            p.name for p in runs(submissions)
        ]
        if begun:
            command = ["train", "--resume", begun[0].removeprefix(".")]

    ended = kit(*command, "--submissions", "killed", "--json")
    assert ended.exit_code == 0, ended.stderr
    assert [path.name for path in submissions.iterdir()] == [ended.json["run"]]
    assert {path.name for path in runs(submissions)[0].iterdir()} == WHOLE
    for file in ("submission.csv", "probabilities.npz"):
        resumed = (runs(submissions)[0] / file).read_bytes()
        assert resumed == (runs(tmp_path / "undisturbed")[0] / file).read_bytes(), file


def test_a_full_disk_is_named_and_the_training_can_go_on(
    small_kaggle: Path, tmp_path: Path, kit: Kit
) -> None:
    # a limit on the size of a file fails its writing as a full disk does
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        ended = kit("train", "--source", "kaggle", "--data", small_kaggle, "--preset", "baseline",
                    "--hidden", "64", "--epochs", "2")  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.exit_code == 3, ended.stderr
    draft = next((tmp_path / "submissions").glob(".2*"))
    *_, go_on, what, remedy = ended.stderr.splitlines()
    assert go_on == f"Interrupted. Go on with: kit train --resume {draft.name[1:]}"
    assert what.endswith("File too large.")
    assert draft.name in what
    assert remedy == "Check the disk's space and the folder's permissions."
    assert kit("train", "--resume", draft.name[1:]).exit_code == 0
    assert kit("validate").exit_code == 0
