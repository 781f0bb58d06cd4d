"""How long `kit draw` takes to answer a drawing, over a real socket.

python -m benchmarks.drawing
"""

import time

import requests

from benchmarks.section import Round, apart, run_section
from benchmarks.tables import spread, table

TITLE = "Answers to a drawing"
PRESETS = ("quick", "tuned", "cnn")
SECONDS_WANTED = 0.1
# A 7 as a browser sends it while it is drawn: 40 points
SEVEN = [[(70 + 7 * i, 60) for i in range(20)] + [(205 - 4 * i, 60 + 9 * i) for i in range(20)]]


def ask(preset: str, times: int) -> list[float]:
    """Ask for a 7 so many times, one after the other: seconds of each answer.

    The network has that preset's layers, normalisation and views, and is not trained: an answer
    takes as long.
    """
    from kit.config import make_config
    from kit.drawing.app import make_app
    from kit.loopback import LoopbackServer
    from kit.training.backend import load_backend

    load_backend()
    from kit.training.predictor import Predictor

    predictor = Predictor.build(make_config({"preset": preset}))
    seconds = []
    with LoopbackServer(make_app(preset, predictor.predict)) as server:
        for _ in range(times):
            began = time.perf_counter()
            answer = requests.post(f"{server.address}/read", json={"strokes": SEVEN}, timeout=60)
            seconds.append(time.perf_counter() - began)
            assert "digit" in answer.json()
    return seconds


def measure(quick: bool) -> Round:
    """Ask each preset's network: seconds of each answer by preset."""
    return {preset: apart(ask, preset, 2 if quick else 50) for preset in PRESETS}


def report(rounds: list[Round]) -> str:
    """Write the table of presets."""
    rows = []
    for preset in PRESETS:
        milliseconds = [1000 * value for each in rounds for value in each[preset]]
        rows.append([f"`{preset}`", spread(milliseconds, 0)])
    return (
        table(["preset", "ms"], rows)
        + f"\n\nFrom the request to the last byte of its answer, over a socket of this machine: "
        f"cutting, all views of the network, the picture. An answer should take at most "
        f"{1000 * SECONDS_WANTED:.0f} ms, by the median."
    )


if __name__ == "__main__":
    run_section(TITLE, measure, report)
