import contextlib
import io
import json
import os
import pty
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text
from test_old_runs import COMPLETE, copy_run

from kit.cli.main import run
from kit.cli.pictures import draw_curve, draw_digits
from kit.data.digits import Digits, Source
from kit.evaluation.judging import judge_keras_test
from kit.runs import Run

HISTORY = pd.DataFrame(
    {"epoch": [1, 2, 3], "accuracy": [0.9, 0.99, 0.999], "val_accuracy": [0.9, 0.9, 0.99]}
)


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@contextlib.contextmanager
def terminal(columns: int, encoding: str = "utf-8") -> Iterator[Callable[[], list[str]]]:
    """A terminal as stdout; it yields what returns the lines that were shown."""
    leader, follower = pty.openpty()
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):
            while part := os.read(leader, 1 << 16):
                shown.extend(part)

    reader = threading.Thread(target=read)
    reader.start()

    def end() -> list[str]:
        stdout.close()
        reader.join()
        return shown.decode().splitlines()

    with (
        os.fdopen(follower, "w", encoding=encoding) as stdout,
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
    ):
        patch.setenv("COLUMNS", str(columns))
        yield end
    end()
    os.close(leader)


def plain(lines: list[str]) -> list[str]:
    return [Text.from_ansi(line).plain.rstrip() for line in lines]


def pixels(lines: list[str], left: int) -> NDArray[np.uint8]:
    """The grey values of a digit in 14 lines, from the column `left` on: uint8 (784,)."""
    rows = []
    for line in map(Text.from_ansi, lines):
        cells = [(sign, part.style) for part in line.render(Console()) for sign in part.text]
        signs, styles = zip(*cells[left : left + 28], strict=True)
        assert set(signs) == {"▀"}
        for colours in ([s.color for s in styles], [s.bgcolor for s in styles]):
            values = [tuple(colour.get_truecolor()) for colour in colours]
            assert all(len(set(value)) == 1 for value in values)
            rows.append([value[0] for value in values])
    return np.array(rows, np.uint8).ravel()


