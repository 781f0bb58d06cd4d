import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kit.config import PRESETS, make_config
from kit.errors import DataError, UsageError
from kit.runs import (
    Draft,
    Run,
    begin_run,
    find_draft,
    find_run,
    list_runs,
    members_of,
    read_settings,
)
from kit.training.callback import Epoch

OLD_RUNS = Path(__file__).parent / "old_runs"
CONFIG = {"git_commit": None, "created": "2026-01-31T12:00:00+00:00"}


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    return tmp_path / "submissions"


def complete(submissions: Path, name: str) -> Run:
    """A complete run of that whole name, as the kit leaves it."""
    folder = submissions / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "metrics.json").write_text(json.dumps({"run": name}))
    return Run(folder)


@contextmanager
def held_elsewhere(draft: Path) -> Iterator[None]:
    """Another process that builds the run in the folder `draft`."""
    program = """
import sys
from pathlib import Path
from kit.runs import Draft
draft = Draft(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(draft)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield


def test_finished_run_holds_what_it_was_given(submissions: Path) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    assert draft.config == CONFIG
    draft.write_json("receipt.json", {"ref": 7})
    run = draft.finish({"run": draft.name, "accuracy": 0.985})
    assert re.fullmatch(r"\d{8}-\d{6}-tuned", run.name)
    assert run.name == draft.name
    assert run.config == CONFIG
    assert run.metrics == {"run": run.name, "accuracy": 0.985}
    assert sorted(file.name for file in run.folder.iterdir()) == [
        "config.json",
        "metrics.json",
        "receipt.json",
    ]
    assert list_runs(submissions) == [run]
    assert list(submissions.iterdir()) == [run.folder]


def test_history_is_a_table_of_the_epochs() -> None:
    history = Run(OLD_RUNS / "complete").history
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["val_accuracy"].tolist() == [0.4, 0.466667, 0.433333, 0.366667]
    assert list(history) == [field.name for field in dataclasses.fields(Epoch)]


def test_a_missing_history_is_told_and_a_committee_has_none(submissions: Path) -> None:
    with pytest.raises(
        DataError, match=r"(?s)history.csv: cannot be read \(.*move the run's folder"
    ):
        complete(submissions, "20260131-120000-tuned").history  # noqa: B018
    committee = Run(OLD_RUNS / "committee")
    names = "members have one each: 20260131-120000-old, 20260131-120200-twin"
    with pytest.raises(DataError, match=names):
        committee.history  # noqa: B018


def test_a_notebook_shows_a_run_and_escapes_its_name(submissions: Path) -> None:
    shutil.copytree(OLD_RUNS / "complete", submissions / "20260131-120000-<script>")
    run = Run(submissions / "20260131-120000-<script>")
    html = run._repr_html_()
    assert "<script" not in html
    assert "<caption>Run 20260131-120000-&lt;script&gt;</caption>" in html
    assert "<td>tuned, 4 epochs on 270 rows of kaggle in 3 s</td>" in html
    assert "<th>Keras test</th><td>36.87% (95% interval 35.93% to 37.82%, 10,000 images)" in html
    assert "<td>submission.csv, 60 rows</td>" in html
    assert "overlap" not in html
    run.metrics["overlap"]["test"]["n_overlap"] = 12
    assert "<td>12 of its images were trained on, so its score" in run._repr_html_()
    members = "20260131-120000-old, 20260131-120200-twin"
    html = Run(OLD_RUNS / "committee")._repr_html_()
    assert f"<th>committee of</th><td>{members}</td>" in html


def test_state_is_no_part_of_a_run(submissions: Path) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    draft.state.write_bytes(b"state")
    run = draft.finish({})
    assert not (run.folder / "state.npz").exists()


def test_draft_is_neither_listed_nor_found(submissions: Path) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    assert list_runs(submissions) == []
    for name in (draft.name, draft.folder.name, str(draft.folder), None):
        with pytest.raises(UsageError):
            find_run(submissions, name)
    # Not even where all of it is written and only the new name is missing
    draft.write_json("metrics.json", {})
    assert list_runs(submissions) == []
    with pytest.raises(UsageError):
        find_run(submissions, str(draft.folder))


def test_whole_draft_is_only_renamed(submissions: Path) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    draft.write_json("metrics.json", {"accuracy": 0.985})
    draft.state.write_bytes(b"state")
    draft.release()
    run = find_draft(submissions, draft.name)
    assert run == Run(submissions / draft.name)
    assert isinstance(run, Run)
    assert run.metrics == {"accuracy": 0.985}
    assert sorted(file.name for file in run.folder.iterdir()) == ["config.json", "metrics.json"]
    assert list_runs(submissions) == [run]


def test_draft_without_metrics_is_resumed(submissions: Path) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    draft.state.write_bytes(b"state")
    draft.release()
    for name in (draft.name, draft.folder.name, str(draft.folder), str(submissions / draft.name)):
        again = find_draft(submissions, name)
        assert isinstance(again, Draft)
        assert again.folder == draft.folder
        assert again.config == CONFIG
        assert again.state.read_bytes() == b"state"
        again.release()


def test_draft_is_resumed_from_within_it(
    submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    draft.release()
    monkeypatch.chdir(draft.folder)
    again = find_draft(submissions, ".")
    assert isinstance(again, Draft)
    assert again.name == draft.name
    run = again.finish({})
    assert run == Run(submissions.resolve() / draft.name)
    assert run.metrics == {}


def test_complete_run_is_resumed_as_it_is(submissions: Path) -> None:
    run = complete(submissions, "20260131-120000-tuned")
    assert find_draft(submissions, run.name) == run
    assert find_draft(submissions, str(run.folder)) == run


def test_newest_run_comes_first(submissions: Path) -> None:
    names = ["20260131-120000-b", "20251231-235959-z", "20260131-120001-a"]
    for name in names:
        complete(submissions, name)
    assert [run.name for run in list_runs(submissions)] == [names[2], names[0], names[1]]
    assert find_run(submissions).name == names[2]


def test_a_committee_is_newer_than_the_members_trained_for_it(submissions: Path) -> None:
    committee, *members = (
        complete(submissions, f"20260131-12000{second}-{name}")
        for second, name in enumerate(["digits", "digits-1", "digits-2"])
    )
    names = [member.name for member in members]
    (committee.folder / "config.json").write_text(json.dumps({"committee": names}))
    # neither its member by name alone, nor older than what was trained since
    complete(submissions, "20260130-120000-digits")
    assert find_run(submissions) == committee
    assert list_runs(submissions)[0] == members[-1]
    later = complete(submissions, "20260131-120009-digits-3")
    assert find_run(submissions) == later


def test_runs_of_one_second_are_listed_newest_first(submissions: Path) -> None:
    # Twelve, so that whatever tells them apart goes from one figure to two
    names = ["tuned", "b", "a", "tuned-2", *["tuned"] * 8]
    begun = [begin_run(submissions, name, CONFIG).finish({}) for name in names]
    assert list_runs(submissions) == begun[::-1]
    assert find_run(submissions) == begun[-1]
    assert [run.name[16:] for run in begun] == names


def test_run_begun_while_another_is_a_draft_takes_another_name(submissions: Path) -> None:
    first = begin_run(submissions, "tuned", CONFIG)
    second = begin_run(submissions, "tuned", {"other": True})
    assert first.name < second.name
    assert second.finish({}).config == {"other": True}
    assert first.finish({}).config == CONFIG


def test_runs_begun_by_many_processes_at_once_are_all_kept(submissions: Path) -> None:
    program = """
