"""A rehearsal served as Kaggle would serve it, and all the commands against it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runs import SDK_HAS_LIMITS

from kit.cli.main import run

REPOSITORY = Path(__file__).parents[2]
KIT = [sys.executable, "-c", "from kit.cli import main; main()"]


@pytest.mark.timeout(300)
def test_download_train_submit_history(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def kit(*arguments: str) -> dict[str, object]:
        capsys.readouterr()
        # Not in a process of its own, which would load Keras anew
        code = run([*arguments, "--json"])
        stdout, stderr = capsys.readouterr()
        assert code == 0, stderr
        answer: dict[str, object] = json.loads(stdout)
        return answer

    monkeypatch.chdir(tmp_path)
    usual = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    served = [*KIT, "serve", "--data", str(tmp_path), "--json"]
    with subprocess.Popen(
        served, env=usual, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            for name, value in told["environment"].items():
                monkeypatch.setenv(name, value)

            files = kit("download")["files"]
            assert [(Path(file["path"]).name, file["rows"]) for file in files] == [
                ("train.csv", 42_000),
                ("test.csv", 28_000),
                ("sample_submission.csv", 28_000),
            ]
            rehearsal = Path(told["rehearsal"])
            for file in files:
                fetched = tmp_path / file["path"]
                assert fetched.read_bytes() == (rehearsal / fetched.name).read_bytes()
            assert kit("download")["fetched"] is False

            one_epoch = ["--source", "kaggle", "--epochs", "1"]
            small = ["--preset", "baseline", "--hidden", "32", "--batch-size", "1000"]
            made = kit("train", *one_epoch, *small)
            dry = kit("submit", "--dry-run")
            assert (dry["sent"], dry["left"]) == (False, 5 if SDK_HAS_LIMITS else None)
            submitted = kit("submit")
            assert submitted["run"] == made["run"]
            assert submitted["status"] == "COMPLETE"

            solution = ["--solution", str(rehearsal / "solution.csv")]
            score = kit("score", str(made["submission"]), *solution)
            assert submitted["public_score"] == f"{score['accuracy']:.5f}"
            assert score["n"] == 28_000

            (row,) = kit("history")["history"]
            assert row["public_score"] == submitted["public_score"]
            assert (row["run"], row["ref"]) == (made["run"], submitted["ref"])
            assert row["validation"]["accuracy"] == made["validation"]["accuracy"]
        finally:
            server.send_signal(signal.SIGINT)
            _, said = server.communicate(timeout=30)
    assert server.returncode == 130
    assert "Traceback" not in said
