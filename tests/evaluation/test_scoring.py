from pathlib import Path

import numpy as np
import pytest

from kit.errors import DataError
from kit.evaluation.judging import score_submission
from kit.metrics import Accuracy
from kit.submission import write_submission

LABELS = np.array([7, 2, 1, 0, 4, 1, 4, 9])


@pytest.fixture
def solution(tmp_path: Path) -> Path:
    path = tmp_path / "solution.csv"
    write_submission(path, LABELS)
    return path


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    return tmp_path / "submission.csv"


def test_score_is_the_share_of_right_labels(solution: Path, submission: Path) -> None:
    write_submission(submission, np.array([7, 2, 1, 0, 9, 1, 4, 4]))
    score = score_submission(submission, solution)
    assert (score.accuracy, score.n) == (0.75, 8)
    assert score == Accuracy.from_counts(6, 8)


def test_the_solution_scores_one(solution: Path) -> None:
    score = score_submission(solution, solution)
    assert score.accuracy == 1.0
    assert score.interval[1] == 1.0


def test_rows_must_agree(solution: Path, submission: Path) -> None:
    write_submission(submission, np.zeros(5, dtype=np.int64))
    with pytest.raises(DataError, match=r"submission\.csv has 5 rows, but .*solution\.csv has 8\."):
        score_submission(submission, solution)


def test_rows_are_matched_by_id(solution: Path, submission: Path) -> None:
    submission.write_text("ImageId,Label\n8,9\n2,2\n3,1\n5,4\n4,0\n6,1\n7,3\n1,7\n")
    assert score_submission(submission, solution).accuracy == 7 / 8
    header, *rows = solution.read_text().splitlines()
    solution.write_text("\n".join([header, *reversed(rows), ""]))
    assert score_submission(submission, solution).accuracy == 7 / 8


def test_a_fault_names_the_file_it_is_in(solution: Path, submission: Path) -> None:
    write_submission(submission, LABELS)
    solution.write_bytes(solution.read_bytes().replace(b"3,1", b"3,x"))
    with pytest.raises(DataError, match=r"solution\.csv: 1 fault: line 4, Label: "):
        score_submission(submission, solution)
    with pytest.raises(DataError, match=r"solution\.csv: 1 fault: line 4, Label: "):
        score_submission(solution, submission)


def test_a_missing_file_is_named(solution: Path, submission: Path) -> None:
    with pytest.raises(DataError, match=r"submission\.csv cannot be read: No such file"):
        score_submission(submission, solution)
