"""A rehearsal served as Kaggle would serve it, and all the commands against it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runs import SDK_HAS_LIMITS

REPOSITORY = Path(__file__).parents[2]
KIT = [sys.executable, "-c", "from kit.cli import main; main()"]


def kit(*arguments: str, env: dict[str, str], cwd: Path) -> dict[str, object]:
    done = subprocess.run(
        [*KIT, *arguments, "--json"], env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.timeout(300)
def test_download_train_submit_history(home: Path, tmp_path: Path) -> None:
    usual = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    served = [*KIT, "serve", "--data", str(tmp_path), "--json"]
    with subprocess.Popen(
        served, env=usual, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            env = {**usual, **told["environment"]}

            files = kit("download", env=env, cwd=tmp_path)["files"]
            assert [(Path(file["path"]).name, file["rows"]) for file in files] == [
                ("train.csv", 42_000),
                ("test.csv", 28_000),
                ("sample_submission.csv", 28_000),
            ]
            rehearsal = Path(told["rehearsal"])
            for file in files:
                fetched = tmp_path / file["path"]
                assert fetched.read_bytes() == (rehearsal / fetched.name).read_bytes()
            assert kit("download", env=env, cwd=tmp_path)["fetched"] is False

            one_epoch = ["--source", "kaggle", "--epochs", "1"]
            small = ["--preset", "baseline", "--hidden", "32", "--batch-size", "1000"]
            run = kit("train", *one_epoch, *small, env=env, cwd=tmp_path)
            dry = kit("submit", "--dry-run", env=env, cwd=tmp_path)
            assert (dry["sent"], dry["left"]) == (False, 5 if SDK_HAS_LIMITS else None)
            submitted = kit("submit", env=env, cwd=tmp_path)
            assert submitted["run"] == run["run"]
            assert submitted["status"] == "COMPLETE"

            solution = ["--solution", str(rehearsal / "solution.csv")]
            score = kit("score", str(run["submission"]), *solution, env=env, cwd=tmp_path)
            assert submitted["public_score"] == f"{score['accuracy']:.5f}"
            assert score["n"] == 28_000

            (row,) = kit("history", env=env, cwd=tmp_path)["history"]
            assert row["public_score"] == submitted["public_score"]
            assert (row["run"], row["ref"]) == (run["run"], submitted["ref"])
            assert row["validation"]["accuracy"] == run["validation"]["accuracy"]
        finally:
            server.send_signal(signal.SIGINT)
            _, said = server.communicate(timeout=30)
    assert server.returncode == 130
    assert "Traceback" not in said
