import pytest

from benchmarks.scaling import exponent


def test_exponent_of_a_power() -> None:
    assert exponent([1.0, 10.0, 100.0], [3.0, 300.0, 30_000.0]) == pytest.approx(2)
    assert exponent([2.0, 4.0], [5.0, 10.0]) == pytest.approx(1)