import sys
from pathlib import Path
from kit.runs import begin_run
sys.stdin.readline()
for i in range(5):
    begin_run(Path(sys.argv[1]), "tuned", {"by": sys.argv[2], "i": i}).finish({})
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(submissions), str(number)],
            stdin=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    kept = [(run.config["by"], run.config["i"]) for run in list_runs(submissions)]
    assert sorted(kept) == [(str(number), i) for number in range(4) for i in range(5)]
    for number in range(4):
        assert [i for by, i in kept if by == str(number)] == [4, 3, 2, 1, 0]


def test_only_complete_runs_are_listed(submissions: Path) -> None:
    run = complete(submissions, "20260131-120000-tuned")
    complete(submissions, "notes")
    complete(submissions, "2026-tuned")
    complete(submissions, ".20260131-120001-tuned")
    (submissions / "20260131-120002-empty").mkdir()
    (submissions / "20260131-120003-file").write_text("no folder")
    (submissions / "README.md").write_text("what is here")
    (submissions / "latest").symlink_to(run.folder)
    assert list_runs(submissions) == [run]


def test_no_folder_holds_no_runs(submissions: Path) -> None:
    assert list_runs(submissions) == []
    with pytest.raises(UsageError) as caught:
        find_run(submissions)
    assert caught.value.what == f"{submissions}: no run there yet."
    assert caught.value.remedy == "Make one with: kit train"


