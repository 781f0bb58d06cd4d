"""How long `kit --help` takes beside importing typer.

python -m benchmarks.start_up
"""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.section import Round, run_section
from benchmarks.tables import ratios, spread, table

TITLE = "Start-up"
REFERENCE = "import typer"
COMMANDS = {
    REFERENCE: [sys.executable, "-c", "import typer"],
    "kit --help": [str(Path(sys.executable).with_name("kit")), "--help"],
}
SLOWER_WANTED = 1.5
# A round runs each command this often, in turn
PASSES = 10


def measure(quick: bool) -> Round:
    """Run the commands in turn: seconds by command."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(1 if quick else PASSES):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def report(rounds: list[Round]) -> str:
    """Write the table of commands."""
    seconds = {name: [value for each in rounds for value in each[name]] for name in COMMANDS}
    rows = [
        [f"`{name}`", spread(measured, 3), spread(ratios(measured, seconds[REFERENCE]))]
        for name, measured in seconds.items()
    ]
    return (
        table(["command", "s", "times importing typer"], rows)
        + f"\n\n`kit --help` should take at most {SLOWER_WANTED} times as long as importing typer, "
        f"by the median. Each command ran {len(seconds[REFERENCE])} times."
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
