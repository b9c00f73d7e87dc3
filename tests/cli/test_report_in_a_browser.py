"""The report in a real browser: 1,200 dates, drawn in time, pointed at, sorted, in the dark and on a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support import browser
from tests.support.databases import Database
from tests.support.program import Run

pytestmark = pytest.mark.skipif(
    not (browser.PROGRAM and browser.DRIVER), reason="no chromium with its chromedriver on the PATH"
)
LOAD_MS, MOST_BYTES = 2000, 10_000_000
DRAWN = "return performance.getEntriesByName('drawn').map(mark => mark.startTime)[0]"
DATES = "generate_series(date '2022-01-01', date '2022-01-01' + 1199, '1 day') day"
SOURCE = f"""
insert into curtailment_records
    (settlement_date, settlement_period, farm_id, volume, payment, original_price, final_price)
select day, n, 'T_FARM-' || n, -n, 0, 0, 0 from {DATES}, generate_series(1, 2) n
"""
STORED = """
insert into historical_bitcoin_calculations
    (settlement_date, settlement_period, farm_id, miner_model, bitcoin_mined, difficulty)
select settlement_date, settlement_period, farm_id, model, 0.01 * settlement_period, 1
from curtailment_records, unnest(array['S19J_PRO', 'S9', 'M20S']) model, extract(doy from settlement_date) doy
where not (doy % 97 < 9 and (model = 'S9' or doy % 97 < 6 and settlement_period = 1 or doy % 97 < 3))
union all
select settlement_date, 9, 'T_GHOST-1', 'S9', 0.01, 1 from curtailment_records where settlement_period = 1
    and extract(doy from settlement_date) % 49 = 0
