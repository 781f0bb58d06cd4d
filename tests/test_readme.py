"""The commands of the README and of docs/, run as they stand (with one epoch), and its numbers."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.cli.main import run
from kit.data.mnist import load_keras
from kit.data.rehearsal import make_rehearsal
from kit.local_kaggle import LocalKaggle

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    README,
    *(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))),
]
COMMANDS = [
    line.split("#")[0].strip()
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
# The last value of an option counts, also where a page gives one: a second of training is enough.
# Batches of 600 divide the rows of every source; a smaller last one would be compiled on its own
SHORT = {
    "train": ["--epochs", "1", "--batch-size", "600", "--hidden", "32", "--views", "1"],
    "experiment": ["--epochs", "1", "--source", "kaggle", "--data", "small", "--workers", "1"],
    "tune": ["--epochs", "1", "--source", "kaggle", "--data", "small", "--workers", "1"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kaggle(home: Path) -> Iterator[dict[str, str]]:
    """Variables by which Kaggle is a rehearsal on this machine."""
    files = make_rehearsal(load_keras(), 3, home / "files")
    with LocalKaggle(files.folder, files.solution) as running:
        running.state.judging_seconds = 0.1
        yield running.environment() | {"HOME": str(home)}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("kit ")])
def test_command(
    command: str,
    home: Path,
    kaggle: dict[str, str],
    small_kaggle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not (home / "small").exists():
        (home / "small").symlink_to(small_kaggle)
    runs = sorted((home / "submissions").glob("2*"))
    _, *arguments = command.replace("submissions/RUN", str(runs[-1] if runs else "")).split()
    arguments += [] if "--show" in arguments else SHORT.get(arguments[0], [])
    for name, value in kaggle.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    # Not in a process of its own, which would load Keras anew
    assert run(arguments) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


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
        "README.md",
        "docs/kaggle.md",
        "docs/training.md",
        "docs/experiments.md",
        "submissions/README.md",
    ],
)
def test_links_lead_to_files(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    for link in links:
        assert link.startswith("https://") or (path.parent / link).exists(), link


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
