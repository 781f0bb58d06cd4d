"""The report: its figures are the run's, and it is made whatever is missing."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import HISTORY, make_run

from kit.data.digits import Source
from kit.errors import DataError
from kit.evaluation.judging import judge_validation
from kit.evaluation.report import Facts, write_report
from kit.metrics import Accuracy, compare
from kit.runs import Run
from kit.training.committee import make_committee

OLD_RUNS = Path(__file__).parents[1] / "old_runs"


@pytest.fixture(scope="module")
def project(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(small_kaggle, folder / "data" / "kaggle")
    return folder


@pytest.fixture(scope="module")
def made(project: Path) -> Run:
    return make_run(project, seed=1)


@pytest.fixture(scope="module")
def other(project: Path) -> Run:
    """A better run, which held out other rows."""
    return make_run(project, "other", wrong=0.05, seed=2, split="stratified")


@pytest.fixture(scope="module")
def folded(project: Path) -> Run:
    members = [make_run(project, f"fold-{i}", seed=i, split_seed=1, fold=(i, 3)) for i in (1, 2, 3)]
    return make_committee(members, project / "submissions", "folded")


def report(*runs: Run, attempts: list[Facts] | None = None, data: Path | None = None) -> Any:
    """The facts and the page, as HTML and as the text that a reader sees."""
    path = runs[0].folder / "report.html"
    facts = write_report(runs, path, lambda run: attempts or [], data)
    html = path.read_text()
    path.unlink()
    body = html.partition("<body>")[2]
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())
    return facts, html, text


@pytest.fixture(scope="module")
def reported(made: Run) -> Any:
    return report(made)


def predictions(run: Run) -> dict[str, Any]:
    with np.load(run.folder / "probabilities.npz") as file:
        return dict(file)


def copy_of(run: Run, folder: Path) -> Run:
    return Run(shutil.copytree(run.folder, folder / "submissions" / run.name))


def test_accuracies_are_those_of_the_record(made: Run, reported: Any) -> None:
    facts, _, text = reported
    (told,) = facts["runs"]
    assert told["left_out"] == []
    for kind in ("validation", "keras_test"):
        recorded = made.metrics[kind]
        accuracy = told["judged"][kind]["accuracy"]
        assert (accuracy["accuracy"], accuracy["n"]) == (recorded["accuracy"], recorded["n"])
        low, high = recorded["interval"]
        assert accuracy["interval"] == (low, high)
        assert text.count(f"{recorded['accuracy']:.2%}") >= 2
        assert f"{low:.2%} to {high:.2%}" in text
    assert made.metrics["validation"]["n"] == 300
    for words in (
        "The preset baseline, trained for 2 epochs on 1,200 of the 1,500 digits",
        "It took 75 s, 4 s of them for training.",
        "kaggle/train.csv",
        made.config["versions"]["keras"],
        made.config["data"]["train"]["fingerprint"][:12],
    ):
        assert words in text
    # Whoever gets the page need not know where this machine keeps its files
    assert str(made.folder.parents[1]) not in unescape(reported[1])


def test_confusion_and_mistakes_are_those_of_the_predictions(
    made: Run, mnist: Source, reported: Any
) -> None:
    told = reported[0]["runs"][0]["judged"]["keras_test"]
    labels = mnist.test.labels
    assert labels is not None
    probabilities = predictions(made)["keras_test"]
    certainty, read = probabilities.max(axis=1), probabilities.argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    for truth, digit in zip(labels, read, strict=True):
        confusion[truth, digit] += 1
    assert told["confusion"] == confusion.tolist()
    assert f">{confusion[3, 8]}</td>" in reported[1]
    wrong = sorted(np.flatnonzero(read != labels), key=lambda row: -certainty[row])
    assert told["n_mistakes"] == len(wrong)
    assert [each["row"] for each in told["mistakes"]] == [row + 1 for row in wrong[:24]]
    first = told["mistakes"][0]
    assert (first["label"], first["predicted"]) == (labels[wrong[0]], read[wrong[0]])
    assert first["certainty"] == certainty[wrong[0]]
    np.testing.assert_array_equal(first["pixels"], mnist.test.pixels[wrong[0]])
    unsure = np.argsort(certainty)[:12]
    assert [each["certainty"] for each in told["unsure"]] == certainty[unsure].tolist()
    for each in told["unsure"]:
        assert each["second_certainty"] == sorted(probabilities[each["row"] - 1])[-2]
    found = told["digits"][3]
    assert found["recall"] == confusion[3, 3] / confusion[3].sum()
    assert f"{found['recall']:.2%}" in reported[2]


def test_calibration_error_is_the_mean_gap_of_the_tenths(made: Run, reported: Any) -> None:
    told = reported[0]["runs"][0]["judged"]["validation"]
    judged = judge_validation(made)
    right = judged.predicted == judged.labels
    gap = 0.0
    for low in np.arange(10) / 10:
        inside = (judged.certainty > low) & (judged.certainty <= low + 0.1)
        gap += abs(float((judged.certainty[inside] - right[inside]).sum())) / len(right)
    assert told["calibration_error"] == pytest.approx(gap, abs=1e-6)
    assert f"Expected calibration error: {gap:.2%}" in reported[2]


def test_learning_curve_is_the_history(reported: Any) -> None:
    (history,) = reported[0]["runs"][0]["histories"]
    assert history["columns"] == {
        "epoch": [1, 2], "loss": [1.25, 0.5], "accuracy": [0.625, 0.875], "val_loss": [0.75, 0.375],
        "val_accuracy": [0.8125, 0.9375], "learning_rate": [0.01, 0.001],
    }  # fmt: skip
    assert "2 0.5000 87.50% 0.3750 93.75% 0.001000" in reported[2]
    drawn = re.findall(r"image/svg\+xml;base64,([^\"]+)", reported[1])
    loss = base64.b64decode(drawn[0]).decode()
    assert ">training<" in loss
    assert ">validation<" in loss


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_page_needs_nothing_but_itself(reported: Any) -> None:
    html = reported[1]
    page = _Page()
    page.feed(html)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed", "form", "base"}
    for tag, given in page.tags:
        assert not [name for name in given if name.startswith("on") or name == "style"]
        if tag == "img":
            assert given["alt"]
        if tag == "th":
            assert given["scope"] in ("row", "col")
        for name in ("src", "srcset", "href"):
            assert given.get(name, "#").startswith(("#", "data:"))  # type: ignore[union-attr]
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;" in html
    assert "url(" not in style
    assert len(html) < 500_000


def test_a_users_text_is_shown_as_it_is(made: Run, tmp_path: Path) -> None:
    name = "20260131-120000-<script>alert('$x$ & {{ 1 }}')"
    run = Run(shutil.copytree(made.folder, tmp_path / "submissions" / name))
    config = json.loads((run.folder / "config.json").read_text())
    data = made.folder.parents[1] / "data" / "kaggle"
    config["data"]["train"]["origin"] = str(data / "<b>$y$</b>.csv")
    (run.folder / "config.json").write_text(json.dumps(config))
    message = "<img src=x onerror=alert(1)> $z$ &amp; “é”"
    attempt = {"ref": 7, "time": "2026-01-31T12:00:00Z", "status": "COMPLETE", "message": message,
               "public_score": "0.98765", "private_score": None, "reason": "$r$ <i>",
               "allow_overlap": False, "n_overlap": 0}  # fmt: skip
    _, html, text = report(run, attempts=[attempt], data=data)
    assert "<script" not in html
    assert "<img src=x" not in html
    for words in (name, message, "b>.csv", "$r$ <i>", "0.98765"):
        assert words in text
    assert f"<title>{name.replace('<', '&lt;')}" in html.replace("&gt;", ">").replace(
        "&#39;", "'"
    ).replace("&amp;", "&")


def test_a_name_that_is_no_utf8_is_written(made: Run, tmp_path: Path) -> None:
    name = b"20260131-120000-\xff".decode("utf-8", "surrogateescape")
    run = Run(shutil.copytree(made.folder, tmp_path / name))
    assert r"20260131-120000-\udcff" in report(run)[2]


def test_disagreements_are_those_of_the_members(project: Path, made: Run, other: Run) -> None:
    # Their validation rows overlap in part
    run = make_committee([made, other], project / "submissions", "both")
    facts, _, text = report(run)
    told = facts["runs"][0]["disagreements"]
    one, two = (predictions(each)["keras_test"].argmax(axis=1) for each in (made, other))
    together = predictions(run)["keras_test"]
    apart = np.flatnonzero(one != two)
    assert told["disputed"]["n"] == len(apart)
    assert told["agreed"]["n"] == 10_000 - len(apart)
    shown = apart[np.argsort(together.max(axis=1)[apart], kind="stable")][:24]
    assert [each["row"] for each in told["pictures"]] == (shown + 1).tolist()
    assert told["pictures"][0]["readings"] == [one[shown[0]], two[shown[0]]]
    for member in (made, other):
        assert f"{member.name} baseline {member.metrics['seed']}" in text
        assert f"{member.metrics['keras_test']['accuracy']:.2%}" in text
    assert len(facts["runs"][0]["histories"]) == 2


def test_suspects_of_a_run_with_folds(folded: Run, project: Path) -> None:
    facts, _, text = report(folded)
    judged = judge_validation(folded)
    found = judged.rank_suspects().tolist()
    told = facts["runs"][0]["suspects"]
    assert told["n"] == len(found) > 24
    for each, i in zip(told["pictures"], found[:24], strict=True):
        np.testing.assert_array_equal(each["pixels"], judged.digits.pixels[i])
        expected = [i + 1, judged.labels[i], judged.predicted[i], judged.certainty[i]]
        assert [each[key] for key in ("row", "label", "predicted", "certainty")] == expected
    assert f"In {len(found)} training rows, the network that has not seen the row reads" in text
    assert "one network of the 3 that has not seen it" in text
    assert "each read by one of its networks" in text


def test_kaggles_part_has_rows_estimate_and_score(made: Run, project: Path, reported: Any) -> None:
    text, told = reported[2], reported[0]["runs"][0]["submission"]
    assert (told["file"], told["rows"]) == ("submission.csv", 300)
    assert "submission.csv has 300 rows. Kaggle wants 28,000 and would refuse it." in text
    validation = made.metrics["validation"]
    low, high = validation["interval"]
    interval = f"(95% interval {low:.4f} to {high:.4f})"
    assert f"expected score is {validation['accuracy']:.4f} {interval}, from 300 rows" in text
    labels = [line.split(",")[1] for line in (made.folder / "submission.csv").read_text().split()]
    solution = (project / "data" / "kaggle" / "solution.csv").read_text().split()
    right = sum(a == b.split(",")[1] for a, b in zip(labels[1:], solution[1:], strict=True))
    assert told["score"] == asdict(Accuracy.from_counts(right, 300))
    assert f"{right / 300:.5f}" in text
    assert "It was not submitted from this folder." in text


def test_overlap_would_be_refused(made: Run, tmp_path: Path) -> None:
    run = copy_of(made, tmp_path)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    metrics["overlap"]["test"]["n_overlap"] = 257
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    text = report(run)[2]
    assert "kit submit refuses it: the run was trained on 257 of the 300 images" in text
    assert "expected score" not in text


def test_two_runs_are_compared_on_what_neither_was_trained_on(made: Run, other: Run) -> None:
    facts, _, text = report(made, other)
    (pair,) = facts["pairs"]
    right, keys = [], []
    for run in (made, other):
        held_out = judge_validation(run)
        keras = predictions(run)["keras_test"].argmax(axis=1) == _keras_labels()
        of_rows = dict(
            zip(held_out.rows.tolist(), held_out.predicted == held_out.labels, strict=True)
        )
        keys.append(of_rows)
        right.append(keras)
    shared = sorted(keys[0].keys() & keys[1].keys())
    assert 0 < len(shared) < 300
    both = np.array([[*right[i], *(keys[i][row] for row in shared)] for i in (0, 1)], bool)
    expected = compare(both[:1], both[1:])
    assert pair["n"] == 10_000 + len(shared)
    assert pair["difference"] == pytest.approx(expected["difference"])
    assert pair["p_value"] == pytest.approx(expected["p_value"])
    assert pair["n_only_first"] == int((both[0] & ~both[1]).sum())
    assert pair["n_only_second"] == int((both[1] & ~both[0]).sum())
    assert all(each["label"] != each["predicted"] for each in pair["pictures"][1])
    certainties = [each["certainty"] for each in pair["pictures"][1]]
    assert certainties == sorted(certainties, reverse=True)
    assert f"{other.name} is better: the difference of" in text
    assert "p < 0.0001" in text


def _keras_labels() -> Any:
    from kit.data.mnist import load_keras

    return load_keras().test.labels


def test_images_of_two_sources_are_matched_by_their_bytes(
    made: Run, project: Path, mnist: Source
) -> None:
    # Of MNIST's training rows the second run holds out the first 600, the first one others
    keras = make_run(project, "keras", source="keras", data=None, split="stratified", seed=4)
    (pair,) = report(made, keras)[0]["pairs"]
    kaggle_rows = set(judge_validation(made).digits.keys)
    shared = kaggle_rows & set(judge_validation(keras).digits.keys)
    assert 0 < len(shared) < len(kaggle_rows)
    assert pair["n"] == 10_000 + len(shared)


def test_runs_without_a_common_image_are_not_compared(project: Path, made: Run) -> None:
    blind = make_run(project, "blind", mnist=False, validation_fraction=0)
    facts, _, text = report(made, blind)
    assert facts["pairs"] == [{"first": made.name, "second": blind.name, "n": 0}]
    assert "so they cannot be compared" in text
    assert "No row was held out for validation." in text
    assert "No image is left to expect a score from." in text
    (left_out,) = facts["runs"][1]["left_out"]
    assert left_out["section"] == "Keras test split"
    assert "git checkout data/mnist.npz" in text


def test_digits_that_have_moved(made: Run, tmp_path: Path) -> None:
    run = copy_of(made, tmp_path)
    facts, _, text = report(run)
    (left_out,) = facts["runs"][0]["left_out"]
    assert left_out["section"] == "validation rows"
    assert f"The validation rows. {tmp_path}" in text
    # The accuracy is in the record
    assert f"{made.metrics['validation']['accuracy']:.2%}" in text
    facts, _, _ = report(run, data=made.folder.parents[1] / "data" / "kaggle")
    assert facts["runs"][0]["left_out"] == []
    assert facts["runs"][0]["submission"]["score"]["n"] == 300


@pytest.mark.parametrize(
    ("file", "content", "sections"),
    [
        ("history.csv", None, ["learning curve"]),
        ("history.csv", HISTORY.splitlines()[0], ["learning curve"]),
        ("history.csv", "epoch,loss\n1,x\n", ["learning curve"]),
        ("submission.csv", "ImageId,Label\n1,eleven\n", ["submission"]),
        ("probabilities.npz", "", ["Keras test split", "validation rows"]),
    ],
)
def test_a_missing_or_broken_file_costs_its_section(
    file: str, content: str | None, sections: list[str], made: Run, project: Path, tmp_path: Path
) -> None:
    run = copy_of(made, tmp_path)
    (run.folder / file).unlink()
    if content is not None:
        (run.folder / file).write_text(content)
    facts, _, text = report(run, data=project / "data" / "kaggle")
    left_out = facts["runs"][0]["left_out"]
    assert [each["section"] for each in left_out] == sections
    for each in left_out:
        assert each["remedy"] in text


def test_a_member_that_is_gone_and_a_damaged_receipt(folded: Run, tmp_path: Path) -> None:
    run = copy_of(folded, tmp_path)

    def read_receipt(run: Run) -> list[Facts]:
        raise DataError(f"{run.folder}: not a receipt.", "Move it away.")

    facts = write_report([run], tmp_path / "it.html", read_receipt)
    sections = {each["section"] for each in facts["runs"][0]["left_out"]}
    assert sections == {
        "learning curve", "validation rows", "disagreements of the members", "receipt",
    }  # fmt: skip
    assert "Move it away." in (tmp_path / "it.html").read_text()


def test_an_old_run_and_an_old_committee(tmp_path: Path) -> None:
    submissions = tmp_path / "submissions"
    for name in ("20260131-120000-old", "20260131-120200-twin"):
        shutil.copytree(OLD_RUNS / "complete", submissions / name)
    committee = shutil.copytree(OLD_RUNS / "committee", submissions / "20260131-120300-committee")
    for file in ("probabilities.npz", "submission.csv"):
        shutil.copy(OLD_RUNS / "complete" / file, committee)
    facts, _, text = report(Run(submissions / "20260131-120000-old"))
    assert [each["section"] for each in facts["runs"][0]["left_out"]] == ["validation rows"]
    assert facts["runs"][0]["judged"]["keras_test"]["accuracy"]["accuracy"] == 0.3687
    assert "36.67%" in text
    facts, _, text = report(Run(committee))
    assert "They disagree nowhere." in text
    assert "width 20, slant" in text


def test_a_run_that_has_seen_the_whole_split(made: Run, tmp_path: Path) -> None:
    run = copy_of(made, tmp_path)
    arrays = predictions(run)
    arrays["keras_test_seen"][:] = True
    np.savez(run.folder / "probabilities.npz", **arrays)
    left_out = report(run)[0]["runs"][0]["left_out"]
    assert "trained or validated on all of its images" in left_out[0]["what"]


def test_it_loads_neither_tensorflow_nor_keras(made: Run, tmp_path: Path) -> None:
    script = (
        "import sys; from kit.cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'tensorflow', 'keras', 'kaggle', 'pandas', 'matplotlib.pyplot'};"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, "report", str(made.folder), "--output"]
    ended = subprocess.run(
        [*command, str(tmp_path / "r.html")], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines() == [str(tmp_path / "r.html"), "0 []"]
    assert ended.stderr == ""
