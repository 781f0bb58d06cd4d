"""Importing the Kaggle side loads none of what it needs only when it is used."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import kit.kaggle

LOOK = """
import importlib, pathlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print([name for name in ("kaggle", "kagglesdk", "keras", "tensorflow") if name in sys.modules])
print(list(pathlib.Path.home().iterdir()))
"""


def test_importing_loads_no_client_and_makes_no_folder(home: Path) -> None:
    modules = [module.name for module in pkgutil.walk_packages(kit.kaggle.__path__, "kit.kaggle.")]
    assert "kit.kaggle.client" in modules
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *modules, "kit.cli.app"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "[]"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["serve", "--help"], {"flask", "werkzeug", "requests"}),
        (["history", "--offline"], {"requests", "kagglesdk", "urllib3"}),
    ],
)
def test_a_command_loads_only_what_it_needs(
    home: Path, arguments: list[str], heavy: set[str]
) -> None:
    look = (
        f"import sys; from kit.cli.main import run; print(run({arguments}), "
        f"{heavy} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=home
    )
    assert done.stdout.splitlines()[-1] == "0 set()"
