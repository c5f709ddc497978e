"""The report of an evaluation: one HTML file with tables, plots and transcripts, that needs no other.

What a model wrote is data in it: it stands in a block of JSON in which no tag can begin or end, and the
page lets only its own script run, by the script's hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.plots import Point, panel
from edgewise.benchmarks.evaluation.suite import described
from edgewise.benchmarks.evaluation.summary import Record, expense, incomplete, number, shown

MAX_TRANSCRIPTS = 12_000_000  # characters of prompts and completions that a page takes along
PLACE = re.compile(r"\{\{(\w+)\}\}")
SHOWN = ("sample", "completion", "answer", "correct", "formatted", "ended", "num_tokens")


def write_page(folder: EvaluationFolder, summary: Record) -> None:
    """Write report.html from the files of an evaluation."""
    problems = transcripts(folder)
    kept, whole = select(problems, MAX_TRANSCRIPTS), len(problems)
    script = read("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "title": escape(f"{summary['agent']} on {summary['suite']}"),
        "facts": facts(summary, folder.config()),
        "body": body(summary),
        "kept": f"{len(kept):,} of {whole:,} problems, with all their answers; answers.jsonl has all.",
        "data": embedded(kept),
        "style": read("page.css"),
        "script": script,
        "script_hash": digest,
    }
    folder.write_text("report.html", PLACE.sub(lambda place: parts[place[1]], read("page.html")))


def read(name: str) -> str:
    """Return a file of this package."""
    return files("edgewise.benchmarks.evaluation").joinpath(name).read_text(encoding="utf-8")


def embedded(content: object) -> str:
    r"""Return JSON that may stand in a script element: no tag, comment or entity begins in it.

    >>> embedded({"said": "</script>&"})
    '{"said": "\\u003c/script\\u003e\\u0026"}'
    """
    text = json.dumps(content)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def transcripts(folder: EvaluationFolder) -> list[Record]:
    """Return the problems that have answers, with them."""
    answers: dict[Any, dict[int, Record]] = defaultdict(dict)
    for record in folder.lines("answers.jsonl"):
        row = answers[record["part"], record["level"], record["problem_seed"]]
        if row.get(record["sample"], {}).get("correct") is None:
            row[record["sample"]] = {name: record[name] for name in SHOWN}
    problems = []
    for problem in folder.lines("problems.jsonl"):
        found = answers.get((problem["part"], problem["level"], problem["problem_seed"]))
        if found:
            rows = [found[sample] for sample in sorted(found)]
            fields = {
                name: problem[name] for name in ("part", "level", "ood", "problem_seed", "prompt")
            }
            problems.append({**fields, "answers": rows})
    return problems


def select(problems: Sequence[Record], budget: int) -> list[Record]:
    """Return the first problems of every level alike, as many as `budget` characters allow."""
    ranks: dict[tuple[str, int], int] = defaultdict(int)
    ranked = []
    for place, problem in enumerate(problems):
        key = problem["part"], problem["level"]
        ranked.append((ranks[key], place))
        ranks[key] += 1
    kept = []
    for _, place in sorted(ranked):
        problem = problems[place]
        budget -= len(problem["prompt"])
        budget -= sum(len(answer["completion"]) + 150 for answer in problem["answers"])
        if budget < 0:
            break
        kept.append(place)
    return [problems[place] for place in sorted(kept)]


def facts(summary: Record, config: Mapping[str, Any]) -> str:
    """Describe the run in one line of HTML."""
    fields = [
        f"test set {summary['checksum']}",
        expense(summary["spent"]),
        f"version {config['version']}"
        + (f", commit {config['commit']}" if config["commit"] else ""),
        config["command"],
    ]
    return " · ".join(map(escape, fields))


def body(summary: Record) -> str:
    """Return the tables and plots."""
    sections = []
    if not summary["complete"]:
        sections.append(f'<section class="warning">{escape(incomplete(summary))}</section>')
    note = (
        "Intervals are 95 %, over problems; pass@k is the unbiased estimate. The mean over all parts "
        "weighs parts equally. ID: levels for training; OOD: levels kept out of it."
    )
    sections.append(
        f'<section id="means"><h2>Scores</h2><p class="note">{note}</p>{means_table(summary)}</section>'
    )
    sections.append(f'<section id="plots"><h2>By level</h2>{plots(summary)}</section>')
    sections.append(f'<section id="levels"><h2>Every level</h2>{levels_table(summary)}</section>')
    asked = [described(part) for part in summary["parts"]]
    asked += [f"{part['name']}: not evaluated, {part['reason']}" for part in summary["skipped"]]
    items = "".join(f"<li>{escape(line)}</li>" for line in asked)
    sections.append(
        f'<section id="protocol"><h2>Protocol</h2><ul class="plain">{items}</ul></section>'
    )
    return "\n".join(sections)


def html_table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a table; every row has a class and its cells."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = []
    for name, cells in rows:
        inside = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr class="{name}">{inside}</tr>')
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def deeper(rows: Sequence[Record]) -> list[str]:
    """Return the k of pass@k that some row has, as text."""
    return sorted({k for row in rows for k in row["pass_at_k"]}, key=int)


def means_table(summary: Record) -> str:
    """Return pass@1 and pass@k of every part."""
    ks = deeper(summary["means"])
    rows = []
    for row in summary["means"]:
        values = [number(row["pass_at_k"].get(k, {}).get("value"), 3) for k in ks]
        cells = [row["part"], "OOD" if row["ood"] else "ID", shown(row), *values]
        rows.append(("all" if row["part"] == "all parts" else "", cells))
    return html_table(["part", "levels", "pass@1", *(f"pass@{k}" for k in ks)], rows)


def levels_table(summary: Record) -> str:
    """Return all that is known of every level."""
    ks = deeper(summary["levels"])
    rows = []
    for row in summary["levels"]:
        values = [number(row["pass_at_k"].get(k, {}).get("value"), 3) for k in ks]
        place = f"{row['level']} {'OOD' if row['ood'] else 'ID'}"
        sizes = [number(row[name], 0) for name in ("mean_characters", "mean_tokens")]
        rates = [number(row[name], 3) for name in ("format_rate", "truncated")]
        counts = f"{row['num_problems']} x {row['num_samples']}"
        rows.append(("", [row["part"], place, shown(row), *values, counts, *rates, *sizes]))
    head = ["part", "level", "pass@1", *(f"pass@{k}" for k in ks), "problems"]
    return html_table([*head, "format", "truncated", "characters", "tokens"], rows)


def plots(summary: Record) -> str:
    """Return a panel of pass@1 by level for each part, and of pass@k where there are samples."""
    panels = []
    for part in dict.fromkeys(row["part"] for row in summary["levels"]):
        rows = [
            row for row in summary["levels"] if row["part"] == part and row["pass_at_1"] is not None
        ]
        points = [
            Point(str(row["level"]), row["pass_at_1"], row["low"], row["high"], row["ood"])
            for row in rows
        ]
        if points:
            panels.append(panel(f"{part}, pass@1", [points]))
        curves = [curve(row) for row in summary["means"] if row["part"] == part]
        if curves and any(len(points) > 1 for points in curves):
            panels.append(panel(f"{part}, pass@k", [c for c in curves if c], joined=True))
    legend = "filled: ID, hollow and dashed: OOD; bars are 95 % intervals over problems"
    return f'<p class="note">{legend}</p><div class="panels">{"".join(panels)}</div>'


def curve(row: Record) -> list[Point]:
    """Return pass@1 and pass@k of a row as points; none without an answer."""
    if row["pass_at_1"] is None:
        return []
    points = [Point("k = 1", row["pass_at_1"], row["low"], row["high"], row["ood"])]
    for k, found in row["pass_at_k"].items():
        points.append(Point(k, found["value"], found["low"], found["high"], row["ood"]))
    return points
