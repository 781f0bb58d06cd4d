import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import DataError
from kit.training.callback import Epoch, FitState
from kit.training.train import load_state, save_state


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    variables = [rng.standard_normal((3, i + 1)).astype(np.float32) for i in range(12)]
    odd = [
        np.array(7, np.int64),
        np.zeros((0, 4), np.float32),
        np.array([2**32 - 1, 0], np.uint32),
        np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
    ]
    state = FitState(
        history=[
            Epoch(1, 0.1 + 0.2, 1 / 3, None, None, 0.01, 1.5),
            Epoch(2, math.pi, 0.0, 1e-300, 1.0, 2e-3, 0.0),
        ],
        variables=[*variables, *odd],
        best=[value * 2 for value in variables],
    )
    save_state(tmp_path / "state.npz", state)
    kept = load_state(tmp_path / "state.npz")
    assert kept.history == state.history
    for values, wanted in ((kept.variables, state.variables), (kept.best, state.best)):
        assert len(values) == len(wanted)
        for value, expected in zip(values, wanted, strict=True):
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
            assert value.tobytes() == expected.tobytes()


@given(value=st.floats())
def test_any_figure_comes_back(value: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "figure.npz"
    save_state(path, FitState([Epoch(1, value, value, value, None, value, 0.0)]))
    kept = load_state(path)
    np.testing.assert_array_equal(
        np.array([kept.history[0].loss, kept.history[0].val_loss]), np.array([value, value])
    )
    assert kept.history[0].val_accuracy is None


def test_later_state_replaces_the_earlier(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save_state(path, FitState(variables=[np.zeros(3), np.ones(2)], best=[np.ones(1)]))
    save_state(path, FitState(variables=[np.full(3, 5.0)]))
    kept = load_state(path)
    assert [value.tolist() for value in kept.variables] == [[5.0, 5.0, 5.0]]
    assert (kept.history, kept.best) == ([], [])
    assert list(tmp_path.iterdir()) == [path]


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.npz") == FitState()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_bad_data(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "state.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"state\.npz: not the state of a training"):
        load_state(tmp_path / "state.npz")
