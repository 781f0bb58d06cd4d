import os
import subprocess
from pathlib import Path

import pytest
from command_line import KIT, Ended, Kit, write_kaggle


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Run `kit` in the test's own folder, where no terminal is."""

    def run(*arguments: str | Path, **environment: str) -> Ended:
        ended = subprocess.run(
            [KIT, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture(scope="session")
def small_kaggle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A competition of 1,500 digits to train on and 300 to predict."""
    return write_kaggle(tmp_path_factory.mktemp("small") / "kaggle", 1_500, 300)
