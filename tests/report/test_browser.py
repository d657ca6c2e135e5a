"""The report in Chromium: quiet, sortable, filterable, never wider than the screen, by keyboard and on paper."""

import pytest

from interplay.report.html import write_report

HOSTILE = "<script>alert('x')</script>"
ALSO_HOSTILE = '"><img src=x onerror=alert(1)>'
TABLE = "#rows"


@pytest.fixture(scope="module")
def report(made, tmp_path_factory):
    return write_report(made, tmp_path_factory.mktemp("report"))


def column(page, key):
    """Texts of the visible cells of a column of the table of rows."""
    at = page.locator(f"{TABLE} th[data-key={key}]").evaluate("th => th.cellIndex")
    return page.eval_on_selector_all(
        f"{TABLE} tbody tr", "(rows, at) => rows.filter(r => r.offsetHeight).map(r => r.cells[at].innerText)", at
    )


def ids(page):
    return page.eval_on_selector_all(
        f"{TABLE} tbody th", "cells => cells.filter(c => c.offsetHeight).map(c => +c.innerText)"
    )


def status(page):
    return page.locator("form [role=status]").inner_text()


def test_it_is_quiet_and_asks_for_nothing(visit, report):
    page = visit(report)
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:image/png;base64,")] == [report.as_uri()]


def test_hostile_names_stay_text(visit, report):
    page = visit(report)
    assert page.locator("script").count() == 1
    assert page.locator("img:not([src^='data:image/png;base64,'])").count() == 0
    assert page.locator("img").evaluate_all("images => images.every(i => i.naturalWidth > 0)")
    assert page.title() == page.locator("h1").inner_text() == f"A run of {HOSTILE}"
    assert page.locator("#modalities tbody th").all_inner_texts() == ["left", ALSO_HOSTILE]
    assert page.locator("select[name=truth] option").all_inner_texts() == ["any", "no", HOSTILE]
    assert page.locator("svg.figure text", has_text="alert").count() > 0
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_figures_are_seen_and_nothing_is_wider_than_the_screen(visit, report, width, scheme):
    page = visit(report, viewport={"width": width, "height": 800}, color_scheme=scheme)
    boxes = page.locator("svg.figure").evaluate_all("all => all.map(e => e.getBoundingClientRect().toJSON())")
    assert len(boxes) == 7
    assert all(box["width"] > 250 and box["height"] > 100 for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    style = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.color]; }"
    paper, ink = (sum(map(int, c[4:-1].split(","))) for c in page.locator("body").evaluate(style))
    assert (paper > 700 and ink < 100) if scheme == "light" else (paper < 100 and ink > 650)
    letters = page.locator("svg.figure text").first.evaluate("e => getComputedStyle(e).fill")
    assert sum(map(int, letters[4:-1].split(","))) == ink


def test_a_table_sorts_by_click_and_by_keyboard(visit, report):
    page = visit(report)
    header = page.locator(f"{TABLE} th", has_text="probability")
    assert header.get_attribute("aria-sort") is None
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    expected = sorted(range(40), key=lambda i: (7 * i) % 40)
    assert ids(page) == expected  # 9 % before 10 %
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert ids(page) == expected[::-1]
    synergy = page.locator(f"{TABLE} th", has_text="synergy")
    synergy.get_by_role("button").press("Space")
    assert ids(page) == list(range(40))[::-1]  # below zero
    assert page.locator(f"{TABLE} [aria-sort]").count() == 1
    truth = page.locator(f"{TABLE} th", has_text="truth")
    truth.get_by_role("button").click()
    assert column(page, "truth") == [HOSTILE] * 20 + ["no"] * 20
    assert ids(page) == [*range(39, 0, -2), *range(38, -1, -2)]  # rows that are alike stay in order


def test_cells_without_a_number_come_last(visit, report):
    page = visit(report)
    header = page.locator("#parts th", has_text="interval")
    for _ in range(2):
        header.get_by_role("button").click()
        assert page.locator("#parts tbody tr td:nth-child(3)").all_inner_texts()[-2:] == ["–", "–"]
    assert page.locator("#parts tbody tr td:nth-child(3)").all_inner_texts()[0] == "1.000 to 1.500"


def test_a_table_filters_and_says_how_many_rows(visit, report):
    page = visit(report)
    assert status(page) == "40 of 40 rows"
    page.locator("select[name=right]").select_option("no")
    assert ids(page) == list(range(0, 40, 3))
    assert status(page) == "14 of 40 rows"
    page.locator("select[name=truth]").select_option(HOSTILE)
    assert set(column(page, "truth")) == {HOSTILE}
    assert ids(page) == list(range(3, 40, 6))
    page.get_by_label("search").fill("WORD3 img")
    assert ids(page) == [3, 33, 39]
    page.get_by_label("search").press("Enter")
    assert status(page) == "3 of 40 rows"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_timeout(50)
    assert status(page) == "40 of 40 rows"
    page.locator("select[name=missing]").select_option("right")
    assert ids(page) == [0, 1, 2, 3, 4]


def test_on_paper_there_are_all_rows_and_no_controls(visit, report):
    page = visit(report)
    page.get_by_label("search").fill("word7")
    assert ids(page) == [7]
    page.emulate_media(media="print")
    assert len(ids(page)) == 40
    assert not page.locator("form").is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("#bins").is_visible()


def test_complete_without_the_script(visit, report):
    page = visit(report, java_script_enabled=False)
    assert page.locator(f"{TABLE} tbody tr:visible").count() == 40
    assert not page.locator("form").is_visible()
    assert page.locator("th button").count() == 0


def test_keyboard_reaches_the_content_first(visit, report):
    page = visit(report, viewport={"width": 390, "height": 800})
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    assert page.locator(":focus").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.keyboard.press("Tab")
    box = page.locator(":focus")
    assert box.get_attribute("role") == "region"  # the first table scrolls by keyboard
    name = page.locator(f"#{box.get_attribute('aria-labelledby')}").inner_text()
    assert name.startswith("Modalities: shape of one sample")
