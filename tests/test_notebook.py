"""The notebook: it runs from top to bottom, without the network."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import kit

NOTEBOOK = Path(__file__).parents[1] / "docs" / "digit_recognizer.ipynb"
EPOCHS = 'EPOCHS = {"baseline": 2, "quick": 1, "cnn": 1}'


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs(notebook: nbformat.NotebookNode) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 10
    assert not any(cell.outputs or cell.execution_count for cell in code)
    # The name is not the kit's at the registry
    assert "install digit-kit" not in NOTEBOOK.read_text(encoding="utf-8")


def test_it_runs_from_top_to_bottom(
    notebook: nbformat.NotebookNode,
    small_kaggle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As at Kaggle: the package alone, without MNIST and without the network."""
    shutil.copytree(Path(kit.__file__).parent, tmp_path / "packages" / "kit")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    shutil.copytree(small_kaggle, tmp_path / "data" / "kaggle")
    (epochs,) = [cell for cell in notebook.cells if cell.source.startswith("EPOCHS = ")]
    epochs.source = EPOCHS
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "submission.csv").read_text().count("\n") == 301
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output["data"] for output in outputs if "data" in output]
    assert sum("image/png" in each for each in shown) == 3
    assert sum("<figure" in each.get("text/html", "") for each in shown) == 1
    assert sum("Run 2" in each.get("text/html", "") for each in shown) == 3
