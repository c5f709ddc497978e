"""One HTML file that needs no other: its style, its script, and what it shows as data.

What a model wrote is data in it: it stands in a block of JSON in which no tag can begin or end, and the
page lets only its own script run, by the script's hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

PLACE = re.compile(r"\{\{(\w+)\}\}")
MAX_TRANSCRIPTS = 12_000_000  # characters of prompts and completions that a page takes along
LEVEL = "level"  # the filter whose choices the page makes itself, for those of "part"
VERDICTS = (
    ("right", "right"),
    ("wrong", "wrong answer"),
    ("none", "no answer found"),
    ("unverified", "not verified"),
    ("cut", "cut off"),
)


@dataclass(frozen=True)
class Filter:
    """A choice above the transcripts: those whose field `name` has the chosen value are listed.

    "verdict" is a field of the answers, every other one of the problems.
    """

    name: str
    label: str
    choices: Sequence[tuple[str, str]] = ()  # values, with the texts that stand for them
    chosen: str = ""  # at first; "" for all


@dataclass(frozen=True)
class Browser:
    """The transcripts of a page.

    Each problem is a record with "title", "label", "prompt" and "answers", and the field of every
    filter. Each answer has the "completion"; and "correct" (None without a verdict), "formatted",
    "ended", "answer", "sample", "reward" and "num_tokens", as far as they are known.
    """

    heading: str
    kept: str  # what of all there is
    filters: Sequence[Filter]
    problems: Sequence[Mapping[str, Any]]


def page(title: str, facts: Sequence[str], body: str, browser: Browser | None) -> str:
    """Return a page.

    Args:
        title: As text.
        facts: As text, put below the title.
        body: As HTML.
        browser: What there is to read, if anything.
    """
    script = read("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "title": escape(title),
        "facts": " · ".join(map(escape, facts)),
        "body": body,
        "style": read("page.css"),
        "script_hash": digest,
        "browser": "" if browser is None else browsed(browser),
        "scripts": "" if browser is None else scripts(browser, script),
    }
    return fill(read("page.html"), parts).encode("utf-8", "replace").decode()  # no half characters


def browsed(browser: Browser) -> str:
    """Return the section with the transcripts, which the script fills."""
    parts = {
        "heading": escape(browser.heading),
        "kept": escape(browser.kept),
        "filters": "\n".join(map(select, browser.filters)),
    }
    return fill(read("browser.html"), parts)


def select(choice: Filter) -> str:
    """Return a filter as HTML."""
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == choice.chosen else ""}>'
        f"{escape(text)}</option>"
        for value, text in [("", "all"), *choice.choices]
    )
    return f'<label>{escape(choice.label)} <select id="{choice.name}">{options}</select></label>'


def scripts(browser: Browser, script: str) -> str:
    """Return the data and the script."""
    data = f'<script type="application/json" id="data">{embedded(browser.problems)}</script>'
    return f"{data}\n<script>{script}</script>"


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with its places filled, each once: what is put in is not searched."""
    return PLACE.sub(lambda place: parts[place[1]], template)


def read(name: str) -> str:
    """Return a file of this package."""
    return files("edgewise.benchmarks.pages").joinpath(name).read_text(encoding="utf-8")


def embedded(content: object) -> str:
    r"""Return JSON that may stand in a script element: no tag, comment or entity begins in it.

    >>> embedded({"said": "</script>&"})
    '{"said": "\\u003c/script\\u003e\\u0026"}'
    """
    text = json.dumps(content)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def html_table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a table; every row has a class and its cells."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = []
    for name, cells in rows:
        inside = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr class="{name}">{inside}</tr>')
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def section(name: str, heading: str, content: str, note: str = "") -> str:
    """Return a section with a heading; `content` is HTML, `note` and the rest are text."""
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section id="{name}"><h2>{escape(heading)}</h2>{said}{content}</section>'


def bullets(lines: Sequence[str]) -> str:
    """Return lines of text as a list."""
    return f'<ul class="plain">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'
