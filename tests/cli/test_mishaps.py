"""What a user can meet that is no bug of the kit."""

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import KIT, Kit

from kit.config import make_config
from kit.errors import TrainingError, UsageError
from kit.training.backend import memory_errors

TRAIN = ("train", "--preset", "baseline", "--hidden", "8", "--batch-size", "2000", "--epochs", "1")


@pytest.mark.parametrize(("file", "rows"), [("test.csv", 300), ("train.csv", 0)])
def test_kerass_arrays_need_no_more_of_kaggle_than_test_csv(
    kit: Kit, small_kaggle: Path, tmp_path: Path, file: str, rows: int
) -> None:
    (tmp_path / "data" / "kaggle").mkdir(parents=True)
    shutil.copy(small_kaggle / file, tmp_path / "data" / "kaggle")
    ended = kit(*TRAIN, "--json")
    assert ended.exit_code == 0, ended.stderr
    assert ended.json["rows"]["test"] == rows
    assert (ended.json["submission"] is None) == (rows == 0)


# With one step in all, no loss comes after it
@pytest.mark.parametrize("more", [[], ["--members", "2"], ["--epochs", "1"]])
def test_a_training_that_diverges_is_no_bug(
    kit: Kit, small_kaggle: Path, tmp_path: Path, more: list[str]
) -> None:
    ended = kit(*TRAIN, "--source", "kaggle", "--data", small_kaggle, "--epochs", "3",
                "--learning-rate", "1e38", *more)  # fmt: skip
    assert ended.exit_code == 8
    assert "has diverged" in ended.stderr.splitlines()[-2]
    assert list((tmp_path / "submissions").iterdir()) == []


@pytest.mark.parametrize("backend", ["nonsense", "torch"])
def test_a_backend_that_is_not_there_is_named_before_a_run_begins(
    kit: Kit, tmp_path: Path, backend: str
) -> None:
    ended = kit(*TRAIN, KERAS_BACKEND=backend)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("KERAS_BACKEND: ")
    assert not (tmp_path / "submissions").exists()


