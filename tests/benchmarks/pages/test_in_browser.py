"""A browser that is offline shows the page of a run in both schemes and widths, with nothing to complain of."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.view import view

pytestmark = pytest.mark.slow  # test_page.py, of evaluations, has one that is not

spec = importlib.util.spec_from_file_location("folders", Path(__file__).with_name("runs.py"))
folders = importlib.util.module_from_spec(spec)
spec.loader.exec_module(folders)


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens the page of a folder in a browser that is offline."""
    tabs = []

    def open_page(make, **options):
        path = tmp_path / "page.html"
        path.write_text(view(make(tmp_path / "folder")), encoding="utf-8")
        tab = browser.new_context(offline=True, **options).new_page()
        requests, errors = [], []
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("pageerror", lambda error: errors.append(error))
        tab.on("console", lambda message: errors.append(message.text))
        tab.goto(path.as_uri())
        tabs.append((tab, path.as_uri(), requests, errors))
        return tab

    yield open_page
    for tab, address, requests, errors in tabs:
        assert [one for one in requests if not one.startswith("data:")] == [address] and not errors
        assert tab.evaluate("window.hacked") is None
        tab.context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [folders.run, folders.game, folders.comparison])
def test_a_page_is_whole_in_both_schemes_and_widths(opened, make, scheme, width):
    tab = opened(make, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(245, 247, 249)", "dark": "rgb(18, 23, 30)"}[scheme]


def test_samples_are_found_by_step_arm_level_and_outcome(opened):
    tab = opened(folders.run)
    rows = tab.locator("#list button")
    assert tab.locator("#step").input_value() == "12" and rows.count() == 2
    assert tab.locator("#shown .answer").count() == 2  # of one problem
    tab.select_option("#verdict", "cut")
    assert rows.count() == 1
    assert tab.locator("#shown .answer p").inner_text().endswith("cut off at the token limit")
    shown = tab.locator("#shown .answer pre").evaluate("one => one.textContent")
    assert shown[:80] == folders.HOSTILE[:80]
    tab.select_option("#step", "")
    assert rows.count() == 12
    tab.select_option("#part", "level 1")
    assert rows.count() == 0
    tab.select_option("#verdict", "wrong")
    tab.select_option("#level", "1")
    assert rows.count() == 12
    tab.fill("#text", "boxed{3}")
    assert tab.locator("#count").inner_text() == "12 of 24 problems"


def test_curves_are_shown_over_steps_or_over_tokens(opened):
    tab = opened(folders.run)
    shown = [tab.locator(f".panels.{axis} svg").first for axis in ("step", "tokens")]
    assert [one.is_visible() for one in shown] == [True, False]
    tab.locator("label[for=by-tokens]").click()
    assert [one.is_visible() for one in shown] == [False, True]
    assert "1.5k" in shown[1].inner_html()  # tokens
