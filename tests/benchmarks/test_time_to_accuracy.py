from benchmarks.section import Round
from benchmarks.time_to_accuracy import first_time, report, rung_config

READINGS = [(2.0, 0.95), (4.0, 0.9634), (6.0, 0.95), (8.0, 0.99)]


def test_first_epoch_that_reaches_it_counts() -> None:
    assert first_time(READINGS, 0.9) == 2.0
    assert first_time(READINGS, 0.9634) == 4.0
    assert first_time(READINGS, 0.97) == 8.0


def test_accuracy_never_reached() -> None:
    assert first_time(READINGS, 0.993) is None


def test_rung_is_a_preset_with_or_without_epochs() -> None:
    assert rung_config("tuned:3").epochs == 3
    assert rung_config("tuned:3").hidden == rung_config("tuned").hidden
    sprint = rung_config('baseline:2:hidden=[400]:optimizer="adam"')
    assert (sprint.epochs, sprint.hidden, sprint.optimizer) == (2, (400,), "adam")
    assert rung_config("plain").epochs == rung_config("baseline").epochs == 100


def test_fastest_reaches_it_in_every_round() -> None:
    def climbs(baseline: float, short: float, long: float) -> Round:
        ends = {
            "baseline": [(baseline, 0.9634)],
            "tuned:1": [(short, 0.98)],
            "tuned:2": [(long, 0.9634), (2 * long, 0.99)],
        }
        return {
            rung: {"readings": readings, "rows": 48_000, "settings": rung}
            for rung, readings in ends.items()
        }

    uneven = climbs(100.0, 2.0, 4.0)
    uneven["tuned:1"]["readings"] = [(2.0, 0.97)]
    told = report([climbs(100.0, 2.0, 4.0), climbs(150.0, 2.0, 5.0), uneven])

    assert "| 96.34% | `tuned:1` | tuned:1 | 2.0 (2.0–2.0) |" in told.text
    assert "| 98% | `tuned:2` | tuned:2 | 8.0 (8.0–10.0) |" in told.text
    assert "| 99.3% | none in every round |" in told.text
    assert "2.0 (2.0–2.0), in 2 of 3 rounds" in told.text
    sooner, quick = told.headlines
    assert "50 (50–75) times sooner with `tuned:1` than with `baseline`" in sooner
    assert "8.0 (8.0–10.0) s of training with `tuned:2`" in quick
