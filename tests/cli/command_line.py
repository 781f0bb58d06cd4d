"""The command line, and how a command ended."""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.cli.main import run

KIT = Path(sys.executable).with_name("kit")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.stdout)
        return content


Kit = Callable[..., Ended]


def run_in(folder: Path, *arguments: str) -> Ended:
    """Run `kit` in a folder and in this process, for a fixture that several tests share."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        code = run(list(arguments))
    return Ended(code, stdout.getvalue(), stderr.getvalue())
