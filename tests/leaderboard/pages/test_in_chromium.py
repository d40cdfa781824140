"""The pages in a real browser: sorting, filtering, links, keyboard, no errors, no accessibility findings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_site import HOSTILE, made_up_ranking, write_site
from browser import chromium

from leaderboard.pages.site import SiteOptions, site_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = site_files(
        made_up_ranking(tmp_path_factory.mktemp("runs")), SiteOptions("Test board", show_cases=True)
    )
    return write_site(files, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("requestfailed", lambda request: said.append(request.url[:100]))
    opened.goto(site.as_uri())
    yield opened
    context.close()
    assert said == []


def column(page: Any, place: int) -> list[str]:
    return [
        text.strip() for text in page.locator(f"#board tbody tr > *:nth-child({place})").all_inner_texts()
    ]


def head(page: Any, label: str) -> Any:
    return page.locator("#board thead th", has=page.get_by_role("button", name=label, exact=True))


def test_columns_sort_both_ways(page: Any) -> None:
    first = column(page, 2)
    labels = page.locator("#board thead th").all_inner_texts()
    dice = next(place for place, label in enumerate(labels, 1) if label.strip() == "Dice")

    page.get_by_role("button", name="Dice", exact=True).click()
    down = [float(text) for text in column(page, dice)]
    assert down == sorted(down, reverse=True)
    assert head(page, "Dice").get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Dice", exact=True).click()
    assert [float(text) for text in column(page, dice)] == down[::-1]
    page.get_by_role("button", name="Submission", exact=True).click()
    assert set(column(page, 2)) == set(first) and column(page, 2) != first
    assert page.locator("[aria-sort]").count() == 1
    page.get_by_role("button", name="Rank", exact=True).focus()
    page.keyboard.press("Enter")
    assert column(page, 2) == first
    assert "Rank" in page.locator("#said").inner_text()


def test_rows_are_filtered_by_name_and_by_group(page: Any) -> None:
    page.get_by_label("Submission contains").fill("FED")
    assert sorted(page.locator("#board tbody tr:visible th").all_inner_texts()) == ["FedAvg", "fedprox"]
    assert page.locator("#said").inner_text() == "2 of 5 submissions shown"
    page.get_by_role("button", name="Show all").click()
    page.locator("#said", has_text="5 of 5 submissions shown").wait_for()
    page.get_by_label("Tied group").select_option("a")
    groups = page.locator("#board tbody tr:visible").evaluate_all("rows => rows.map(r => r.dataset.groups)")
    assert groups and all("a" in group.split() for group in groups)


def test_links_lead_through_the_site(page: Any, site: Path) -> None:
    page.get_by_role("link", name=HOSTILE).click()
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.get_by_role("img", name="Learning curves").count() == 1
    page.get_by_role(
        "link", name="seed 0"
    ).click()  # from file:// a browser shows it, from a server it saves it
    page.wait_for_url("**/records/*.json")
    assert '"signature"' in page.locator("body").inner_text()
    page.go_back()
    for label in ("Certainty", "Sites", "How it is ranked", "Downloads and records", "Board"):
        page.get_by_role("navigation").get_by_role("link", name=label).click()
        assert page.locator("[aria-current=page]").inner_text() == label


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, site: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    opened = context.new_page()
    for path in [*sorted(site.parent.glob("*.html")), site.parent / "submissions" / "krum.html"]:
        opened.goto(path.as_uri())
        found = Axe().run(opened).response["violations"]
        told = [
            (item["id"], item["nodes"][0]["html"][:200])
            for item in found
            if item["impact"] in ("serious", "critical")
        ]
        assert told == [], path.name
    context.close()


def test_a_phone_scrolls_tables_and_not_the_page(browser: Any, site: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    opened = context.new_page()
    for path in [*sorted(site.parent.glob("*.html")), site.parent / "submissions" / "krum.html"]:
        opened.goto(path.as_uri())
        wide = opened.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, path.name
    context.close()
