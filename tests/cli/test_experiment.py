"""The lab's experiments and a small search, as their user has them, on 1,500 real digits."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import KIT, Kit

# Compiling these small networks takes longer than training them
JAX = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}


def test_the_four_experiments_and_the_best_of_all_train_nothing_twice(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    # With one worker it computes to the bit what kit train does
    settings = ("--epochs", "3", "--source", "kaggle", "--data", small_kaggle, "--workers", "1",
                "--json")  # fmt: skip
    ended = kit("experiment", "best", *settings, **JAX)
    assert ended.exit_code == 0, ended.stderr
    figures = ended.json
    values = {one["name"]: [row["value"] for row in one["rows"]] for one in figures["experiments"]}
    assert values == {
        "epochs": [1, 2, 3, 4],
        "batch-size": [50, 100, 200, 400],
        "units": [500, 700, 900, 1200],
        "hidden": [500, 700, 900, 1200],
    }
    # sixteen rows; the base program is in the first two experiments, and goes on to 4 epochs once
    # and the best of all is one more
    assert figures["trained"] == 13
    rows = {one["name"]: {row["value"]: row for row in one["rows"]}
            for one in figures["experiments"]}  # fmt: skip
    assert {**rows["epochs"][3], "value": 200} == rows["batch-size"][200]
    assert rows["units"][500]["parameters"] == 785 * 500 + 501 * 10
    assert rows["hidden"][500]["parameters"] == 785 * 800 + 801 * 500 + 501 * 10
    for one in figures["experiments"]:
        assert (tmp_path / one["picture"]).read_bytes().startswith(b"\x89PNG")
        best = max(one["rows"], key=lambda row: row["val_accuracy"]["mean"])
        assert one["best_by_validation"] == best["value"]
        best = max(one["rows"], key=lambda row: row["test_accuracy"]["mean"])
        assert one["best_by_test"] == best["value"]
    best = figures["best"]
    assert best["settings"]["hidden"] == [
        figures["experiments"][2]["best_by_validation"],
        figures["experiments"][3]["best_by_validation"],
    ]
    difference = best["best"]["test_accuracy"]["mean"] - best["base"]["test_accuracy"]["mean"]
    assert best["comparison"]["difference"] == pytest.approx(difference, abs=1e-9)

    told = kit("experiment", "hidden", *settings[:-1]).stdout.splitlines()
    assert [line.split("\t")[0] for line in told[:5]] == ["hidden", "500", "700", "900", "1200"]
    chosen = next(line for line in told if "kit's" in line)
    assert int(chosen.split("\t")[0]) == figures["experiments"][3]["best_by_validation"]
    assert told[-1].startswith("Trained 0 networks in ")
    assert any(line.startswith("The highest of several test accuracies") for line in told)

    # a study's trial, trained as a run; the first is the longest
    study = figures["study"]
    options = ("--trial", "0", "--data", small_kaggle, "--json")
    run = kit("train", "--from-study", study, *options, **JAX)
    assert run.exit_code == 0, run.stderr
    assert run.json["epochs"] == 3
    assert run.json["run"].endswith(f"-{study}-0")
    expected = rows["hidden"][1200]["val_accuracy"]["mean"]
    assert run.json["validation"]["accuracy"] == pytest.approx(expected, abs=1e-6)


def test_an_interrupted_search_goes_on_with_the_same_command(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    command = ["tune", "--trials", "2", "--epochs", "1", "--source", "kaggle",
               "--data", str(small_kaggle)]  # fmt: skip
    process = subprocess.Popen(
        [KIT, *command], cwd=tmp_path, env=os.environ | JAX, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "Trials: 0 of 2\n"
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1].endswith("The same command goes on.")

    began = time.monotonic()
    ended = kit(*command, "--json", **JAX)
    assert ended.exit_code == 0, ended.stderr
    assert time.monotonic() - began < 60, "it waited for a worker that had handed its trial back"
    figures = ended.json
    assert figures["trials"]["complete"] + figures["trials"].get("pruned", 0) == 2
    best = figures["best"][0]
    assert 0 < best["val_accuracy"] <= 1
    assert {"layers", "optimizer", "dropout", "batch_size"} <= set(best["params"])
    shown = kit("tune", "--show", "tune")
    assert shown.exit_code == 0, shown.stderr
    assert "Train the best: kit train --from-study tune" in shown.stdout


def test_ctrl_c_reaches_workers_that_are_still_starting_and_leaves_no_traceback(
    small_kaggle: Path, tmp_path: Path
) -> None:
    command = ["tune", "--trials", "4", "--epochs", "1", "--workers", "2", "--source", "kaggle",
               "--data", str(small_kaggle)]  # fmt: skip
    process = subprocess.Popen(
        [KIT, *command], cwd=tmp_path, env=os.environ | JAX, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "Trials: 0 of 4\n"
    # a terminal interrupts the command and its workers at once, here while those import
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "Interrupted; what was finished is kept. The same command goes on.\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("experiment", "all", "--values", "1"), "--values: all has four kinds of them."),
        (("experiment", "units", "--values", "1,x"), "--values: '1,x' is no list of whole numbers"),
        (("experiment", "units", "--values", "0"), "--values: 0 is no number of units"),
        (("experiment", "units", "--values", "5000000000"), "--values: 5000000000 is no number"),
        (("experiment", "units", "--storage", "x"), "x: not a database the kit knows."),
        (("experiment", "units", "--epochs", "0"), "epochs: Input should be greater than 0"),
        (("tune", "--show", "tune"), "submissions/studies.db: no studies there yet."),
        (("train", "--from-study", "tune"), "submissions/studies.db: no studies there yet."),
        (("train", "--trial", "1"), "--trial: of which study?"),
        (
            ("train", "--from-study", "tune", "--preset", "quick"),
            "--from-study gives every setting",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_user_can_do_wrong_is_answered_in_two_lines(
    kit: Kit, arguments: tuple[str, ...], what: str
) -> None:
    ended = kit(*arguments)
    assert ended.exit_code == 2
    lines = [line for line in ended.stderr.splitlines() if not line.endswith("…")]
    assert len(lines) == 2, ended.stderr
    assert lines[0].startswith(what)
