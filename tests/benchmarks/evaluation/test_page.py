"""The report is one page that works offline, and what a model writes in it stays text."""

import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.evaluation.page import select

HOSTILE = (
    "</script><script>window.hacked = 1</script><!--<script>"
    '<img src="http://example.com/x.png" onerror="window.hacked = 2">{{script}} {{data}} '
    "&lt;b&gt; ' \" \\ \u2028 \ud800 \x00 ${window.hacked = 3} ]]> </style>"
)
MODULE = f"""
HOSTILE = {HOSTILE!r}

def hostile(question, sample):
    if question.problem_seed == 0:
        return HOSTILE
    if question.problem_seed == 1:
        return "\\\\boxed{{<script>window.hacked = 4</script>}}" + HOSTILE
    return "\\\\boxed{{%s}}" % question.env.task.solve(question.problem)
"""


@pytest.fixture
def page(evaluate, tmp_path, monkeypatch):
    """The report of an agent that writes markup in place of two answers of three."""
    (tmp_path / "hostile_agent.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    folder, _ = evaluate("hostile_agent:hostile", "--suite", "sec", "--samples", "2")
    return folder / "report.html"


class Elements(HTMLParser):
    """The elements of a page, and the text of those that hold scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags[-1:] == ["script"]:
            self.scripts[-1] += data


def test_hostile_text_stays_text(page):
    text = page.read_text(encoding="utf-8")
    found = Elements(text)
    assert found.tags.count("script") == 2 and not {"img", "b", "iframe"} & set(found.tags)
    assert not found.links and not re.search(r"(?:src|href|url)\s*[=(]", text.split("<script")[0])
    problems = json.loads(found.scripts[0])
    said = {answer["completion"] for problem in problems for answer in problem["answers"]}
    assert HOSTILE in said
    assert found.scripts[1].startswith('"use strict"')


def test_a_page_takes_as_many_problems_of_each_level_as_fit():
    problems = [
        {"part": "p", "level": level, "prompt": "x" * 100, "answers": [], "number": number}
        for level in (1, 2)
        for number in range(10)
    ]
    kept = select(problems, budget=650)
    assert [(row["level"], row["number"]) for row in kept] == [
        (level, number) for level in (1, 2) for number in range(3)
    ]
    assert select(problems, 10_000) == problems


@pytest.fixture
def opened(browser, page):
    """The report in a browser that is offline, and what it asked for and complained of."""
    context = browser.new_context(offline=True)
    tab, requests, errors = context.new_page(), [], []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("pageerror", lambda error: errors.append(error))
    tab.on("console", lambda message: errors.append(message.text))
    tab.goto(page.as_uri())
    yield tab
    assert requests == [page.as_uri()] and not errors
    assert tab.evaluate("window.hacked") is None


def counted(tab):
    """How many problems the page lists, and of how many answers it shows the first."""
    rows = tab.locator("#list button").count()
    assert tab.locator("#count").inner_text().startswith(f"{rows} of ")
    return rows, tab.locator("#shown .answer").count()


@pytest.mark.slow  # `make test-site` looks at it, as at the pages of runs
def test_a_browser_shows_and_filters_the_transcripts(opened):
    tab = opened
    assert tab.locator("h1").inner_text() == "hostile_agent:hostile on sec"
    assert tab.locator("figure svg").count() == 6  # pass@1 and pass@k of three parts
    assert counted(tab) == (36, 2)  # three problems of four levels of three parts
    tab.select_option("#part", "sec/Zebra-v0")
    assert counted(tab) == (12, 2)
    tab.select_option("#level", "4")
    assert counted(tab) == (3, 2)
    for verdict, number in (("right", 1), ("wrong", 1), ("none", 1), ("cut", 0)):
        tab.select_option("#verdict", verdict)
        assert tab.locator("#list button").count() == number
    assert tab.locator("#shown").inner_text() == "Nothing fits."
    tab.select_option("#verdict", "")
    tab.select_option("#level", "")
    tab.fill("#text", "&LT;B&gt;")
    assert counted(tab) == (8, 2)  # two hostile ones of four levels


@pytest.mark.slow
def test_a_browser_shows_hostile_text_as_it_was_written(opened):
    tab = opened
    tab.select_option("#verdict", "none")
    tab.locator("#list button").nth(1).click()
    assert tab.locator("#list button[aria-current=true]").count() == 1
    shown = tab.locator("#shown .answer pre").first.evaluate("one => one.textContent")
    assert shown[:80] == HOSTILE[:80]
    assert tab.locator("#shown img, #shown script").count() == 0
