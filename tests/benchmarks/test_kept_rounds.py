from pathlib import Path

from benchmarks.kept_rounds import KeptRounds


def test_goes_on_with_what_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "work" / "epochs.json"
    KeptRounds(path, {"quick": True}).add({"kit": (1.5, 2)})
    kept = KeptRounds(path, {"quick": True})
    kept.add({"kit": [2.5, 2]})

    assert KeptRounds(path, {"quick": True}).rounds == [{"kit": [1.5, 2]}, {"kit": [2.5, 2]}]


def test_leaves_aside_what_was_measured_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "epochs.json"
    KeptRounds(path, {"quick": True}).add({"kit": 1.5})

    assert KeptRounds(path, {"quick": False}).rounds == []
