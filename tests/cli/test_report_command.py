"""kit report: which runs, which file, and what it tells a person and a program."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from command_line import Kit
from made_runs import make_run

from kit.runs import Run


@pytest.fixture(scope="module")
def project(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    shutil.copytree(small_kaggle, folder / "data" / "kaggle")
    make_run(folder, "first", seed=1)
    make_run(folder, "second", seed=2)
    return folder


@pytest.fixture
def runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """Two runs; the commands are given where they are."""
    monkeypatch.setenv("KIT_SUBMISSIONS", str(project / "submissions"))
    first, second = sorted((project / "submissions").iterdir())
    return Run(first), Run(second)


def test_report_is_written_into_the_newest_runs_folder(kit: Kit, runs: tuple[Run, Run]) -> None:
    ended = kit("report")
    path = runs[1].folder / "report.html"
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, f"{path}\n", "")
    assert f"<h1><bdi>{runs[1].name}</bdi></h1>" in path.read_text()
    path.unlink()


def test_several_runs_need_a_file_to_go_to(kit: Kit, runs: tuple[Run, Run], tmp_path: Path) -> None:
    names = [run.name for run in runs]
    ended = kit("report", *names)
    assert ended.exit_code == 2
    assert ended.stderr.endswith("--output compared.html\n")
    output = tmp_path / "compared.html"
    told = kit("report", *names, "--output", output, "--json").json
    assert told["report"] == str(output)
    (pair,) = told["pairs"]
    assert (pair["first"], pair["second"]) == tuple(names)
    # Both hold out the same 300 rows
    assert pair["n"] == 10_300
    assert 0 <= pair["p_value"] <= 1
    text = output.read_text()
    assert f"only the second on {pair['n_only_second']:,}" in text
    assert (told["runs"], told["left_out"]) == (names, [])


def test_what_is_left_out_is_said(
    kit: Kit, runs: tuple[Run, Run], project: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(runs[0].folder, tmp_path / "moved" / runs[0].name)
    (run / "receipt.json").write_text("{")
    ended = kit("report", run)
    assert ended.exit_code == 0
    assert ended.stdout == f"{run / 'report.html'}\n"
    lines = ended.stderr.splitlines()
    assert lines[0].startswith(f"{run.name}, without its validation rows: {tmp_path / 'data'}")
    assert lines[2].startswith(f"{run.name}, without its receipt: {run / 'receipt.json'}: not a")
    assert len(lines) == 4
    ended = kit("report", run, "--data", project / "data" / "kaggle")
    assert ended.stderr.splitlines() == lines[2:]


def test_receipt_is_shown(kit: Kit, runs: tuple[Run, Run], tmp_path: Path) -> None:
    run = shutil.copytree(runs[0].folder, tmp_path / "submissions" / runs[0].name)
    sent = {"time": "2026-01-31T12:34:56Z", "file": "submission.csv", "sha256": "0" * 64}
    done = {"ref": 4711, "message": "wider", "status": "COMPLETE", "public_score": "0.98765"}
    # The newest attempt was interrupted
    receipt = {**sent, "message": "again", "earlier": [{**sent, **done}]}
    (run / "receipt.json").write_text(json.dumps(receipt))
    assert kit("report", run).exit_code == 0
    text = (run / "report.html").read_text()
    assert "open whether Kaggle took it" in text
    for cell in ("<td>4711</td>", "<td>wider</td>", "<td>0.98765</td>", "2026-01-31 12:34 UTC"):
        assert cell in text


def test_open_hands_the_page_to_the_browser(
    kit: Kit, runs: tuple[Run, Run], tmp_path: Path
) -> None:
    output, seen = tmp_path / "a page.html", tmp_path / "seen"
    script = f"import sys; open({str(seen)!r}, 'w').write(sys.argv[1])"
    ended = kit(
        "report", runs[0].name, "--output", output, "--open",
        BROWSER=f'{sys.executable} -c "{script}" %s',
    )  # fmt: skip
    assert ended.exit_code == 0, ended.stderr
    assert seen.read_text() == output.as_uri()


def test_damaged_record_is_one_clear_error(kit: Kit, runs: tuple[Run, Run], tmp_path: Path) -> None:
    run = shutil.copytree(runs[0].folder, tmp_path / "submissions" / runs[0].name)
    (run / "metrics.json").write_text('{"validation": {"accuracy": 2, "n": 1, "interval": [0, 1]}}')
    ended = kit("report", run)
    assert ended.exit_code == 3
    assert ended.stderr.startswith(f"{run / 'metrics.json'}: ")
    (run / "metrics.json").write_text("{}")
    ended = kit("report", run)
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (3, 2)
    assert kit("report", "20260131-120000-none").exit_code == 2
    assert kit("report", runs[0].name, "--output", tmp_path / "no" / "where.html").exit_code == 3
