"""The committed results as one page, in Markdown and in HTML.

A result is a folder with the config.json and the summary.json of an evaluation. Agents are compared only
on the same questions by the same protocol: there is a table for each.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.evaluation.summary import ALL, Record, number, shown
from edgewise.benchmarks.pages.shell import html_table, read
from edgewise.files import read_json

VERSION = re.compile(r"-v\d+")
BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"
NOTE = (
    "pass@1. ID and OOD are means over all parts, with 95 % intervals over problems; each part has its "
    "training levels / its levels out of distribution, or what it has of them."
)


@dataclass(frozen=True)
class Result:
    """One folder."""

    name: str
    config: Record
    summary: Record

    @property
    def questions(self) -> str:
        """What was asked and how, as a text."""
        return json.dumps([self.summary[name] for name in ("suite", "checksum", "parts")])

    def mean(self, part: str, ood: bool) -> Record | None:
        """Return the mean scores of a part, None if it has no such levels."""
        rows = self.summary["means"]
        return next((r for r in rows if r["part"] == part and r["ood"] == ood), None)


@dataclass(frozen=True)
class Board:
    """The table of one test set."""

    about: list[str]
    sheet: Sheet


def read_results(folder: Path) -> list[Result]:
    """Return the results in a folder, by name.

    Raises:
        ValueError: If there is none.
        FileError: If one is damaged.
    """
    results = []
    for path in sorted(folder.glob("*/summary.json")):
        config = path.with_name("config.json")
        if config.is_file():
            results.append(Result(path.parent.name, read_json(config), read_json(path)))
    if not results:
        raise ValueError(f"`folder` must have folders with results, got {folder}")
    return results


def boards(results: Sequence[Result]) -> list[Board]:
    """Return a table for each test set, agents by their mean over the training levels."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.questions].append(result)
    return [board(group) for group in groups.values()]


def board(group: Sequence[Result]) -> Board:
    """Return the table of results with the same questions."""
    first = group[0].summary
    names = [part["name"] for part in first["parts"]]

    def best_first(result: Result) -> float:
        row = result.mean(ALL, False) or result.mean(ALL, True)
        return -(row["pass_at_1"] or 0.0) if row else 0.0

    rows = []
    for result in sorted(group, key=best_first):
        star = "" if result.summary["complete"] else " (not complete)"
        overall = [result.mean(ALL, ood) for ood in (False, True)]
        cells = ["-" if row is None else shown(row) for row in overall]
        cells += [both(result.mean(name, False), result.mean(name, True)) for name in names]
        rows.append([result.summary["agent"] + star, *cells, result.name])
    about = [
        f"{part['name']}: preset {part['preset']}, {part['num_problems']} problems x "
        f"{part['num_samples']} samples, temperature {part['temperature']:g}"
        for part in first["parts"]
    ]
    whole = [VERSION.sub("", name) for name in names]
    short = [name.partition("/")[2] for name in whole]
    short = [w if short.count(s) > 1 else s for s, w in zip(short, whole, strict=True)]
    head = ["agent", "ID", "OOD", *short, "result"]
    title = f"{first['suite']}, test set {first['checksum']}"
    return Board(about, Sheet(title, head, rows))


def both(training: Record | None, ood: Record | None) -> str:
    """Return pass@1 on the training levels and on the others of a part, as far as it has both."""
    found = [number(row["pass_at_1"], 3) for row in (training, ood) if row is not None]
    return " / ".join(found)


def markdown(results: Sequence[Result]) -> str:
    """Return all tables as Markdown."""
    lines = [NOTE, ""]
    for one in boards(results):
        lines += [f"**{one.sheet.title}**", "", *(f"- {text}" for text in one.about), ""]
        lines += [*one.sheet.markdown(), ""]
    return "\n".join(lines)


def page(results: Sequence[Result]) -> str:
    """Return all tables as one page that needs no other file."""
    sections = []
    for one in boards(results):
        rows = [("", row) for row in one.sheet.rows]
        about = "".join(f"<li>{escape(text)}</li>" for text in one.about)
        sections.append(
            f"<section><h2>{escape(one.sheet.title)}</h2>{html_table(one.sheet.header, rows)}"
            f'<ul class="plain note">{about}</ul></section>'
        )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Edgewise leaderboard</title><style>{read('page.css')}</style></head><body>"
        f'<header><h1>Edgewise leaderboard</h1><p class="facts">{escape(NOTE)}</p></header>'
        f"<main>{''.join(sections)}</main></body></html>\n"
    )


def replace_between(text: str, content: str) -> str:
    """Return `text` with `content` between its marks.

    Raises:
        ValueError: If it has no marks.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"`readme` must have the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{content}\n{END}{tail}"
