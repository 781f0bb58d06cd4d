"""The lab's four experiments against its sixteen trainings run one by one with plain Keras `fit`.

    python -m benchmarks.experiments --epochs 8

Both on the same digits and backend, each in processes of its own and with all that it needs:
imports, reading, compiling. `--epochs` shortens the base program from its 100; compiling then
weighs more than at full length, on both sides.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KIT = Path(sys.executable).with_name("kit")
TABLE = Path(__file__).with_name("EXPERIMENTS.md")
VALUES = {
    "epochs": (50, 75, 100, 125),
    "batch_size": (50, 100, 200, 400),
    "units": (500, 700, 900, 1200),
    "hidden": (500, 700, 900, 1200),
}


def plain(epochs: int, data: Path) -> None:
    """Train the sixteen as the lab's program would, in this process."""
    import keras
    import numpy as np

    with np.load(data) as file:
        x_train, y_train, x_test, y_test = (file[name] for name in
                                            ("x_train", "y_train", "x_test", "y_test"))  # fmt: skip
    x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test))
    y_train, y_test = (keras.utils.to_categorical(y, 10) for y in (y_train, y_test))
    for changed, values in VALUES.items():
        for value in values:
            keras.utils.set_random_seed(42)
            first = value if changed == "units" else 800
            widths = [first, value] if changed == "hidden" else [first]
            layers = [keras.layers.Dense(units, activation="relu",
                                         kernel_initializer="random_normal")
                      for units in widths]  # fmt: skip
            network = keras.Sequential(
                [
                    keras.Input((784,)),
                    *layers,
                    keras.layers.Dense(
                        10, activation="softmax", kernel_initializer="random_normal"
                    ),
                ]
            )
            network.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
            network.fit(
                x_train,
                y_train,
                batch_size=value if changed == "batch_size" else 200,
                epochs=max(1, epochs * value // 100) if changed == "epochs" else epochs,
                validation_split=0.2,
                verbose=0,
            )
            network.evaluate(x_test, y_test, verbose=0)


def measure(command: list[str], work: Path) -> float:
    """Run a command to its end, and say how many seconds it took."""
    began = time.perf_counter()
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure both, in turn, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="Of the base program.")
    parser.add_argument("--rounds", type=int, default=1, help="How often to measure both.")
    parser.add_argument(
        "--workers", type=int, help="Of kit experiment; its own choice if left out."
    )
    parser.add_argument("--data", type=Path, default=Path("data/mnist.npz"))
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    data = given.data.resolve()
    if given.plain:
        plain(given.epochs, data)
        return
    # Not above: the plain program is to load nothing of the kit
    from benchmarks.machine import describe
    from kit.training.backend import choose_backend

    epochs = ["--epochs", str(given.epochs)]
    here = [sys.executable, str(Path(__file__).resolve()), "--plain", *epochs, "--data", str(data)]
    workers = ["--workers", str(given.workers)] if given.workers else []
    kit = [str(KIT), "experiment", "all", *epochs, "--data", str(data), *workers, "--json"]
    rows = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as work:
            rows.append((measure(here, Path(work)), measure(kit, Path(work))))
    lines = [f"| {i} | {p:.0f} | {k:.0f} | {k / p:.0%} |" for i, (p, k) in enumerate(rows, start=1)]
    TABLE.write_text(
        "# The lab's experiments\n\n"
        f"Seconds, wall clock, everything included. Base program: {given.epochs} epochs. "
        f"{describe(choose_backend())}\n"
        f"Written by `python -m benchmarks.experiments {' '.join(epochs)} --rounds {given.rounds}"
        f"{''.join(f' {part}' for part in workers)}`.\n\n"
        "| round | sixteen trainings, plain Keras `fit` | `kit experiment all` | share |\n"
        "| --- | --- | --- | --- |\n" + "\n".join(lines) + "\n"
    )
    sys.stdout.write(json.dumps({"seconds": rows}) + "\n" + TABLE.read_text())


if __name__ == "__main__":
    main()