def test_run_is_found_by_name_folder_and_link(
    submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = complete(submissions, "20260131-120000-tuned")
    complete(submissions, "20260131-120001-tuned")
    link = submissions / "best"
    link.symlink_to(run.folder)
    for name in (run.name, str(run.folder), f"{run.folder}/", str(link), "best"):
        assert find_run(submissions, name).name == run.name
        assert find_run(submissions, name).metrics == {"run": run.name}
    monkeypatch.chdir(run.folder)
    assert find_run(Path("elsewhere"), ".").name == run.name
    (run.folder / "pictures").mkdir()
    monkeypatch.chdir("pictures")
    assert find_run(Path("elsewhere"), "..").name == run.name
    assert find_run(Path("elsewhere"), os.path.relpath(run.folder)).name == run.name


def test_a_run_takes_its_folder_as_text(submissions: Path) -> None:
    run = complete(submissions, "20260131-120000-tuned")
    (run.folder / "config.json").write_text('{"settings": {"preset": "quick"}}')
    as_text = Run(str(run.folder))
    assert as_text == run
    assert hash(as_text) == hash(run)
    assert as_text.name == run.name
    assert as_text.settings["preset"] == "quick"
    assert as_text.metrics == {"run": run.name}
    assert members_of(as_text) == []


def test_unknown_run_is_told_with_the_newest_ones(submissions: Path) -> None:
    for day in range(1, 8):
        complete(submissions, f"2026010{day}-120000-tuned")
    newest = ", ".join(f"2026010{day}-120000-tuned" for day in (7, 6, 5, 4, 3))
    with pytest.raises(UsageError) as caught:
        find_run(submissions, "20260101-120000-tunde")
    assert caught.value.what == f"20260101-120000-tunde: no such run in {submissions}."
    assert caught.value.remedy == f"Newest runs: {newest}."


def test_unknown_run_in_an_empty_folder(submissions: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_run(submissions, "x")
    assert (caught.value.what, caught.value.remedy) == (
        f"x: no such run in {submissions}.",
        "Newest runs: none.",
    )


def test_unknown_run_to_resume_is_told_with_those_that_can_be(submissions: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_draft(submissions, "x")
    assert caught.value.what == (
        f"x: no such run in {submissions}, neither complete nor interrupted."
    )
    assert caught.value.remedy == "Runs that can be resumed: none."
    drafts = [begin_run(submissions, name, CONFIG) for name in ("b", "a")]
    for draft in drafts:
        draft.release()
    complete(submissions, "20260101-120000-tuned")
    (submissions / ".cache").mkdir()
    with pytest.raises(UsageError) as caught:
        find_draft(submissions, "x")
    assert caught.value.remedy == (f"Runs that can be resumed: {drafts[0].name}, {drafts[1].name}.")


@pytest.mark.parametrize("elsewhere", ["config", ".config", "."])
def test_other_folders_are_not_taken_for_drafts(
    submissions: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = submissions / ".config"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match="no such run"):
        find_draft(submissions, elsewhere)
    assert list(folder.iterdir()) == [folder / "config.json"]


@pytest.mark.parametrize("whole", [False, True])
def test_draft_that_another_process_builds_is_left_alone(submissions: Path, whole: bool) -> None:
    draft = begin_run(submissions, "tuned", CONFIG)
    if whole:
        draft.write_json("metrics.json", {})
    draft.release()
    with held_elsewhere(draft.folder):
        with pytest.raises(UsageError) as caught:
            find_draft(submissions, draft.name)
        assert caught.value.what == f"{draft.folder}: another process is building this run."
        assert caught.value.remedy == "Wait until it ends, or stop it first."
        assert draft.folder.is_dir()
    # The other process has ended, and its hold with it
    assert isinstance(find_draft(submissions, draft.name), Run if whole else Draft)


def test_draft_of_a_killed_process_can_be_resumed(submissions: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from kit.runs import begin_run
begin_run(Path(sys.argv[1]), "tuned", {"settings": {}}).state.write_bytes(b"state")
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program, str(submissions)], check=False)
    assert ended.returncode == -9
    (left,) = submissions.iterdir()
    draft = find_draft(submissions, left.name)
    assert isinstance(draft, Draft)
    assert draft.state.read_bytes() == b"state"
    assert draft.finish({"accuracy": 1.0}).metrics == {"accuracy": 1.0}


def test_configuration_that_cannot_be_written_leaves_no_draft(submissions: Path) -> None:
    with pytest.raises(TypeError):
        begin_run(submissions, "tuned", {"settings": object()})
    assert list(submissions.iterdir()) == []


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("wrap", [True, False], ids=["config.json", "settings alone"])
def test_settings_of_a_run_give_the_same_configuration_again(
    preset: str, wrap: bool, tmp_path: Path
) -> None:
    config = make_config({"preset": preset, "data": Path("some/where.npz"), "patience": 4})
    dumped = config.model_dump(mode="json")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"settings": dumped, "created": "2026-01-31"} if wrap else dumped))
    assert make_config(read_settings(path)) == config


