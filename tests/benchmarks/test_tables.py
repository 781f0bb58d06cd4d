from benchmarks.tables import percent, ratios, spread, table


def test_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"], ["3", "4"]]) == (
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"
    )


def test_spread_is_median_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 1_234.5]) == "3.00 (1.00–1,234.50)"
    assert spread([0.125], 3) == "0.125"


def test_percent() -> None:
    assert percent([0.5, 0.25, 0.6]) == "50 (25–60)%"


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([1.0, 9.0], [2.0, 3.0]) == [0.5, 3.0]
