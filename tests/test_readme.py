"""The README and docs/: their commands and programs, run with one epoch; links; numbers."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_kaggle import write_kaggle

import kit
from kit.cli.main import run
from kit.config import make_config
from kit.data.mnist import load_keras
from kit.data.rehearsal import make_rehearsal
from kit.local_kaggle.app import LocalKaggle

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    README,
    *(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))),
]
# Language and text of each block of code
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
]
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
]
PROGRAMS = [block for language, block in BLOCKS if language == "python"]
SETTINGS = [block for language, block in BLOCKS if language == "json"]
# Of each experiment, the base program's own value: that is trained once
VALUES = {"batch-size": "200", "units": "800"}
# The last value of an option counts, also where a page gives one: a second of training is enough.
# Batches of 200 divide the rows of every source; a smaller last one would be compiled on its own
SHORT = {
    "train": "--epochs 1 --batch-size 200 --views 1",
    "experiment": "--epochs 1 --source kaggle --data small --workers 1 --seeds 1 --values",
    "tune": "--epochs 1 --source kaggle --data small --trials 1 --preset quick --workers 1",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kaggle(home: Path) -> Iterator[dict[str, str]]:
    """Variables by which Kaggle is a rehearsal on this machine."""
    files = make_rehearsal(load_keras(), 3, home / "files")
    # Few digits to train on, but all that are to be predicted
    (home / "few").mkdir()
    (home / "few" / "test.csv").symlink_to(files / "test.csv")
    with (files / "train.csv").open() as train:
        (home / "few" / "train.csv").write_text("".join(itertools.islice(train, 1 + 2_000)))
    # The searches' own: of 500 digits, 400 are trained on, which every batch size divides
    write_kaggle(home / "small", 500, 20)
    with LocalKaggle(files, files / "solution.csv") as running:
        running.state.judging_seconds = 0.1
        yield running.environment() | {"HOME": str(home)}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("kit ")])
def test_command(
    command: str,
    home: Path,
    kaggle: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = sorted((home / "submissions").glob("2*"))
    # Every layer that a page names counts, so each gets few units or filters
    command = re.sub(r"--hidden \d+", "--hidden 32", command)
    command = re.sub(r"--conv \d+", "--conv 4", command)
    _, *arguments = command.replace("submissions/RUN", str(runs[-1] if runs else "")).split()
    arguments += [] if "--show" in arguments else SHORT.get(arguments[0], "").split()
    arguments += [VALUES[arguments[1]]] if arguments[0] == "experiment" else []
    if arguments[0] == "train" and "--hidden" not in arguments:
        arguments += ["--hidden", "32"]
    # The preset that is done soonest, where none is named
    if arguments[0] == "train" and not {"--preset", "--config", "--from-study"} & {*arguments}:
        arguments += ["--preset", "baseline"]
    if arguments[:3] == ["train", "--source", "kaggle"]:
        # Convolutions predict slowly, and that run is not submitted
        arguments += ["--data", "small" if "--conv" in arguments else "few"]
    for name, value in kaggle.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    # Not in a process of its own, which would load Keras anew
    assert run(arguments) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


def test_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # One after another: a later one reads the run that the first makes
    assert "kit.train(" in PROGRAMS[0]
    for program in PROGRAMS:
        short = program.replace('preset="quick"', 'preset="baseline", epochs=1, hidden=(32,)')
        run = next((tmp_path / "submissions").glob("2*"), Path("submissions/RUN"))
        # Not in a process of its own, which would load Keras anew
        exec(short.replace("submissions/RUN", str(run)), {"__name__": "__main__"})


def test_settings_fit_together() -> None:
    for settings in SETTINGS:
        predictor = kit.Predictor.build(make_config(json.loads(settings)))
        assert predictor.n_parameters > 0


def test_every_block_of_code_is_looked_at() -> None:
    # Blocks without a language need another machine or its administrator
    assert {language for language, _ in BLOCKS} == {"sh", "python", "json", ""}
    assert {command.split()[0] for command in COMMANDS} <= {"kit", "make"}


@pytest.mark.parametrize(
    "command",
    [
        line
        for language, block in BLOCKS
        for line in block.splitlines()
        if not language and line.startswith("kit ")
    ],
)
def test_a_command_for_another_machine_is_spelt_right(command: str) -> None:
    program, *arguments = command.split()
    ended = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make ")])
def test_make_knows_the_goal(command: str) -> None:
    ended = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "kit rehearse" in ended.stdout or "pytest" in ended.stdout


def test_readme_has_the_commands_of_daily_use() -> None:
    programs = [command.split()[:2] for command in COMMANDS]
    for command in ("download", "train", "validate", "submit"):
        assert ["kit", command] in programs
    assert {"make rehearse", "make test"} <= set(COMMANDS)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 110


@pytest.mark.parametrize(
    "page",
    [
        str(page.relative_to(ROOT))
        for folder in (".", "benchmarks", "data", "docs", "submissions")
        for page in sorted((ROOT / folder).glob("*.md"))
    ],
)
def test_links_lead_to_files_and_their_parts(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        file, _, part = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not part or part in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def test_results_are_those_of_the_benchmark() -> None:
    measured = (ROOT / "benchmarks" / "REHEARSALS.md").read_text(encoding="utf-8")
    rows = [cells(line) for line in README.splitlines() if len(cells(line)) == 4]
    results = [row for row in rows if "`" in row[0]]
    assert results
    for told, score, minutes, seeds in results:
        preset = told.split(",")[0]
        line = next(line for line in measured.splitlines() if line.startswith(f"| {preset} |"))
        found = cells(line)
        assert [score, minutes, seeds] == [found[1], found[4], str(len(found[5].split(", ")))]


def cells(line: str) -> list[str]:
    """The cells of a table's line; none where it is no such line."""
    return [cell.strip() for cell in line.split("|")[1:-1]]
