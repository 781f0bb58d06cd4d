"""How long `kit --help`, `check` and `score` take beside importing typer: medians, in turn.

python -m benchmarks.start_up
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.section import Report, Request, Round
from benchmarks.tables import ratios, spread, table

TITLE = "Start-up"
KIT = str(Path(sys.executable).with_name("kit"))
REFERENCE = "import typer"
# A round that stands beside trainings can afford more than one reading of something so short
PASSES = 5


def measure(request: Request) -> Round:
    """Run each command in turn, a few times over: seconds by command."""
    return measure_commands(1 if request.quick else PASSES)


def measure_commands(passes: int) -> Round:
    """Run each command so many times, in turn: seconds by command."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "submission.csv"
        rows = "".join(f"{image},{image % 10}\n" for image in range(1, 28_001))
        file.write_text(f"ImageId,Label\n{rows}")
        commands = {
            REFERENCE: [sys.executable, "-c", "import typer"],
            "kit --help": [KIT, "--help"],
            "kit check": [KIT, "check", str(file)],
            "kit score": [KIT, "score", str(file), "--solution", str(file)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(passes):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                seconds[name].append(time.perf_counter() - began)
    return seconds


def report(rounds: list[Round]) -> Report:
    """Tabulate the commands beside the import that all of them share."""
    seconds = {name: [value for each in rounds for value in each[name]] for name in rounds[0]}
    rows = [
        [f"`{name}`", spread(measured, 3), spread(ratios(measured, seconds[REFERENCE]))]
        for name, measured in seconds.items()
    ]
    return Report(table(["command", "s", "times importing typer"], rows))


def main() -> None:
    """Time the commands in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="Runs of each command.")
    print(report([measure_commands(parser.parse_args().repeats)]).text)


if __name__ == "__main__":
    main()
