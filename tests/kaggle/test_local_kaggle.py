"""The local Kaggle, tried with Kaggle's own command-line client."""

import subprocess
import sys
from pathlib import Path

from runs import SDK_HAS_LIMITS
from small_competition import write_labels

from kit.local_kaggle import LocalKaggle


def kaggle(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("kaggle"), "competitions", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_kaggles_own_client_downloads_submits_and_lists(
    at_local: LocalKaggle, tmp_path: Path
) -> None:
    downloaded = kaggle("download", "digit-recognizer", "-p", str(tmp_path))
    assert downloaded.returncode == 0
    assert (tmp_path / "digit-recognizer.zip").read_bytes().startswith(b"PK")

    file = write_labels(tmp_path / "three right.csv", [7, 2, 1, 9])
    submitted = kaggle("submit", "digit-recognizer", "-f", str(file), "-m", "a try")
    assert "Successfully submitted" in submitted.stdout
    assert not SDK_HAS_LIMITS or "4 submissions remaining today" in submitted.stdout

    listed = kaggle("submissions", "digit-recognizer", "-v")
    header, row = listed.stdout.strip().splitlines()[-2:]
    shown = dict(zip(header.split(","), row.split(","), strict=True))
    assert shown["fileName"] == "three right.csv"
    assert shown["description"] == "a try"
    assert shown["publicScore"] == "0.75000"


def test_submissions_outlive_the_server(competition_files: Path, tmp_path: Path) -> None:
    solution, kept = competition_files / "solution.csv", tmp_path / "state.json"
    with LocalKaggle(competition_files, solution, state=kept) as first:
        token = first.state.begin_upload("perfect.csv", solution.stat().st_size)
        first.state.uploads[token].content += solution.read_bytes()
        first.state.submit(token, "kept")
        submissions = first.submissions
    with LocalKaggle(competition_files, solution, state=kept) as second:
        assert second.submissions == submissions
        assert second.submissions[0].score == "1.00000"
