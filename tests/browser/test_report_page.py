"""The report in a real browser: a phone's width and a desk's, light and dark, and on paper."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_runs import make_run
from playwright.sync_api import Page

from kit.evaluation.report import write_report
from kit.training.committee import make_committee

OpenPage = Callable[..., Page]

SIZES = pytest.mark.parametrize("width", [390, 1400])
# axe takes a minute to look at hundreds of pictures that differ only in their digits
ALIKE = {"exclude": [".gallery li:nth-child(n+3)", "tbody tr:nth-child(n+4)"]}
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture(scope="module")
def pages(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The reports of a run that was submitted, and of that and a committee with folds."""
    project = tmp_path_factory.mktemp("pages")
    shutil.copytree(small_kaggle, project / "data" / "kaggle")
    single = make_run(project, seed=1)
    members = [make_run(project, f"fold-{i}", seed=i, split_seed=1, fold=(i, 3)) for i in (1, 2, 3)]
    folded = make_committee(members, project / "submissions", "folded")
    attempt = {"ref": 12345678, "time": "2026-01-31T12:00:00Z", "status": "COMPLETE"}
    attempt |= {"message": "[kit 0123456789ab] " + 80 * "long ", "public_score": "0.98765"}
    attempt |= dict.fromkeys(("private_score", "reason", "n_overlap", "allow_overlap"))
    urls = {}
    for name, runs in {"one": [single], "both": [single, folded]}.items():
        path = project / f"{name}.html"
        write_report(runs, path, lambda run: [attempt] if run == single else [])
        urls[name] = path.as_uri()
    return urls


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    given: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return given


@SIZES
@SCHEMES
@pytest.mark.parametrize("name", ["one", "both"])
def test_page_fits_and_is_accessible(
    name: str, scheme: str, width: int, pages: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(pages[name], width, scheme)
    assert overflow(page) <= 0
    broken = "Array.from(document.images).filter(it => !it.naturalWidth).length"
    assert page.evaluate(broken) == 0
    found: dict[str, Any] = Axe().run(page, ALIKE).response
    assert [each["id"] for each in found["violations"]] == []
    # It has looked: the page has text, tables and pictures
    assert len(found["passes"]) > 15
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]


@SIZES
def test_page_reads_without_scripts(width: int, pages: dict[str, str], open_page: OpenPage) -> None:
    page = open_page(pages["one"], width, scripts=False)
    assert page.get_by_role("heading", name="Keras test split").is_visible()
    assert page.get_by_role("img", name="A 7, image").first.is_visible()
    summary = page.get_by_text("Figures by epoch")
    assert not page.get_by_role("cell", name="87.50%").is_visible()
    summary.click()
    assert page.get_by_role("cell", name="87.50%").is_visible()
    page.get_by_role("link", name="At Kaggle").click()
    assert page.get_by_role("heading", name="At Kaggle").is_visible()
    assert page.get_by_role("cell", name="0.98765").is_visible()


@SCHEMES
def test_pictures_follow_the_scheme(
    scheme: str, pages: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(pages["one"], 1400, scheme)
    chart = page.locator(".chart img").first
    turned = chart.evaluate("it => getComputedStyle(it).filter")
    assert turned == {"light": "none", "dark": "invert(1) hue-rotate(180deg)"}[scheme]
    digit = page.locator("img.digit").first
    assert digit.evaluate("it => getComputedStyle(it).imageRendering") == "pixelated"
    inverted = digit.evaluate("it => getComputedStyle(it).filter")
    assert inverted == {"light": "none", "dark": "invert(1)"}[scheme]


def test_paper_is_white_and_shows_all(pages: dict[str, str], open_page: OpenPage) -> None:
    page = open_page(pages["both"], 718, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert overflow(page) <= 0
    for picture in (".chart img", ".digit"):
        turned = page.locator(picture).first.evaluate("it => getComputedStyle(it).filter")
        assert turned == "none"
    # Nobody can scroll a table there
    wider = (
        "Array.from(document.querySelectorAll('.scroll'), it => it.scrollWidth - it.clientWidth)"
    )
    assert max(page.evaluate(wider)) <= 0
    # What is folded on a screen is not on paper
    assert page.get_by_role("cell", name="87.50%").first.is_visible()
