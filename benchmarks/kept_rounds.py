"""Rounds of a section on disk, for an interrupted benchmark to go on."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.section import Round
from kit.files import write_whole


class KeptRounds:
    """What was measured so far under the same conditions.

    Attributes:
        rounds: as JSON gives them back, the oldest first.
    """

    def __init__(self, path: Path, asked: dict[str, Any]) -> None:
        """Read the rounds, unless they were measured under other conditions than `asked`."""
        self._path, self._asked = path, asked
        self.rounds: list[Round] = []
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["asked"] == asked:
                self.rounds = kept["rounds"]
            else:
                sys.stderr.write(f"{path}: measured under other conditions, left aside\n")

    def add(self, measured: Round) -> None:
        """Keep one more round."""
        # Through JSON, so that a report sees the same whether or not it was interrupted
        self.rounds.append(json.loads(json.dumps(measured)))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, json.dumps({"asked": self._asked, "rounds": self.rounds}))