def test_a_folder_whose_name_is_no_text_is_read(
    kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    data = tmp_path / os.fsdecode(b"digits \xe9")
    data.symlink_to(small_kaggle)
    ended = kit(*TRAIN, "--source", "kaggle", "--data", data)
    assert ended.exit_code == 0, ended.stderr
    assert kit("validate").exit_code == 0


def test_ctrl_c_while_the_kit_starts_leaves_no_traceback() -> None:
    for wait in (0.03, 0.06, 0.12, 0.2):
        process = subprocess.Popen([KIT, "check", "gone.csv"], stderr=subprocess.PIPE, text=True)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        assert "kit/cli" not in process.communicate()[1], wait


def test_a_wrong_setting_deals_no_rehearsal(kit: Kit, tmp_path: Path) -> None:
    assert kit("rehearse", "--preset", "huge").exit_code == 2
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("members", [[], ["--members", "2"]])
def test_a_network_that_no_memory_holds_is_no_bug(
    members: list[str], kit: Kit, small_kaggle: Path, tmp_path: Path
) -> None:
    ended = kit("train", "--preset", "baseline", "--source", "kaggle", "--data", small_kaggle,
                "--hidden", "700000", "--hidden", "700000", *members)  # fmt: skip
    assert ended.exit_code == 8, ended.stderr
    what, remedy = ended.stderr.splitlines()[-2:]
    # The weights alone take 4 bytes each, and their gradients as much
    assert "700000, 700000" in what
    assert float(re.findall(r"([\d,.]+) GB", what)[0].replace(",", "")) >= 8 * 7e5**2 / 1e9
    assert "--hidden" in remedy
    assert list((tmp_path / "submissions").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("ResourceExhaustedError", "OOM when allocating tensor with shape[20000,20000] [Op:AddV2]"),
        ("InternalError", "Failed copying input tensor. Dst tensor is not initialized."),
        ("InternalError", "failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED"),
        ("JaxRuntimeError", "INTERNAL: Error dispatching computation: Out of memory allocating 4"),
        ("XlaRuntimeError", "RESOURCE_EXHAUSTED: Failed to allocate request for 176.00MiB"),
        ("RuntimeError", "Failed to load in-memory CUBIN: CUDA_ERROR_OUT_OF_MEMORY"),
        ("RuntimeError", "Resource exhausted: Out of memory while trying to allocate 16 bytes."),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 MiB"),
        ("_ArrayMemoryError", "Unable to allocate 14.6 TiB for an array"),
        ("Other", "found 3 columns"),
    ],
)
def test_each_librarys_words_for_memory_that_ran_out_are_known(kind: str, words: str) -> None:
    error = type(kind, (Exception,), {})
    with (
        pytest.raises(error if kind == "Other" else TrainingError),
        memory_errors(make_config({"preset": "baseline"})),
    ):
        raise error(words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_that_a_library_makes_an_error_of_is_one_all_the_same(
    number: int, code: int, kit: Kit, small_kaggle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        # Nothing is raised here: C++ may be what called Python
        signal.raise_signal(number)
        raise UsageError("initialization failed", "Reinstall it.")

    with monkeypatch.context() as patched:
        patched.setattr("kit.training.train.load_backend", load)
        ended = kit(*TRAIN, "--source", "kaggle", "--data", small_kaggle, "--submissions", "here")
        assert ended.exit_code == code
        assert "initialization" not in ended.stderr
        # A process of its own would have ended here, and left the run's lock
        gc.collect()
        # By its folder, the run is found from anywhere
        (draft,) = Path("here").glob(".2*")
        ended = kit("train", "--resume", draft)
        assert ended.exit_code == code
        gc.collect()
    command = ended.stderr.splitlines()[-1].partition("Go on with: kit ")[2]
    assert kit(*command.split()).exit_code == 0


@pytest.fixture(scope="module")
def ended_by_ctrl_c(
    small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A project whose run was ended by Ctrl-C after its state was saved, and the run's name."""
    project = tmp_path_factory.mktemp("ended") / "project"
    shutil.copytree(small_kaggle, project / "data" / "kaggle")
    process = subprocess.Popen(
        [KIT, *TRAIN, "--epochs", "5000", "--source", "kaggle", "--data", "data/kaggle"],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not list(project.glob("submissions/.*/state.npz")):
        time.sleep(0.05)
    told = time.monotonic()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert time.monotonic() - told < 10
    assert stdout == ""
    (draft,) = (project / "submissions").iterdir()
    run = draft.name.removeprefix(".")
    assert stderr.splitlines()[-1] == f"Interrupted. Go on with: kit train --resume {run}"
    assert "Traceback" not in stderr
    return project, run


@pytest.fixture
def interrupted(ended_by_ctrl_c: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy of that project, for one test alone."""
    return shutil.copytree(ended_by_ctrl_c[0], tmp_path / "project"), ended_by_ctrl_c[1]


def test_an_interrupted_run_is_hidden_and_has_no_file_that_is_half_written(
    interrupted: tuple[Path, str], kit: Kit
) -> None:
    submissions = interrupted[0] / "submissions"
    draft = submissions / f".{interrupted[1]}"
    assert list(submissions.iterdir()) == [draft]
    assert {path.name for path in draft.iterdir()} <= {"config.json", "lock", "state.npz"}
    assert json.loads((draft / "config.json").read_text())["settings"]["epochs"] == 5000
    here = ("--submissions", submissions)
    assert kit("history", "--offline", "--json", *here).json["history"] == []
    assert f"{submissions}: no run there yet." in kit("validate", *here).stderr


def test_a_run_goes_on_where_its_project_was_moved(
    interrupted: tuple[Path, str], kit: Kit, tmp_path: Path
) -> None:
    project, run = interrupted
    moved = project.rename(tmp_path / "elsewhere")
    config = moved / "submissions" / f".{run}" / "config.json"
    assert str(project) not in config.read_text()
    record = json.loads(config.read_text())
    config.write_text(json.dumps({**record, "settings": {**record["settings"], "epochs": 2}}))
    submissions = ("--submissions", moved / "submissions")
    # From another folder, on another backend: the digits would be others
    ended = kit("train", "--resume", run, *submissions, KERAS_BACKEND="jax")
    assert ended.exit_code == 2
    assert "tensorflow" in ended.stderr
    (moved / "data").rename(moved / "digits")
    assert kit("train", "--resume", run, *submissions).exit_code == 3
    ended = kit("train", "--resume", run, *submissions, "--data", moved / "digits" / "kaggle")
    assert ended.exit_code == 0, ended.stderr
    settings = json.loads((moved / "submissions" / run / "config.json").read_text())["settings"]
    assert settings["data"] == "digits/kaggle"


@pytest.mark.parametrize("file", ["train.csv", "test.csv"])
def test_resume_takes_only_the_digits_that_the_run_began_with(
    file: str, interrupted: tuple[Path, str], kit: Kit, tmp_path: Path
) -> None:
    project, run = interrupted
    other = shutil.copytree(project / "data" / "kaggle", tmp_path / "other")
    lines = (other / file).read_text().splitlines(keepends=True)
    (other / file).write_text("".join(lines[:-1]))
    submissions = ("--submissions", project / "submissions")
    ended = kit("train", "--resume", run, *submissions, "--data", other)
    assert ended.exit_code == 3
    assert ended.stderr.splitlines()[-2].startswith(f"{other / file}: not the digits that")
    config = project / "submissions" / f".{run}" / "config.json"
    assert json.loads(config.read_text())["rows"]["test"] == 300


@pytest.mark.parametrize(
    ("content", "exit_code", "words"),
    [
        # Keras takes these as it is loaded
        ('{"floatx": "float16", "epsilon": 0.01, "image_data_format": "channels_first"}', 0, ()),
        ('{"backend": "torch"}', 2, ("keras.json", "torch", "Installed: tensorflow")),
        ('{"backend": "cntk"}', 2, ("keras.json", "cntk", "Installed: tensorflow")),
    ],
)
def test_keras_json_decides_the_backend_and_nothing_else(
    content: str, exit_code: int, words: tuple[str, ...], kit: Kit, small_kaggle: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "keras.json").write_text(content)
    command = (*TRAIN, "--source", "kaggle", "--data", small_kaggle, "--epochs", "2", "--json")
    ended = kit(*command, KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert ended.exit_code == exit_code, ended.stderr
    for word in words:
        assert word in ended.stderr
    if exit_code:
        assert not [*tmp_path.glob("submissions/*"), *tmp_path.glob("submissions/.*")]
        return
    # Here, Keras has been loaded without such a file; MNIST may lie beside it
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    usual = kit(*command)
    one, two = (tmp_path / "submissions" / each.json["run"] for each in (ended, usual))
    for file in ("submission.csv", "probabilities.npz"):
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_a_keras_json_that_is_no_json_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text("{not JSON")
    program = (
        "from kit.training.backend import load_backend; load_backend(); "
        "import keras; print(keras.backend.backend(), keras.config.floatx())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=os.environ | {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""},
    )  # fmt: skip
    assert ended.stdout == "tensorflow float32\n"


def test_a_preset_is_no_mere_name_of_the_settings_of_a_record(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"epochs": 3}')
    ended = kit("train", "--config", "mine.json", "--preset", "quick")
    assert ended.exit_code == 2
    assert ended.stderr.startswith("--preset and --config each give settings.")
    assert not (tmp_path / "submissions").exists()


def test_a_reader_that_goes_away_ends_a_command_with_141(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [KIT, "check", "--help"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert process.wait() == 141
