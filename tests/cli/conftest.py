import os
import subprocess
from pathlib import Path

import pytest
from command_line import KIT, Ended, Kit

from kit.cli.main import run


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kit:
    """Run `kit` in the test's own folder, where no terminal is.

    It runs in this process, because to load Keras takes longer than most of what a test does with
    it. With another environment it runs in a process of its own: Keras reads its backend once.
    """
    monkeypatch.chdir(tmp_path)

    def run_kit(*arguments: str | Path, **environment: str) -> Ended:
        if not environment:
            capfd.readouterr()
            return Ended(run([str(argument) for argument in arguments]), *capfd.readouterr())
        ended = subprocess.run(
            [KIT, *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run_kit
