"""Predicting Kaggle's number of digits: the kit, Keras's own `predict`, and the arithmetic."""

import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.apart import apart
from benchmarks.arithmetic import forward_flop
from benchmarks.section import Report, Request, Round
from benchmarks.tables import percent, ratios, spread, table
from kit.config import make_config
from kit.data.mnist import load_keras
from kit.training.backend import load_backend

TITLE = "Predicting"
KIT, PLAIN = "kit, one view", "plain `predict`"
# Normalised and averaged over views, where the preset asks for that
RUN = "kit, as a run"
CONTENDERS = (
    ("baseline", KIT),
    ("baseline", PLAIN),
    ("tuned", KIT),
    ("tuned", PLAIN),
    ("tuned", RUN),
)


def measure(request: Request) -> Round:
    """Predict with each preset's network, with the kit and with Keras as it comes."""
    n = 2_000 if request.quick else 28_000
    return {
        f"{preset}: {contender}": apart(_predict, preset, contender, n)
        for preset, contender in CONTENDERS
    }


def _predict(preset: str, contender: str, n: int, later: int = 5) -> dict[str, Any]:
    load_backend()
    from benchmarks.matrix_rate import Probe
    from kit.training.networks import build_network, with_probabilities
    from kit.training.normalization import normalise_digits
    from kit.training.prediction import predict

    config = make_config({"preset": preset})
    # What a network has learned changes nothing in how long it takes
    model = with_probabilities(build_network(config))
    digits = load_keras().train.take(np.arange(n))
    views = config.views if contender == RUN else 1
    gflop = views * n * forward_flop(config.hidden) / 1e9
    probe = Probe()
    seconds, needed = [], []
    before = probe.look()["large"]
    for _ in range(1 + later):
        # Without the normalised images that the last round has made
        fresh = replace(digits)
        began = time.perf_counter()
        if contender == RUN:
            predict(model, normalise_digits(fresh, config.normalization), views)
        elif contender == KIT:
            predict(model, fresh)
        else:
            model.predict(fresh.images, verbose=0)
        seconds.append(time.perf_counter() - began)
        after = probe.look()["large"]
        needed.append(gflop / ((before + after) / 2))
        before = after
    return {
        "n": n,
        "hidden": list(config.hidden),
        "views": views,
        "first": seconds[0],
        "later": statistics.median(seconds[1:]),
        "needed": statistics.median(needed[1:]),
        "share": statistics.median(ratios(needed[1:], seconds[1:])),
    }


def report(rounds: list[Round]) -> Report:
    """Tabulate the first call, which compiles, and later ones beside the arithmetic."""
    rows = []
    for name, first in rounds[0].items():
        preset, contender = name.split(": ")
        column = {
            key: [each[name][key] for each in rounds]
            for key in ("first", "later", "needed", "share")
        }
        rows.append(
            [
                f"`{preset}`, 784-{'-'.join(map(str, first['hidden']))}-10",
                contender,
                str(first["views"]),
                spread(column["first"]),
                spread(column["later"]),
                spread(column["needed"], 3),
                percent(column["share"]),
            ]
        )
    headers = (
        "network",
        "with",
        "views",
        "first call, s",
        "later calls, s",
        "arithmetic, s",
        "share of it",
    )
    n = next(iter(rounds[0].values()))["n"]
    return Report(
        f"{n:,} digits from uint8 pixels to probabilities. The first call compiles; the arithmetic "
        "is one product a layer and view at the rate of 2048 × 2048 × 2048.\n\n"
        + table(headers, rows)
    )
