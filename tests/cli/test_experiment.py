"""The lab's experiments as their user has them, on real digits."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import KIT, Kit
from small_kaggle import write_csv, write_kaggle

from kit.data.digits import Source
from kit.search.experiments import EXPERIMENTS


def test_the_four_experiments_and_the_best_of_all_train_nothing_twice(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two of the lab's values of each, and fewer units
    values = {"epochs": [1, 3], "batch-size": [200, 400], "units": [50, 70], "hidden": [50, 70]}
    for name, some in values.items():
        words, _, change = EXPERIMENTS[name]
        usual = [25, 100] if name == "epochs" else some
        monkeypatch.setitem(EXPERIMENTS, name, (words, usual, change))
    # 400 are trained on, which every batch size divides
    data = write_kaggle(tmp_path / "kaggle", 500, 20)
    # With one worker it computes to the bit what kit train does
    settings = ("--epochs", "3", "--source", "kaggle", "--data", data, "--workers", "1",
                "--json")  # fmt: skip
    ended = kit("experiment", "best", *settings)
    assert ended.exit_code == 0, ended.stderr
    figures = ended.json
    rows = {one["name"]: {row["value"]: row for row in one["rows"]}
            for one in figures["experiments"]}  # fmt: skip
    assert {name: list(table) for name, table in rows.items()} == values
    # eight rows; the base program is in the first two experiments, with 1 and with 3 epochs in one
    # training, and the best of all is one more
    assert figures["trained"] == 7
    files = list((tmp_path / "submissions" / "experiments").iterdir())
    assert len(files) == 7
    assert {**rows["epochs"][3], "value": 200} == rows["batch-size"][200]
    assert rows["units"][50]["parameters"] == 785 * 50 + 51 * 10
    assert rows["hidden"][50]["parameters"] == 785 * 800 + 801 * 50 + 51 * 10
    for one in figures["experiments"]:
        assert (tmp_path / one["picture"]).read_bytes().startswith(b"\x89PNG")
        for figure in ("validation", "keras_test"):
            best = max(one["rows"], key=lambda row: row[figure])
            assert one[f"best_by_{figure}"] == best["value"]
    best = figures["best"]
    assert best["settings"]["hidden"] == [
        figures["experiments"][2]["best_by_validation"],
        figures["experiments"][3]["best_by_validation"],
    ]
    difference = best["best"]["keras_test"] - best["base"]["keras_test"]
    assert best["comparison"]["difference"] == pytest.approx(difference, abs=1e-9)

    told = kit("experiment", "hidden", *settings[:-1]).stdout.splitlines()
    assert [line.split("\t")[0] for line in told[:3]] == ["hidden", "50", "70"]
    assert told[0].split("\t")[1:3] == ["validation, %", "Keras test, %"]
    chosen = next(line for line in told[1:3] if "kit's" in line)
    assert int(chosen.split("\t")[0]) == figures["experiments"][3]["best_by_validation"]
    assert told[-1].startswith("Trained 0 networks in ")

    # a training's file gives the settings of a run
    (file,) = (file for file in files if file.name.startswith("800x50-"))
    run = kit("train", "--config", file, "--data", data, "--json")
    assert run.exit_code == 0, run.stderr
    assert run.json["epochs"] == 3
    expected = rows["hidden"][50]["validation"]
    assert run.json["validation"]["accuracy"] == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def copied(tmp_path: Path, mnist: Source) -> Path:
    """250 digits, each of which stands there twice."""
    (tmp_path / "copied").mkdir()
    train = mnist.train.take(np.arange(500) % 250)
    write_csv(tmp_path / "copied" / "train.csv", train.pixels, train.labels)
    write_csv(tmp_path / "copied" / "test.csv", mnist.train.pixels[250:270])
    return tmp_path / "copied"


class Running:
    """`kit experiment` whose workers have begun."""

    def __init__(self, folder: Path, kaggle: Path, workers: int, *arguments: str) -> None:
        self.command = ["experiment", "units", "--source", "kaggle", "--data", str(kaggle),
                        "--workers", str(workers), *arguments]  # fmt: skip
        # A group of its own, as a terminal gives each command
        self.process = subprocess.Popen(
            [KIT, *self.command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        # What it told before
        self.told = self.wait_for("Trainings: 0 of ")
        deadline = time.monotonic() + 30
        while len(started := _workers(self.process.pid)) < workers:
            assert time.monotonic() < deadline, "its workers did not start"
            time.sleep(0.02)
        self.workers = started

    def wait_for(self, beginning: str) -> str:
        assert self.process.stderr is not None
        told = ""
        while line := self.process.stderr.readline():
            if line.startswith(beginning):
                return told
            told += line
        pytest.fail(f"it ended without the line {beginning}")

    def assert_its_workers_end(self) -> None:
        deadline = time.monotonic() + 10
        while any(_is_alive(worker) for worker in self.workers):
            assert time.monotonic() < deadline, "a worker outlives its command"
            time.sleep(0.05)


def _workers(command: int) -> list[int]:
    # Any thread may have started them, and multiprocessing has a helper process of its own
    tasks = Path(f"/proc/{command}/task").glob("*/children")
    children = [int(pid) for task in tasks for pid in task.read_text().split()]
    return sorted(
        pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def _is_alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_and_its_workers_without_a_traceback(
    small_kaggle: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    running = Running(tmp_path, small_kaggle, 2, "--values", "10,20", "--epochs", "1000000")
    began = time.monotonic()
    if number == signal.SIGINT:
        # a terminal interrupts the command and its workers at once, here while those import
        os.killpg(running.process.pid, number)
    else:
        running.process.send_signal(number)
    stdout, stderr = running.process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert (running.process.returncode, stdout) == (code, "")
    assert len(stderr.splitlines()) == 1
    assert stderr.endswith(f" Go on with: kit {' '.join(running.command)}\n")
    running.assert_its_workers_end()


def test_a_killed_command_ends_its_workers_and_goes_on_when_it_is_repeated(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    running = Running(tmp_path, small_kaggle, 1, "--values", "10,20", "--epochs", "50")
    running.wait_for("Trainings: 1 of 2")
    running.process.kill()
    running.assert_its_workers_end()
    files = list((tmp_path / "submissions" / "experiments").glob("[!.]*"))
    before = {file.name: file.read_bytes() for file in files}
    assert len(before) == 1
    ended = kit(*running.command, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert ended.json["trained"] == 1
    assert [row["value"] for row in ended.json["experiments"][0]["rows"]] == [10, 20]
    for file in files:
        assert file.read_bytes() == before[file.name]


def test_a_worker_that_dies_fails_its_training_and_the_others_go_on(
    copied: Path, tmp_path: Path
) -> None:
    running = Running(tmp_path, copied, 1, "--values", "10,20", "--epochs", "1")
    os.kill(running.workers[0], signal.SIGKILL)
    stdout, stderr = running.process.communicate(timeout=120)
    assert running.process.returncode == 8
    # the longest begins first
    assert [line.split("\t")[0] for line in stdout.splitlines()[:2]] == ["units", "10"]
    assert "Failed: 20-batch200-seed42-" in stdout
    what, remedy = stderr.splitlines()[-2:]
    assert "20-batch200-seed42-" in what
    assert "killed" in what
    assert "same command" in remedy
    # What is odd about the digits, the command says, and not each of its workers
    assert (running.told + stderr).count("rows are copies") == 1


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("all", "--values", "1"), "--values: all "),
        (("units", "--values", "1,x"), "--values: '1,x' "),
        (("units", "--values", "0"), "--values: '0' "),
        (("units", "--values", "5000000000"), "--values: '5000000000' "),
        (("units", "--epochs", "0"), "epochs: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_user_can_do_wrong_is_answered_in_two_lines(
    kit: Kit, arguments: tuple[str, ...], what: str
) -> None:
    ended = kit("experiment", *arguments)
    assert ended.exit_code == 2
    assert len(ended.stderr.splitlines()) == 2, ended.stderr
    assert ended.stderr.startswith(what)
