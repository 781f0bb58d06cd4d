"""Seconds of training until the Keras test split is recognised to a given share."""

import functools
import json
import statistics
import time
from typing import Any

import numpy as np

from benchmarks.apart import apart
from benchmarks.section import Report, Request, Round
from benchmarks.tables import percent, ratios, spread, table
from kit.config import TrainConfig, make_config
from kit.data.mnist import load_keras
from kit.training.backend import load_backend
from kit.training.normalization import normalise_digits
from kit.training.split import split_rows

TITLE = "Seconds to an accuracy"
TARGETS = (0.9634, 0.98, 0.99, 0.993)
BASE = "baseline"
# The base program as its script trains it, instead of a preset
PLAIN = "plain"
BASE_TARGET, SOONER_WANTED = 0.9634, 50
QUICK_TARGET, SECONDS_WANTED = 0.99, 90

# Seconds of training at an epoch's end, and the share of the test split recognised then
Reading = tuple[float, float]


def measure(request: Request) -> Round:
    """Climb once with each rung of the ladder."""
    n = 3_000 if request.quick else 60_000
    return {rung: apart(_climb, rung, n) for rung in request.ladder}


def _climb(rung: str, n: int) -> dict[str, Any]:
    load_backend()
    from benchmarks.trainings import train_with_keras, train_with_kit
    from kit.training.networks import with_probabilities
    from kit.training.prediction import predict

    config = rung_config(rung)
    source = load_keras()
    digits, test = source.train.take(np.arange(n)), source.test
    judged = normalise_digits(test, config.normalization)
    rows = split_rows(digits.labels, config)
    readings: list[Reading] = []
    paused = 0.0
    plain = rung.partition(":")[0] == PLAIN
    # Made once a climb, so that it is compiled once
    cached = functools.cache(with_probabilities)

    def read(network: Any) -> None:
        nonlocal paused
        reading_began = time.perf_counter()
        # The script's network ends in probabilities already
        model = network if plain else cached(network)
        right = predict(model, judged, config.views).argmax(axis=1) == test.labels
        readings.append((reading_began - began - paused, float(right.mean())))
        paused += time.perf_counter() - reading_began

    if plain:
        # The script's own preparations are no training either
        _ = digits.images
    began = time.perf_counter()
    if plain:
        network = train_with_keras(digits, config, read)
    else:
        network = train_with_kit(digits, rows, config, read)
    # What a training hands over need not be what its last epoch ended with
    read(network)
    return {"readings": readings, "rows": len(rows[0]), "settings": _told(config)}


def rung_config(rung: str) -> TrainConfig:
    """Read a rung: a preset, and its own epochs and settings, as `preset[:epochs][:name=value]…`.

    Raises:
        UsageError: there is no such preset or setting.
        ValueError: the epochs are no number, or a value is no JSON.
    """
    preset, *changes = rung.split(":")
    given: dict[str, Any] = {"preset": BASE if preset == PLAIN else preset}
    for change in changes:
        name, is_setting, value = change.partition("=")
        given |= {name: json.loads(value)} if is_setting else {"epochs": int(change)}
    return make_config(given)


def _told(config: TrainConfig) -> str:
    hidden = "-".join(map(str, config.hidden))
    epochs = "1 epoch" if config.epochs == 1 else f"{config.epochs} epochs"
    return (
        f"{epochs}, {hidden}, batch {config.batch_size}, {config.optimizer}, "
        f"{config.schedule.replace('_', ' ')} {config.learning_rate:g}"
    )


def first_time(readings: list[Reading], target: float) -> float | None:
    """Seconds at the first reading that reached the target, or None."""
    # Shares of 10,000 images: 96.34% are 9,634 of them, whatever binary fractions make of it
    return next((seconds for seconds, share in readings if share > target - 1e-9), None)


def report(rounds: list[Round]) -> Report:
    """Tabulate the climbs, and name the fastest to each target."""
    rungs = list(rounds[0])
    times = {
        (rung, target): [first_time(each[rung]["readings"], target) for each in rounds]
        for rung in rungs
        for target in TARGETS
    }
    fastest = {target: _fastest(rungs, times, target) for target in TARGETS}
    climbs = [
        [
            f"`{rung}`",
            rounds[0][rung]["settings"],
            f"{rounds[0][rung]['rows']:,}",
            *(_reached(times[rung, target]) for target in TARGETS),
            spread([each[rung]["readings"][-1][0] for each in rounds], 1),
            percent([each[rung]["readings"][-1][1] for each in rounds], 2),
        ]
        for rung in rungs
    ]
    names = [f"{100 * target:g}%" for target in TARGETS]
    winners = []
    for name, target in zip(names, TARGETS, strict=True):
        if rung := fastest[target]:
            settings = rounds[0][rung]["settings"]
            winners.append([name, f"`{rung}`", settings, _reached(times[rung, target])])
        else:
            winners.append([name, "none in every round", "", ""])
    method = (
        "Wall-clock seconds from the call that trains, normalising and compiling included, to the "
        "end of the first epoch after which the 10,000 images of the Keras test split are "
        "recognised to the share; reading it is not counted. Trained on MNIST's 60,000 images "
        "without the validation rows. A one-cycle schedule reaches its accuracy at its end, so the "
        "same preset stands here at several lengths."
    )
    ends = ["s in all", "accuracy at its end"]
    columns = ["training", "settings", "rows", *(f"s to {name}" for name in names), *ends]
    text = "\n\n".join(
        [
            method,
            table(["accuracy", "fastest", "settings", "s"], winners),
            table(columns, climbs),
        ]
    )
    return Report(text, _headlines(times, fastest))


def _fastest(
    rungs: list[str], times: dict[tuple[str, float], list[float | None]], target: float
) -> str | None:
    medians = {
        rung: statistics.median(reached)
        for rung in rungs
        if None not in (reached := times[rung, target])
    }
    return min(medians, key=medians.__getitem__, default=None)


def _reached(times: list[float | None]) -> str:
    reached = [seconds for seconds in times if seconds is not None]
    if not reached:
        return "not reached"
    share = "" if len(reached) == len(times) else f", in {len(reached)} of {len(times)} rounds"
    return spread(reached, 1) + share


def _headlines(
    times: dict[tuple[str, float], list[float | None]], fastest: dict[float, str | None]
) -> tuple[str, ...]:
    lines = []
    winner = fastest[BASE_TARGET]
    bases = [rung for rung, _ in times if rung.partition(":")[0] in (BASE, PLAIN)]
    for base in dict.fromkeys(bases):
        reached = times[base, BASE_TARGET]
        if winner and winner != base and None not in reached:
            sooner = ratios(reached, times[winner, BASE_TARGET])
            lines.append(
                f"{BASE_TARGET:.2%} of the test split: {spread(sooner, 0)} times sooner with "
                f"`{winner}` than with `{base}` (wanted: {SOONER_WANTED})."
            )
    if quick := fastest[QUICK_TARGET]:
        lines.append(
            f"{QUICK_TARGET:.0%} of the test split: {_reached(times[quick, QUICK_TARGET])} s of "
            f"training with `{quick}` (wanted: under {SECONDS_WANTED})."
        )
    return tuple(lines)
