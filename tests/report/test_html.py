"""The report: one file, nothing requested, everything escaped, readable without seeing, written in one step."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from interplay.estimation import measure
from interplay.evaluation.telling import ALL_PICTURES, LONGEST_TEXT, MOST_ROWS, picture
from interplay.report import html
from interplay.report.html import render, write_report
from interplay.report.words import overview, reading

HOSTILE = "<script>alert('x')</script>"
VOID = {"meta", "img", "br", "hr", "link", "input"}
LIMIT = 5_000_000


class Page(HTMLParser):
    """Checks that tags close in order and collects what is asserted on."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "

    def all(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture(scope="module")
def text(made):
    return render(made)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_hostile_names_stay_text(page):
    assert page.all("script") == [{}]
    assert page.text.count(HOSTILE) >= 4  # title, heading, class list, truth of the sample, method
    assert "$x_{" in page.text


def test_nothing_is_requested(text, page):
    for _, attrs in page.found:
        for name, value in attrs.items():
            if name in ("src", "href", "xlink:href", "action", "data"):
                assert value.startswith(("#", "data:image/png;base64,"))
    assert "url(http" not in text
    assert "@import" not in text
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; ")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.search(r"script-src ([^;]*);", policy)[1] == f"'sha256-{digest}'"
    assert "eval" not in script


def test_ids_are_unique_and_references_lead_somewhere(text, page):
    ids = [attrs["id"] for _, attrs in page.found if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert used <= set(ids)
    assert {attrs["aria-labelledby"] for attrs in page.all("section")} <= set(ids)


def test_readable_without_seeing(page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert all(attrs.get("alt") for attrs in page.all("img"))
    figures = [a for a in page.all("svg") if a.get("class") == "figure"]
    assert len(figures) == 7
    assert all(a["role"] == "img" and a["aria-label"] for a in figures)
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 10
    names = {attrs["id"] for attrs in page.all("caption")}
    assert {a["aria-labelledby"] for a in page.all("div") if a.get("role") == "region"} == names


def test_the_numbers_are_there(page):
    words = " ".join(page.text.split())
    assert "redundancy 1.250 1.000 to 1.500 0.010 yes" in words
    assert "synergy 0.125 0.000 to 0.200 0.300 no" in words
    assert "0.895 ± 0.007" in words  # mean and standard deviation of 0.90 and 0.89
    assert "tell 2.12 bits about the target: 1.25 in each of them, 0.50 only in left, 0.25 only in right" in words
    assert "Not distinguishable from none: what is only in right and only in both together." in words
    assert "only 40 rows" in words
    assert "interplay demo" in words
    assert "missing in train (120 rows)" in words
    assert "left 32 3 (2.5%) 0 none" in words
    assert "60% of its numbers never vary" in words
    assert "rate 0.25 0.775 0.100 to 0.950 0.675 0.100 to 0.950" in words
    assert "joint : The model cannot do without left or right: when one of them is absent the accuracy goes" in words
    assert "joint 0.950 0.900 30" in words
    assert "no 20 0.750 0.250 0.250 0.250 0.250" in words
    assert "All 40 test samples, by dmil (first seed); contributions in logits." in words


def test_ties_and_withheld_parts_are_said_as_they_are(results):
    words = " ".join(overview(results))
    assert f"With everything there, joint and {HOSTILE} are right most often, in 89.5%" in words
    results.measurement |= {"redundancy": None, "unique": {"left": None, "right": None}, "synergy": None, "total": None}
    assert "too few" in reading(results.measurement)[0]
    assert "withheld" in Page(render(results)).text


def test_three_modalities_show_pairs(results):
    results.measurement = measure(
        {name: np.arange(60)[:, None] % k for name, k in {"a": 2, "b": 3, "c": 4}.items()},
        np.arange(60) % 2, n_bootstrap=5, n_permutations=5, random_state=0, sensitivity=False,
    ).to_dict()  # fmt: skip
    page = Page(render(results))
    assert "Information was measured for each pair among a, b and c." in page.text
    assert "Each pair of modalities" in page.text


def test_light_and_dark_and_print(text):
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "stroke: #000000" not in text  # axes follow the page's colour
    assert "stroke: currentColor" in text


def test_sections_without_content_are_left_out(results):
    empty = {name: {} for name in ("histories", "curves", "calibration")}
    empty |= {name: [] for name in ("scores", "samples", "rows", "composition")}
    bare = results.model_copy(update={"measurement": None, **empty})
    page = Page(render(bare))
    assert [a["id"] for a in page.all("h2")] == ["data", "run"]


def test_letters_that_the_drawing_font_lacks(results):
    results.scores[0].method = "中文"
    assert "中文" in render(results)


def test_same_results_give_the_same_page(results, text):
    assert render(results) == text


def test_written_in_one_step(results, text, tmp_path, monkeypatch):
    path = write_report(results, tmp_path)
    assert path.read_text(encoding="utf-8") == text
    monkeypatch.setattr(html, "render", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(results, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.stat().st_size > 10_000


def test_a_choice_of_rows_is_called_one(results):
    results.data.rows["test"] = 4000
    words = " ".join(Page(render(results)).text.split())
    assert "40 of 4000 test samples, chosen at random, by dmil" in words
    assert "All 40 test samples" not in words


def test_a_model_without_parts_has_a_table_of_rows(results):
    for sample in [*results.samples, *results.rows]:
        sample.contributions = {}
    results.composition = []
    page = Page(render(results))
    assert "which has no parts to tell apart" in page.text
    assert "contributions in" not in page.text
    assert "rows" in [attrs["id"] for attrs in page.all("table")]
    assert len([a for a in page.all("svg") if a.get("class") == "figure"]) == 5


def test_numbers_have_errors_in_place_of_classes(results):
    results.data.classes, results.composition, results.calibration = [], [], {}
    results.scores = []
    for sample in [*results.samples, *results.rows]:
        sample.target, sample.prediction, sample.probability = "1.5", "1.25", None
    page = Page(render(results))
    assert "error" in page.text.split()
    assert "-0.25" in page.text
    assert [a["name"] for a in page.all("select")] == ["missing"]
    assert "logits" not in page.text


def test_the_largest_report_stays_below_five_megabytes(results):
    """500 rows with all the text and all the pictures that a table may have, and many methods."""
    pixels = np.random.default_rng(0).random((3, 512, 512))
    large = results.samples[0].model_copy(update={"pictures": {f"m{i}": picture(pixels) for i in range(2)}})
    results.samples = [large] * 9
    row = results.rows[0].model_copy(update={"text": "x" * LONGEST_TEXT})
    row.pictures = {"m": "data:image/png;base64," + "A" * (ALL_PICTURES // MOST_ROWS - 22)}
    results.rows = [row] * MOST_ROWS
    results.histories = {f"method {i}": results.histories["joint"] for i in range(3)}
    size = len(render(results).encode())
    assert 3_000_000 < size < LIMIT