"""


@pytest.fixture
def page(database: Database, run_recon: Run, tmp_path: Path) -> Path:
    """The report of 1,200 dates, some of which lack something or have orphans."""
    for statement in (SOURCE, STORED):
        database.execute(statement)
    out = tmp_path / "report.html"
    assert run_recon("report", "--out", out, url=database.url).returncode == 1
    return out


@pytest.fixture
def chrome(tmp_path: Path) -> Iterator[Chrome]:
    with browser.opened(tmp_path / "profile") as chrome:
        browser.resize(chrome, 1280, 900)
        chrome.get("about:blank")
        yield chrome


def load(chrome: Chrome, page: Path) -> float:
    """Milliseconds until every chart was drawn."""
    chrome.get(page.as_uri())
    return float(WebDriverWait(chrome, 20, 0.02).until(lambda _: chrome.execute_script(DRAWN)))


def keep(chrome: Chrome, page: Path, name: str) -> None:
    """A screenshot beside the page, and where CI wants them (RECON_SCREENSHOTS)."""
    for folder in filter(None, (page.parent, os.environ.get("RECON_SCREENSHOTS"))):
        assert chrome.save_screenshot(str(Path(folder, f"report-{name}.png")))


def column(table: WebElement, number: int) -> list[str]:
    script = "return [...arguments[0].tBodies[0].rows].map(row => row.cells[arguments[1]].textContent.trim())"
    return list(table.parent.execute_script(script, table, number))


def colour(chrome: Chrome, selector: str, property: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return str(chrome.execute_script(script, selector, property))


def test_the_page_is_quick_and_quiet_and_can_be_used(page: Path, chrome: Chrome) -> None:
    assert page.stat().st_size < MOST_BYTES
    browser.requests(chrome)
    assert min(load(chrome, page) for _ in range(3)) < LOAD_MS
    assert set(browser.requests(chrome)) == {page.as_uri()}, "nothing else was asked for"
    assert chrome.get_log("browser") == []
    cells = chrome.find_elements(By.CSS_SELECTOR, "[data-chart^=calendar] .mark-rect path")
    assert len(cells) == 1200
    document: dict[str, Any] = chrome.execute_script("return found")

    day = document["calendar"][-3]
    newest_year = chrome.find_elements(By.CSS_SELECTOR, "[data-chart='calendar-2025'] .mark-rect path")
    ActionChains(chrome).move_to_element(newest_year[-3]).perform()
    tooltip = WebDriverWait(chrome, 5, 0.02).until(
        lambda _: chrome.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible").text
    )
    told = dict(
        line.rsplit(" ", 1) for line in tooltip.splitlines() if not line.startswith(("share", "wrong", "colour"))
    )
    assert told == {name: str(day[name]) for name in ("date", "expected", "matched", "missing", "duplicate", "orphan")}
    assert f"share there {day['percent']:.2f} %" in tooltip and "wrong not checked" in tooltip
    keep(chrome, page, "hover")

    worst = chrome.find_element(By.XPATH, "//table[caption[contains(., 'ost missing first')]]")
    missing, dates = (worst.find_elements(By.CSS_SELECTOR, "th[scope=col]")[n] for n in (1, 0))
    shown = [int(text) for text in column(worst, 1)]
    assert missing.get_attribute("aria-sort") == "descending" and shown == sorted(shown, reverse=True)
    missing.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert missing.get_attribute("aria-sort") == "ascending" and [int(text) for text in column(worst, 1)] == sorted(
        shown
    )
    dates.find_element(By.TAG_NAME, "button").click()
    assert missing.get_attribute("aria-sort") is None and dates.get_attribute("aria-sort") == "ascending"
    assert column(worst, 0) == sorted(column(worst, 0)) and len(column(worst, 0)) == 20

    text = "[data-chart=months] .role-axis-label text"
    light = colour(chrome, "body", "backgroundColor"), colour(chrome, text, "fill")
    keep(chrome, page, "light")
    browser.prefer(chrome, "dark")
    dark = colour(chrome, "body", "backgroundColor"), colour(chrome, text, "fill")
    keep(chrome, page, "dark")
    assert light[0] != dark[0] and light[1] != dark[1], "the page and its charts"

    browser.resize(chrome, 360, 780, phone=True)
    chrome.execute_script("scrollTo(0, 0)")
    narrow = "return document.querySelector('[data-chart=months] svg').getBoundingClientRect().right <= innerWidth"
    WebDriverWait(chrome, 5, 0.02).until(lambda _: chrome.execute_script(narrow))
    keep(chrome, page, "phone")
    assert chrome.execute_script("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    assert chrome.get_log("browser") == []


def test_the_calendar_begins_with_the_oldest_year_and_marks_what_is_wrong_beside_what_is_missing(
    page: Path, chrome: Chrome
) -> None:
    load(chrome, page)
    captions = chrome.find_elements(By.CSS_SELECTOR, ".years figcaption")
    assert [caption.text for caption in captions] == ["2022", "2023", "2024", "2025"]
    months = chrome.find_elements(By.CSS_SELECTOR, "[data-chart='calendar-2025'] .role-axis-label text")
    assert {"Jan", "Apr"} < {label.text for label in months} and "May" not in {label.text for label in months}
    both = [day for day in chrome.execute_script("return found.calendar") if day["missing"] and day["orphan"]]
    assert both and all(day["surplus"] for day in both)
    dots = chrome.find_elements(By.CSS_SELECTOR, "[data-chart^=calendar] .mark-symbol path")
    marked = chrome.find_elements(By.CSS_SELECTOR, "th .swatch b")
    assert len(dots) == len(both) and len(marked) >= len(both)


def test_at_any_width_the_tiles_fill_their_grid_and_tables_lead_with_what_is_missing(
    page: Path, chrome: Chrome
) -> None:
    load(chrome, page)
    rows = "return [...document.querySelectorAll('.tiles > div')].map(tile => tile.getBoundingClientRect().top)"
    for width in (1280, 761, 760, 561, 560, 360):
        browser.resize(chrome, width, 900, phone=width < 600)
        assert chrome.execute_script("return document.documentElement.scrollWidth") == width
        tops = chrome.execute_script(rows)
        assert len(tops) == 9 and len({tops.count(top) for top in tops}) == 1, width
    chrome.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    for region in chrome.find_elements(By.CSS_SELECTOR, ".scroll:has(th)"):
        headers = region.find_elements(By.CSS_SELECTOR, "th[scope=col]")
        names = [header.text for header in headers]
        if "missing" in names:
            assert names[1] == "missing" and headers[1].rect["x"] + headers[1].rect["width"] <= 360
        wide = chrome.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", region)
        assert wide and "local" in region.value_of_css_property("background-attachment"), names
    keep(chrome, page, "phone-tables")
