"""`import kit`: what a notebook uses, loaded when it is first used."""

import dataclasses
import doctest
import itertools
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from hatchling.builders.wheel import WheelBuilder
from nbclient import NotebookClient

import kit
from kit.cli.progress import training_bar
from kit.data.rehearsal import make_rehearsal
from kit.errors import DataError, KitError, UsageError
from kit.evaluation.judging import judge_keras_test, judge_validation
from kit.local_kaggle.app import LocalKaggle
from kit.training.callback import Callback, Epoch

ROOT = Path(__file__).parents[1]
SMALL: dict[str, Any] = {"preset": "baseline", "hidden": (16,), "epochs": 2}
SHORT = 'preset="baseline", hidden=(16,), epochs=2'
LOADED = """
import sys
import kit
heavy = {"tensorflow", "keras", "numpy", "pandas", "pydantic", "kaggle"}
heavy |= {"matplotlib", "jinja2", "PIL", "rich", "typer"}
print(sorted(heavy & set(sys.modules)))
for name in set(kit.__all__) - {"Predictor"}:
    getattr(kit, name)
print(sorted({"tensorflow", "keras", "kaggle"} & set(sys.modules)))
kit.Predictor
print("keras" in sys.modules)
"""
BAR = """
from kit.cli.progress import training_bar
with training_bar("again") as bar:
    bar.on_committee_begin("a", 2)
    bar.on_member_begin(1)
    bar.on_run_begin("a-1", 2)
    bar.on_batches_end(2, 0.5, {"loss": 0.5})
"""
TYPED = """
import kit

data = kit.load_kaggle("data/kaggle")
run = kit.train(data, preset="quick", epochs=3)
best: float = run.history["val_accuracy"].max()
kit.show_mistakes(run, 10).savefig("mistakes.png")
kit.show_confusion(run).savefig("confusion.png")
labels = kit.predict(run, data.test[:8]).argmax(axis=1)
probabilities = kit.predict(kit.Run("submissions/RUN"), data.test.pixels.reshape(-1, 28, 28))
score: str | None = kit.submit(run, "a message").public_score
"""


