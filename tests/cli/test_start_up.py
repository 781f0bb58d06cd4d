import os
import subprocess
import sys
from pathlib import Path

import pytest

LOADED = """
import sys
from kit.cli.main import run
code = run(sys.argv[1:])
heavy = {"tensorflow", "keras", "kaggle", "kagglesdk", "pandas", "matplotlib", "optuna"}
heavy &= set(sys.modules)
print(f"exit {code}, loaded {sorted(heavy)}", file=sys.stderr)
"""


def loaded(*arguments: str | Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "train --help",
        "rehearse --help",
        "committee --help",
        "check --help",
        "experiment --help",
        "tune --help",
    ],
)
def test_help_loads_no_heavy_package(command: str) -> None:
    assert loaded(*command.split()) == "exit 0, loaded []"


def test_check_and_score_load_no_heavy_package(tmp_path: Path) -> None:
    file = tmp_path / "submission.csv"
    file.write_text("ImageId,Label\n1,7\n2,1\n")
    assert loaded("check", file, "--rows", "2") == "exit 0, loaded []"
    assert loaded("score", file, "--solution", file) == "exit 0, loaded []"


def test_help_needs_neither_pydantic_nor_rich_nor_numpy() -> None:
    # each of them takes as long to import as typer itself
    script = LOADED.replace('"pandas"', '"pandas", "pydantic", "rich", "numpy"')
    ended = subprocess.run(
        [sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=True
    )
    assert ended.stderr.splitlines()[-1] == "exit 0, loaded []"


def test_the_package_runs_as_a_module() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "kit", "train", "--nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "See: kit train --help"


def test_the_shell_completes_names_of_runs(tmp_path: Path) -> None:
    for name in ("20260131-120000-quick", "20260201-120000-tuned", "notes"):
        (tmp_path / "submissions" / name).mkdir(parents=True)
        (tmp_path / "submissions" / name / "metrics.json").touch()
    ended = subprocess.run(
        [Path(sys.executable).with_name("kit")], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"_KIT_COMPLETE": "complete_bash", "COMP_WORDS": "kit validate 202602",
                          "COMP_CWORD": "2"}, check=False,
    )  # fmt: skip
    assert ended.stdout.split() == ["20260201-120000-tuned"]
