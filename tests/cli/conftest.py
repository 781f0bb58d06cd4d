import os
import subprocess
from pathlib import Path

import pytest
from command_line import KIT, Ended, Kit


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
