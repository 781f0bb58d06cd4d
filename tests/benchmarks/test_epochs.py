from benchmarks.epochs import forward_flop, training_flop


def test_one_hidden_layer() -> None:
    assert forward_flop([800]) == 2 * (784 * 800 + 800 * 10) == 1_270_400
    assert training_flop([800]) == 2 * (784 * 800 * 2 + 800 * 10 * 3) == 2_556_800


def test_two_hidden_layers() -> None:
    assert forward_flop([3, 2]) == 2 * (2_352 + 6 + 20)
    assert training_flop([3, 2]) == 2 * (2 * 2_352 + 3 * 6 + 3 * 20)
