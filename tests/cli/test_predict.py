"""kit predict: photos that a run has not seen, what is printed, and what is said of bad files."""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from command_line import Ended, Kit, run_in
from test_old_runs import COMPLETE, copy_run
from test_pictures import plain, terminal
from written_digits import KINDS, take_photo

from kit.cli.main import run
from kit.data.digits import Digits, Source
from kit.data.photos import read_images
from kit.training.backend import load_backend

load_backend()

from kit.training.predictor import Predictor  # noqa: E402

PHOTOS = 200


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, mnist: Source) -> Path:
    """200 photos of the Keras test split: a file's name is its digit, its number and its kind."""
    folder = tmp_path_factory.mktemp("home") / "photos"
    folder.mkdir()
    assert mnist.test.labels is not None
    rows = np.random.default_rng(16).choice(len(mnist.test), PHOTOS, replace=False)
    for number, row in enumerate(rows.tolist()):
        kind = KINDS[number % len(KINDS)]
        photo = take_photo(mnist.test.pixels[row], kind, number)
        (folder / f"{mnist.test.labels[row]} {number} {kind}.jpg").write_bytes(photo)
    return folder


def test_a_quick_run_reads_photos_that_it_has_not_seen(photos: Path) -> None:
    trained = run_in(photos.parent, "train", "--preset", "quick", "--epochs", "4", "--json")
    assert trained.exit_code == 0, trained.stderr
    ended = run_in(photos.parent, "predict", "photos", "--json", "--save", "seen.npz")
    told, wrong = ended.json["images"], defaultdict(list)
    for image in told:
        name = Path(image["picture"]).stem
        if image["digit"] != int(name[0]):
            wrong[name.split(" ", 2)[2]].append(name)
    failures = ended.json["failures"]
    assert len(told) + len(failures) == PHOTOS
    missed = len(failures) + sum(map(len, wrong.values()))
    assert missed <= 0.03 * PHOTOS, (dict(wrong), failures)
    with np.load(photos.parent / "seen.npz") as file:
        assert file["images"].shape == (len(told), 28, 28)
        assert file["images"].dtype == np.uint8


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A run that reads digits badly, but is there at once."""
    copy_run("complete", tmp_path / "submissions" / COMPLETE, tmp_path)
    return tmp_path / "submissions" / COMPLETE


@pytest.fixture
def written(tmp_path: Path, mnist: Source) -> Path:
    """A folder of two photos and of what is no photo."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number, kind in enumerate(("white paper", "squared paper")):
        photo = take_photo(mnist.train.pixels[number], kind, number)
        (folder / f"{number}.jpg").write_bytes(photo)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_what_is_read_is_told_as_a_table_as_json_and_as_images(
    kit: Kit, old_run: Path, written: Path, tmp_path: Path
) -> None:
    files = ["mine/0.jpg", "mine/1.jpg"]
    pixels = np.concatenate([read_images(tmp_path / file) for file in files])
    probabilities = Predictor.load(old_run).predict(Digits(pixels, None, ""))
    digits, sure = probabilities.argmax(axis=1).tolist(), probabilities.max(axis=1)
    ended = kit("predict", "mine")
    assert (ended.exit_code, ended.stderr.count("\n")) == (0, 0), ended.stderr
    table = [line.split("\t") for line in ended.stdout.splitlines()]
    expected = zip(files, map(str, digits), (f"{share:.1%}" for share in sure), strict=True)
    assert table == [["picture", "digit", "sure"], *map(list, expected)]

    ended = kit("predict", *files, "--run", COMPLETE, "--json", "--save", "seen.npz")
    assert ended.json["run"] == COMPLETE
    assert ended.json["failures"] == []
    assert [image["picture"] for image in ended.json["images"]] == files
    assert [image["digit"] for image in ended.json["images"]] == digits
    for image, row in zip(ended.json["images"], probabilities, strict=True):
        np.testing.assert_allclose(image["probabilities"], row, atol=1e-5)
        assert image["sure"] == max(image["probabilities"])
    with np.load(tmp_path / "seen.npz") as file:
        np.testing.assert_array_equal(file["images"], pixels.reshape(-1, 28, 28))

    # Those images are read again as they are
    ended = kit("predict", "seen.npz", "--json")
    assert [image["picture"] for image in ended.json["images"]] == ["seen.npz[0]", "seen.npz[1]"]
    assert [image["digit"] for image in ended.json["images"]] == digits


def test_a_person_sees_what_the_network_saw(
    old_run: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    with terminal(80) as shown:
        assert run(["predict", "mine"]) == 0
        *lines, captions, _ = plain(shown())
    assert all(set(line) <= {"▀", " "} for line in lines[-14:])
    with terminal(80) as shown:
        assert run(["predict", "mine", "--json"]) == 0
        (line,) = shown()
    told = json.loads(line)["images"]
    assert [each["picture"] for each in told] == ["mine/0.jpg", "mine/1.jpg"]
    assert captions.split() == [x for each in told for x in (f"{each['digit']}:", each["picture"])]


def lines(ended: Ended) -> list[str]:
    return [line for line in ended.stderr.splitlines() if not line.endswith("…")]


def test_good_pictures_are_read_beside_bad_ones(
    kit: Kit, old_run: Path, written: Path, tmp_path: Path
) -> None:
    (written / "a.png").write_bytes(b"")
    (written / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    ended = kit("predict", "mine", "--json")
    assert ended.exit_code == 3
    assert len(ended.json["images"]) == 2
    whats = [failure["what"] for failure in ended.json["failures"]]
    assert [what.split(":")[0] for what in whats] == ["mine/a.png", "mine/b.heic"]
    assert lines(ended)[::2] == whats
    assert len(lines(ended)) == 4


@pytest.mark.parametrize(
    ("arguments", "exit_code", "what"),
    [
        (("gone.png",), 3, "gone.png: there is no such file."),
        (("empty",), 3, "empty: there is no picture in this folder."),
        (("mine/0.jpg", "--run", "lost"), 2, "lost: no such run in submissions."),
        (("mine/notes.txt",), 3, "mine/notes.txt: not a picture that can be read"),
    ],
)
def test_what_a_user_can_do_wrong_is_answered_in_two_lines(
    arguments: tuple[str, ...], exit_code: int, what: str, kit: Kit, old_run: Path, written: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    ended = kit("predict", *arguments)
    assert (ended.exit_code, ended.stdout) == (exit_code, "")
    assert len(lines(ended)) == 2
    assert lines(ended)[0].startswith(what)


def test_a_missing_scikit_image_is_named(
    kit: Kit, old_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kit.data.cutting", "kit.data.photos"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "skimage", None)
    ended = kit("predict", "a.png")
    assert ended.exit_code == 2
    assert lines(ended)[1] == "Install it with: pip install 'digit-kit[images]'"
