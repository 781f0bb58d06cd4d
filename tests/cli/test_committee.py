"""Committees, as their user has them, on 1,500 real digits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import KIT, Ended, Kit, run_in

from kit.config import PRESETS
from kit.submission import read_submission

SETTINGS = ("--source", "kaggle", "--preset", "baseline", "--hidden", "16", "--batch-size", "150",
            "--epochs", "2", "--seed", "7", "--views", "2", "--name", "two",
            "--members", "2")  # fmt: skip
LOADED = """
import sys
from kit.cli.main import run
code = run(sys.argv[1:])
print(f"exit {code}, loaded {sorted({'tensorflow', 'keras', 'jax'} & set(sys.modules))}")
"""


@pytest.fixture(scope="module")
def undisturbed(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A committee of two trained members: the folder of a user, and what the command said."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = run_in(folder, "train", *SETTINGS, "--data", str(small_kaggle), "--json")
    assert ended.exit_code == 0, ended.stderr
    return folder, ended


def test_members_are_trained_averaged_judged_and_averaged_again(
    undisturbed: tuple[Path, Ended], kit: Kit
) -> None:
    home, trained = undisturbed
    submissions = home / "submissions"
    here = ("--submissions", submissions)
    figures = trained.json
    folder = submissions / figures["run"]
    members = [submissions / told["run"] for told in figures["members"]]
    assert sorted(submissions.iterdir()) == sorted([folder, *members])
    assert [path.name[15:] for path in (folder, *members)] == ["-two", "-two-1", "-two-2"]
    configs = [json.loads((path / "config.json").read_text())["settings"] for path in members]
    own = ("seed", "split_seed", "views", "normalization")
    assert [[config[setting] for setting in own] for config in configs] == [
        [7, 7, 2, [{"width": 20, "slant": True}]],
        [8, 7, 2, [{"width": None, "slant": True}]],
    ]
    # the members hold the same rows out, and so does their committee
    assert figures["rows"] == {"train": 1200, "validation": 300, "test": 300}
    assert figures["validation"]["n"] == 300
    assert figures["epochs"] == 4
    told = trained.stderr.splitlines()
    resume = f"kit train --resume {folder.name}"
    assert f"Committee {folder.name} of 2; if it is interrupted: {resume}" in told
    assert f"Member 2/2: run {members[1].name}" in told
    assert any(line.startswith("Member 2/2: Epoch 2/2: loss ") for line in told)

    parts = [np.load(path / "probabilities.npz")["test"] for path in members]
    predicted = (parts[0].astype(float) + parts[1]).argmax(axis=1)
    submission = home / figures["submission"]
    np.testing.assert_array_equal(read_submission(submission), predicted)
    assert kit("check", submission, "--rows", "300").exit_code == 0
    # without a name, the committee and not the member that was trained last
    validated = kit("validate", *here, "--json").json
    assert validated["run"] == folder.name
    assert validated["n"] == 10_000
    assert validated["accuracy"] == figures["keras_test"]["accuracy"]
    history = kit("history", "--offline", *here, "--json").json["history"]
    assert [(row["run"], row["preset"]) for row in history] == [
        (members[1].name, "baseline"),
        (members[0].name, "baseline"),
        (folder.name, "committee"),
    ]

    # the same runs again, without any network's library
    command = ("committee", members[0].name, str(members[1]))
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *command],
        cwd=home, capture_output=True, text=True, check=True,
    )  # fmt: skip
    header, first, second, made, *rest = ended.stdout.splitlines()
    assert header.split("\t") == [
        "member", "preset", "seed", "normalization", "validation, %", "keras_test, %",
    ]  # fmt: skip
    accuracies = [f"{100 * member['keras_test']['accuracy']:.2f}" for member in figures["members"]]
    assert first.split("\t")[::5] == [members[0].name, accuracies[0]]
    assert second.split("\t")[1:4] == ["baseline", "8", "slant"]
    again = Path(made.removeprefix("Committee of 2 runs: "))
    assert again.name.endswith("-committee")
    assert rest[0].startswith(f"Validation accuracy {figures['validation']['accuracy']:.2%} (95%")
    assert rest[-2:] == [f"Submission {again / 'submission.csv'}", "exit 0, loaded []"]
    for file in ("submission.csv", "probabilities.npz"):
        assert (home / again / file).read_bytes() == (folder / file).read_bytes()


def test_an_interrupted_committee_goes_on_to_the_same_bytes(
    undisturbed: tuple[Path, Ended], kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    submissions = tmp_path / "submissions"
    process = subprocess.Popen(
        [KIT, "train", *SETTINGS, "--data", small_kaggle], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("Member 2/2: Epoch 1/2"))
    process.terminate()
    stdout, told = process.communicate()
    assert (process.returncode, stdout) == (143, "")
    (first,) = (path.name for path in submissions.glob("2*"))
    committee, second = sorted(path.name.removeprefix(".") for path in submissions.glob(".2*"))
    assert [name[15:] for name in (committee, first, second)] == ["-two", "-two-1", "-two-2"]
    go_on = ("train", "--resume", committee)
    assert told.splitlines()[-1] == f"Interrupted. Go on with: kit {' '.join(go_on)}"
    written = (submissions / first / "metrics.json").stat().st_mtime_ns

    resumed = kit(*go_on, "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert resumed.json["run"] == committee
    assert "Member 1/2: Epoch" not in resumed.stderr
    assert (submissions / first / "metrics.json").stat().st_mtime_ns == written
    names = sorted(path.name for path in submissions.iterdir())
    assert names == [committee, first, second]
    config = json.loads((submissions / committee / "config.json").read_text())
    assert config["committee"] == [first, second]
    assert "plan" not in config
    # once more changes nothing
    assert kit(*go_on, "--json").json == resumed.json

    home, expected = undisturbed
    for file in ("submission.csv", "probabilities.npz"):
        expected_bytes = (home / "submissions" / expected.json["run"] / file).read_bytes()
        assert (submissions / committee / file).read_bytes() == expected_bytes, file


def test_a_rehearsal_scores_the_committee_and_each_member(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No option makes a rehearsal's network small
    for setting, value in {"hidden": (16,), "batch_size": 1000}.items():
        monkeypatch.setitem(PRESETS["baseline"], setting, value)
    # Folds, since members would normalise 80,000 digits
    ended = kit("rehearse", "--folds", "2", "--preset", "baseline", "--epochs", "1", "--json")
    assert ended.exit_code == 0, ended.stderr
    figures = ended.json
    solution = read_submission(tmp_path / figures["rehearsal"] / "solution.csv")
    assert [member["seed"] for member in figures["members"]] == [0, 1]
    for told in (figures, *figures["members"]):
        predicted = read_submission(tmp_path / "submissions" / told["run"] / "submission.csv")
        assert told["score"]["accuracy"] == pytest.approx((predicted == solution).mean())
        assert told["score"]["n"] == 28_000


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (("committee",), "Missing argument 'RUN'.", "See: kit committee --help"),
        (("committee", "gone"), "gone: no such run in submissions.", "Newest runs: none."),
        (
            ("train", "--members", "1"),
            "Invalid value for '--members': ",
            "See: kit train --help",
        ),
        (
            ("train", "--resume", "x", "--members", "2"),
            "--resume uses the settings of its run; --members cannot change them.",
            "Leave them out, or train a new run without --resume.",
        ),
        (
            ("rehearse", "--views", "0", "--members", "2"),
            "views: Input should be greater than or equal to 1, found 0.",
            "Change this setting",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_user_can_do_wrong_is_answered_in_two_lines(
    kit: Kit, arguments: tuple[str, ...], what: str, remedy: str
) -> None:
    ended = kit(*arguments)
    assert ended.exit_code == 2
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if not line.endswith("…")]
    assert len(lines) == 2, ended.stderr
    assert lines[0].startswith(what)
    assert lines[1].startswith(remedy)
