"""Importing the Kaggle side loads none of what it needs only when it is used."""

import pkgutil
import subprocess
import sys
from pathlib import Path

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


def test_only_serving_loads_flask(home: Path) -> None:
    look = (
        "import sys; from kit.cli.main import run; print(run(['serve', '--help']), "
        "{'flask', 'werkzeug', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 set()"


def test_the_history_without_the_network_loads_neither_requests_nor_the_sdk(home: Path) -> None:
    look = (
        "import sys; from kit.cli.main import run; print(run(['history', '--offline']), "
        "{'requests', 'kagglesdk', 'urllib3'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=home
    )
    assert done.stdout.splitlines()[-1] == "0 set()"
