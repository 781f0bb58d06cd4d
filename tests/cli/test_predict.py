from pathlib import Path

import numpy as np
from command_line import Kit
from PIL import Image

from kit.data.digits import Source

TINY = ("--preset", "quick", "--hidden", "32", "--epochs", "1", "--views", "1")


def test_pictures_are_read_saved_and_told(
    kit: Kit, small_kaggle: Path, mnist: Source, tmp_path: Path
) -> None:
    trained = kit("train", *TINY, "--source", "kaggle", "--data", small_kaggle, "--json")
    assert trained.exit_code == 0, trained.stderr
    folder = tmp_path / "pictures"
    folder.mkdir()
    np.save(folder / "digits.npy", mnist.test.pixels[:3])
    paper = np.pad(255 - mnist.test.pixels[0].reshape(28, 28), 10, constant_values=255)
    Image.fromarray(paper).resize((240, 240), Image.Resampling.BICUBIC).save(folder / "seven.png")
    ended = kit("predict", folder, "--save", "seen.npz", "--json")
    assert ended.exit_code == 0, ended.stderr
    read = ended.json["images"]
    assert [Path(each["picture"]).name for each in read] == [
        "digits.npy[0]", "digits.npy[1]", "digits.npy[2]", "seven.png",
    ]  # fmt: skip
    for each in read:
        assert each["sure"] == max(each["probabilities"])
        assert each["digit"] == np.argmax(each["probabilities"])
    # Cut out of its picture, it is nearly the image that it was
    with np.load("seen.npz") as seen:
        assert seen["images"].shape == (4, 28, 28)
        np.testing.assert_array_equal(seen["images"][:3].reshape(3, 784), mnist.test.pixels[:3])
        assert np.corrcoef(seen["images"][3].ravel(), mnist.test.pixels[0])[0, 1] > 0.8

    # The others are read nevertheless
    (folder / "broken.png").write_bytes(b"\x89PNG cut off")
    ended = kit("predict", folder, "--run", trained.json["run"])
    assert ended.exit_code == 3
    what, remedy = ended.stderr.splitlines()[-2:]
    assert "broken.png: not a picture that can be read" in what
    assert remedy.startswith("Name a PNG, JPEG or WebP file")
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    assert lines[0] == ["picture", "digit", "sure"]
    assert [line[1] for line in lines[1:]] == [str(each["digit"]) for each in read]