@hypothesis_settings(max_examples=50)
@given(
    learning_rate=st.floats(1e-9, 1e3),
    dropout=st.floats(0, 0.99),
    hidden=st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    rotation=st.floats(0, 180),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_settings_survive_json_to_the_last_bit(
    learning_rate: float,
    dropout: float,
    hidden: list[int],
    rotation: float,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    config = make_config(
        {
            "learning_rate": learning_rate,
            "dropout": dropout,
            "hidden": hidden,
            "augmentation": {"rotation": rotation},
            "seed": seed,
        }
    )
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_text(json.dumps({"settings": config.model_dump(mode="json")}))
    assert make_config(read_settings(path)) == config


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "cannot be read as JSON (Expecting value: line 1 column 1 (char 0))."),
        (
            '{"epochs": 3',
            "cannot be read as JSON (Expecting ',' delimiter: line 1 column 13 (char 12)).",
        ),
        ('{"committee": []}', "the record of a committee, which has no settings of its own."),
        ("[3]", "expected a JSON object."),
        ("3", "expected a JSON object."),
        ("null", "expected a JSON object."),
        ('{"settings": [3]}', "expected a JSON object of settings."),
    ],
)
def test_a_file_without_settings_is_named(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_settings(path)
    assert caught.value.what == f"{path}: {what}"
    assert "config.json" in caught.value.remedy


def test_a_record_of_the_first_form_is_read_in_todays_words(submissions: Path) -> None:
    run = complete(submissions, "20260131-120000-old")
    (run.folder / "config.json").write_text(
        json.dumps({"settings": {"preset": "tuned", "epochs": 3, "validation": "last"}})
    )
    figures = {"accuracy": 0.5, "n": 2, "interval": [0.1, 0.9]}
    (run.folder / "metrics.json").write_text(
        json.dumps({"judged": figures, "members": [{"run": "a", "judged": None}]})
    )
    assert run.settings["split"] == "last"
    assert "validation" not in run.settings
    # A setting that is newer than the record has its default, not what the preset says today
    assert (run.settings["views"], run.settings["normalization"]) == (1, [])
    assert run.metrics == {
        "keras_test": figures,
        "members": [{"run": "a", "keras_test": None}],
    }


def test_a_file_of_settings_may_use_the_words_of_the_first_form(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"preset": "baseline", "validation": "last"}')
    assert read_settings(path) == {"preset": "baseline", "split": "last"}


def test_a_committees_members_are_found_beside_it_or_named(submissions: Path) -> None:
    members = [complete(submissions, f"20260131-12000{i}-m") for i in range(2)]
    committee = complete(submissions, "20260131-120009-c")
    names = [run.name for run in members]
    (committee.folder / "config.json").write_text(json.dumps({"committee": names}))
    assert members_of(committee) == members
    assert members_of(members[0]) == []
    (members[1].folder / "metrics.json").unlink()
    with pytest.raises(DataError, match=names[1]) as raised:
        members_of(Run(committee.folder))
    assert raised.value.exit_code == 3
