"""How long `kit --help`, `check` and `score` take beside importing typer: medians, in turn.

python benchmarks/start_up.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KIT = str(Path(sys.executable).with_name("kit"))
ROUNDS = 15


def main() -> None:
    """Time the commands in turn, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "submission.csv"
        rows = "".join(f"{image},{image % 10}\n" for image in range(1, 28_001))
        file.write_text(f"ImageId,Label\n{rows}")
        commands = {
            "import typer": [sys.executable, "-c", "import typer"],
            "kit --help": [KIT, "--help"],
            "kit check": [KIT, "check", str(file)],
            "kit score": [KIT, "score", str(file), "--solution", str(file)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                seconds[name].append(time.perf_counter() - began)
    reference = seconds["import typer"]
    sys.stdout.write("| command | median, s | times importing typer |\n| --- | --- | --- |\n")
    for name, measured in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(measured, reference, strict=True))
        sys.stdout.write(f"| `{name}` | {statistics.median(measured):.3f} | {ratio:.2f} |\n")


if __name__ == "__main__":
    main()