@pytest.mark.parametrize(("columns", "in_a_row"), [(80, 2), (200, 6)])
def test_digits_are_drawn_as_they_are(mnist_digits: Digits, columns: int, in_a_row: int) -> None:
    images = mnist_digits.pixels[:6]
    with terminal(columns) as shown:
        draw_digits(images, [f"number {i}" for i in range(6)])
        lines = shown()
    for i, image in enumerate(images):
        first = 16 * (i // in_a_row)
        # Rich's versions leave more or less room between digits. The caption is beneath its digit
        left = plain(lines)[first + 14].index(f"number {i}")
        np.testing.assert_array_equal(pixels(lines[first : first + 14], left), image)
    assert len(lines) == 16 * 6 // in_a_row


def test_a_caption_is_text_of_several_lines(mnist_digits: Digits) -> None:
    with terminal(80) as shown:
        draw_digits(mnist_digits.pixels[:1], ["[red]a long name\x1b[2J of a photo.png"])
        lines = plain(shown())
    assert lines[14:] == ["[red]a long name\\x1b[2J of a", "photo.png", ""]


@pytest.mark.parametrize("columns", [80, 200])
def test_the_curve(columns: int) -> None:
    with terminal(columns) as shown:
        draw_curve(HISTORY)
        lines = plain(shown())
    assert lines[0] == "Accuracy by epoch, on a logarithmic scale: ■ training ■ validation"
    # Each factor of ten in the mistakes takes as many lines
    labels = [line.split("┤")[0].strip() for line in lines if "┤" in line]
    assert labels == ["99.90%", "99.54%", "97.85%", "90.00%"]
    # The last five of 64 columns, and the first: both lines begin at 90%, one stays there
    assert lines[1] == " 99.90% ┤" + 59 * " " + "▄▄▄▀▀"
    assert lines[10] == " 90.00% ┤" + "▄▄▀▀▀" + 29 * "▄" + "▀▀▀"
    assert lines[11] == f"{1:>10}{3:>63}"


def test_the_curve_without_validation_and_that_of_one_epoch() -> None:
    with terminal(80) as shown:
        draw_curve(HISTORY.assign(val_accuracy=np.nan))
        draw_curve(HISTORY[:1])
        lines = plain(shown())
    assert lines[0].endswith("scale: ■ training")
    assert len(lines) == 12


@pytest.mark.parametrize(
    ("columns", "encoding", "variable", "value"),
    [
        (79, "utf-8", "TERM", "xterm-256color"),
        (80, "latin-1", "TERM", "xterm-256color"),
        (80, "utf-8", "NO_COLOR", "1"),
        (80, "utf-8", "TERM", "dumb"),
    ],
)
def test_nothing_is_drawn_where_it_cannot_be_seen(
    columns: int,
    encoding: str,
    variable: str,
    value: str,
    mnist_digits: Digits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    with terminal(columns, encoding) as shown:
        draw_digits(mnist_digits.pixels[:1], ["a digit"])
        draw_curve(HISTORY)
        assert shown() == []


@pytest.fixture
def old_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    copy_run("complete", tmp_path / "submissions" / COMPLETE, tmp_path)
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path / "submissions" / COMPLETE)


def test_validate_draws_the_six_most_certain_mistakes(old_run: Run, mnist: Source) -> None:
    with terminal(200) as shown:
        assert run(["validate"]) == 0
        lines = shown()
    judged = judge_keras_test(old_run, mnist.test)
    certainty = np.where(judged.predicted == judged.labels, 0, judged.certainty)
    worst = np.argsort(-certainty, kind="stable")[:6]
    told = [*re.finditer(r"(\d) read as (\d), (\d+\.\d\d)% sure", plain(lines)[-2])]
    for caption, i in zip(told, worst, strict=True):
        drawn = pixels(lines[-16:-2], caption.start())
        np.testing.assert_array_equal(drawn, judged.digits.pixels[i])
    assert [caption.groups() for caption in told] == [
        (str(judged.labels[i]), str(judged.predicted[i]), f"{100 * certainty[i]:.2f}")
        for i in worst
    ]


def test_validate_colours_the_confusion_matrix(old_run: Run, mnist: Source) -> None:
    with terminal(80) as shown:
        assert run(["validate"]) == 0
        lines = [Text.from_ansi(line) for line in shown()]
    start = next(i for i, line in enumerate(lines) if "truth " in line.plain) + 2
    confusion = judge_keras_test(old_run, mnist.test).confusion
    green, red = "color(2)", "color(1)"
    for truth, line in enumerate(lines[start : start + 10]):
        cells = list(re.finditer(r"\d+", line.plain))
        assert [int(cell[0]) for cell in cells] == [truth, *confusion[truth]]
        for digit, cell in enumerate(cells[1:]):
            count, style = int(cell[0]), line.get_style_at_offset(Console(), cell.start())
            colour = style.color.name if style.color else "none"
            assert colour == (green if truth == digit else red if count else "none")
            assert bool(style.dim) == (count == 0 and truth != digit)


def test_train_ends_with_the_curve(old_run: Run) -> None:
    with terminal(80) as shown:
        # It is complete, so nothing is trained
        assert run(["train", "--resume", COMPLETE]) == 0
        lines = plain(shown())
    assert lines[-12].startswith("Accuracy by epoch")
    assert [line[:8].strip() for line in lines if "┤" in line] == [
        "46.67%", "38.02%", "27.97%", "16.30%",
    ]  # fmt: skip
    assert lines[-1] == f"{1:>10}{4:>63}"


@pytest.mark.parametrize("arguments", [["validate"], ["train", "--resume", COMPLETE]])
def test_commands_draw_neither_in_a_pipe_nor_beside_json(
    arguments: list[str], old_run: Run
) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        assert run(arguments) == 0
    assert COMPLETE in stdout.getvalue()
    assert not re.search("[▀▄┤\x1b]", stdout.getvalue())
    with terminal(80) as shown:
        assert run([*arguments, "--json"]) == 0
        (line,) = shown()
    assert json.loads(line)["run"] == COMPLETE
