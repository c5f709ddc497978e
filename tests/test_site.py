"""The site: every public name is in its reference, no link is dead, and it works offline in a browser."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "edgewise",
    "edgewise.wrappers",
    "edgewise.wrappers.vector",
    "edgewise.grading",
    "edgewise.agents",
    "edgewise.agents.soar",
    "edgewise.agents.integrations",
    "edgewise.benchmarks.evaluation",
)
SEEN = ("index.html", "gallery.html", "results/beds.html", "reference/edgewise.wrappers.html")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "mkdocs.yml").is_file(), reason="the pages are not here"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` does; a dead link, anchor or reference is an error."""
    for name in ("mkdocs", "mkdocstrings", "material"):
        pytest.importorskip(name)
    path = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", path]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return path


def test_every_public_name_is_in_the_reference(site):
    for package in PACKAGES:
        page = (site / "reference" / f"{package}.html").read_text(encoding="utf-8")
        for name in importlib.import_module(package).__all__:
            is_page = (site / "reference" / f"{package}.{name}.html").is_file()
            assert is_page or f'id="{package}.{name}"' in page or name == "envs", name


def test_no_page_asks_for_anything_from_outside(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for mark in ('src="http', '<link rel="stylesheet" href="http', "fonts.googleapis"):
            assert mark not in text, page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_are_whole_offline_in_both_schemes_and_widths(site, browser, width, scheme):
    pictures = ROOT / "build" / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    size = {"width": width, "height": 900}
    context = browser.new_context(offline=True, color_scheme=scheme, viewport=size)
    for name in SEEN:
        tab, requests, errors = context.new_page(), [], []
        tab.on("request", lambda request, found=requests: found.append(request.url))
        tab.on("pageerror", lambda error, found=errors: found.append(str(error)))
        tab.on("console", lambda said, found=errors: found.append(said.text))
        tab.goto((site / name).as_uri())
        tab.wait_for_load_state("networkidle")
        outside = [url for url in requests if not url.startswith((site.as_uri(), "blob:", "data:"))]
        assert not outside and not errors, name
        assert tab.evaluate("document.documentElement.scrollWidth") <= width + 1, name
        shown = f"site-{name.replace('/', '-').removesuffix('.html')}-{width}-{scheme}.png"
        tab.screenshot(path=pictures / shown)
        tab.close()
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_prompts_of_the_gallery_wrap(site, browser, width):
    tab = browser.new_context(offline=True, viewport={"width": width, "height": 900}).new_page()
    tab.goto((site / "gallery.html").as_uri())
    count = "all => [all.length, all.filter(one => one.scrollWidth > one.clientWidth + 1).length]"
    blocks, wide = tab.eval_on_selector_all(".prompt code", count)
    assert blocks > 100 and wide == 0


def test_a_search_finds_a_rule(site, browser):
    tab = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    tab.goto((site / "index.html").as_uri())
    tab.click(".md-search__input")
    tab.locator(".md-search__input").press_sequentially("MTGRPO", delay=100)  # as one types
    tab.wait_for_selector(".md-search-result__item a")
    places = tab.eval_on_selector_all(".md-search-result__item a", "all => all.map(a => a.href)")
    assert any("reference/edgewise.wrappers.html" in place for place in places)