@pytest.fixture(scope="module")
def trained(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A run of 1,500 digits that were gone when it was trained: they had been read before."""
    folder = tmp_path_factory.mktemp("trained")
    data = kit.load_kaggle(str(small_kaggle))
    small_kaggle.rename(folder / "away")
    try:
        return kit.train(data, str(folder / "submissions"), **SMALL)
    finally:
        (folder / "away").rename(small_kaggle)


def test_import_loads_nothing_heavy_before_it_is_needed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines() == ["[]", "[]", "True"]
    assert ended.stderr == ""


def test_names() -> None:
    assert set(kit.__all__) == {
        "load_keras", "load_kaggle", "TrainConfig", "train", "Run", "predict", "Predictor",
        "show_mistakes", "show_confusion", "check_submission", "submit",
    }  # fmt: skip
    assert set(kit.__all__) < set(dir(kit))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        kit.trian  # noqa: B018


def test_the_example_of_each_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = make_rehearsal(kit.load_keras(), 3, tmp_path)
    # Few digits to train on, but all that are to be predicted
    (tmp_path / "data" / "kaggle").mkdir(parents=True)
    (tmp_path / "data" / "kaggle" / "test.csv").symlink_to(files / "test.csv")
    with (files / "train.csv").open() as train:
        few = "".join(itertools.islice(train, 1 + 1_000))
    (tmp_path / "data" / "kaggle" / "train.csv").write_text(few)

    finder, names = doctest.DocTestFinder(recurse=False), {"kit": kit}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    with LocalKaggle(files, files / "solution.csv") as running:
        running.state.judging_seconds = 0.1
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        # One after another: `data` and `run` are those of the example of `train`
        for name in kit.__all__:
            (example,) = finder.find(getattr(kit, name), name)
            example.globs = names
            for line in example.examples:
                line.source = line.source.replace(
                    'data, preset="quick", epochs=3', f"data, {SHORT}"
                )
            ended = runner.run(example, clear_globs=False)
            assert ended.attempted > 0, f"{name} has no example"
            assert ended.failed == 0, name
        with pytest.raises(UsageError, match=r"submitted before as 40000000;(.|\n)*with --again"):
            kit.submit(names["run"])  # type: ignore[arg-type]
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_digits_train_the_same_as_a_config_that_names_them(
    trained: kit.Run, small_kaggle: Path, tmp_path: Path
) -> None:
    config = kit.TrainConfig(source="kaggle", data=small_kaggle, **SMALL)
    other = kit.train(config, tmp_path)
    assert trained.settings["data"] == str(small_kaggle)
    for key in ("settings", "data", "rows", "backend", "versions"):
        assert other.config[key] == trained.config[key]
    assert list(trained.history) == [field.name for field in dataclasses.fields(Epoch)]
    for column in trained.history.drop(columns="seconds"):
        assert other.history[column].tolist() == trained.history[column].tolist()
    # It finds its digits again
    assert judge_validation(trained).accuracy == judge_validation(other).accuracy


def test_a_notebook_predicts_and_checks(trained: kit.Run, small_kaggle: Path) -> None:
    digits = kit.load_kaggle(small_kaggle).test
    found = kit.Predictor.load(trained).predict(digits)
    checked = kit.check_submission(trained.folder / "submission.csv", rows=300)
    assert (checked.ok, checked.rows) == (True, 300)
    lines = (trained.folder / "submission.csv").read_text().splitlines()[1:]
    np.testing.assert_array_equal(found.argmax(axis=1), [int(line[-1]) for line in lines])
    assert found.dtype == np.float32
    # An array is predicted as its digits
    for images in (digits[:5], digits.images[:5]):
        np.testing.assert_array_equal(kit.predict(trained, images), found[:5])


@pytest.mark.parametrize(
    ("given", "n"), [({"members": 4}, 4), ({"folds": 5}, 5), ({"preset": "committee"}, 3)]
)
def test_members_and_folds_make_a_committee(
    given: dict[str, Any], n: int, small_kaggle: Path, tmp_path: Path
) -> None:
    class Began(Callback):
        def on_committee_begin(self, run: str, members: int) -> None:
            raise InterruptedError(members)

    with pytest.raises(InterruptedError, match=str(n)):
        kit.train(kit.load_kaggle(small_kaggle), tmp_path, Began(), **{**SMALL, **given})
    (draft,) = tmp_path.iterdir()
    plan = kit.Run(draft).config["plan"]
    assert {each["data"] for each in plan} == {str(small_kaggle)}
    assert [each["fold"] for each in plan] == [
        [i + 1, n] if "folds" in given else None for i in range(n)
    ]


@pytest.mark.parametrize(
    ("data", "settings", "what"),
    [
        (None, {"epochs": 3}, "a TrainConfig alone, found <class 'NoneType'>"),
        (kit.TrainConfig(), {"epochs": 3}, "a TrainConfig alone, found"),  # type: ignore[call-arg]
        ("source", {"epoch": 3}, "epoch: the kit has no such setting"),
        ("source", {"members": 2, "folds": 2}, "each make a committee"),
    ],
)
def test_what_cannot_be_trained(
    data: Any, settings: dict[str, Any], what: str, mnist: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=what):
        kit.train(mnist if data == "source" else data, tmp_path, **settings)


def test_an_error_is_two_lines() -> None:
    error: KitError = DataError("x.csv: no digits.", "Put them back.")
    assert str(error) == "x.csv: no digits.\nPut them back."


def test_mistakes_are_shown_the_most_certain_first(trained: kit.Run) -> None:
    judged = judge_keras_test(trained, kit.load_keras().test)
    figure = kit.show_mistakes(trained, 7)
    title = f"{len(judged.mistakes):,} mistakes in 10,000 images of the Keras test split"
    assert figure.get_suptitle() == title
    assert len(figure.axes) == 7
    for axes, i in zip(figure.axes, judged.mistakes, strict=False):
        shown = axes.images[0].get_array()
        assert shown is not None
        np.testing.assert_array_equal(shown.ravel(), judged.digits.pixels[i])
        assert axes.get_title() == (
            f"{judged.labels[i]} read as {judged.predicted[i]}\n{judged.certainty[i]:.2%} sure"
        )
    assert plt.get_fignums() == []


def test_confusion_on_the_rows_held_out_where_mnist_was_missing(
    trained: kit.Run, tmp_path: Path
) -> None:
    confusion, run = judge_validation(trained).confusion, kit.Run(trained.folder)
    run.metrics["keras_test"] = None
    figure = kit.show_confusion(run)
    (axes,) = figure.axes
    shown = [int(text.get_text() or 0) for text in axes.texts]
    assert shown == confusion.ravel().tolist()
    assert sum(shown) == 300
    accuracy = np.trace(confusion) / 300
    assert axes.get_title() == f"Accuracy {accuracy:.2%} on the rows held out"
    run.metrics["validation"] = {"n": 0}
    with pytest.raises(DataError, match="no digits with labels"):
        kit.show_confusion(run)


def test_a_bar_in_another_thread_leaves_signals_alone() -> None:
    failed: list[BaseException] = []

    def train() -> None:
        try:
            with training_bar("kit train --resume") as bar:
                bar.on_stage("Reading digits")
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert failed == []


class Recorder(NotebookClient):
    """Runs a notebook, and records what its bars showed."""

    shown: tuple[str, ...] = ()

    def process_message(self, message: Any, cell: Any, index: int) -> Any:
        if message["msg_type"] == "update_display_data":
            self.shown += (message["content"]["data"].get("text/html", "gone"),)
        return super().process_message(message, cell, index)


def test_a_notebook_shows_a_bar_the_run_and_each_figure_once(trained: kit.Run) -> None:
    load = f"import kit; run = kit.Run({str(trained.folder)!r})"
    sources = (BAR, f"{load}; run", "kit.show_confusion(run)")
    new: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    notebook: Any = nbformat.from_dict(  # type: ignore[no-untyped-call]
        {"cells": [{**new, "source": source} for source in sources], "metadata": {}}
    )
    client = Recorder(notebook, kernel_name="python3", resources={"metadata": {"path": ROOT}})
    client.execute()
    bar = r'<progress max="2" value="1.5"></progress>\nMember 1/2: Epoch 2/2 loss 0.5000'
    assert re.match(bar, client.shown[-2])
    assert client.shown[-1] == "gone"
    training, run, figure = (cell.outputs for cell in notebook.cells)
    told = "".join(output["text"] for output in training if output["output_type"] == "stream")
    assert told == "Committee a of 2; if it is interrupted: again a\nMember 1/2: run a-1\n"
    assert [set(output["data"]) for output in (*run, *figure)] == [
        {"text/plain", "text/html"}, {"text/plain", "image/png"},
    ]  # fmt: skip


def test_code_that_uses_the_api_is_typed(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(TYPED)
    cells = nbformat.read(ROOT / "docs" / "digit_recognizer.ipynb", 4).cells  # type: ignore[no-untyped-call]
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    (tmp_path / "notebook.py").write_text("\n\n".join(code))
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *tmp_path.glob("*.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "Success: no issues found in 2 source files\n", ended.stdout


def test_the_wheel_has_the_types_and_the_templates() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert "kit/py.typed" in packed
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "kit").rglob("*.jinja")}
    assert len(there) == 4
    assert there < packed
