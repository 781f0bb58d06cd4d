import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """As `make docs` builds it. Whatever a page says wrong of another one is a warning."""
    build = ["-m", "sphinx", "--quiet", "--fail-on-warning", "-c", "docs", ".", str(tmp_path)]
    built = subprocess.run([sys.executable, *build], cwd=ROOT, capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    home = (tmp_path / "docs/index.html").read_text(encoding="utf-8")
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md"), ROOT / "README.md"]
    for page in pages:
        address = page.relative_to(ROOT).with_suffix(".html")
        assert (tmp_path / address).is_file()
        # Each can be reached from each page's menu
        assert page.stem == "index" or f'/{address.name}"' in home or f'"{address.name}"' in home
