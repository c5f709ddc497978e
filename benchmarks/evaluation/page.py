"""The report of an evaluation: one HTML file with tables, plots and transcripts, that needs no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from edgewise.benchmarks.evaluation.answers import KEY, EvaluationFolder
from edgewise.benchmarks.evaluation.suite import described
from edgewise.benchmarks.evaluation.summary import Record, expense, incomplete, number, shown
from edgewise.benchmarks.pages.shell import (
    LEVEL,
    MAX_TRANSCRIPTS,
    VERDICTS,
    Browser,
    Filter,
    bullets,
    html_table,
    page,
    section,
)

SHOWN = ("sample", "completion", "answer", "correct", "formatted", "ended", "num_tokens")


def write_page(folder: EvaluationFolder, summary: Record) -> None:
    """Write report.html from the files of an evaluation."""
    folder.write_text("report.html", page_of(folder, summary))


def page_of(folder: EvaluationFolder, summary: Record) -> str:
    """Return the page of an evaluation."""
    problems = transcripts(folder)
    kept, whole = select(problems, MAX_TRANSCRIPTS), len(problems)
    parts = dict.fromkeys(problem["part"] for problem in kept)
    browser = Browser(
        "Transcripts",
        f"{len(kept):,} of {whole:,} problems, with all their answers; answers.jsonl has all.",
        [
            Filter("part", "part", [(part, part) for part in parts]),
            Filter(LEVEL, "level"),
            Filter("verdict", "verdict", VERDICTS),
        ],
        kept,
    )
    title = f"{summary['agent']} on {summary['suite']}"
    return page(title, facts(summary, folder.whole_config()), body(summary), browser)


def transcripts(folder: EvaluationFolder) -> list[Record]:
    """Return the problems that have answers, with them."""
    answers: dict[Any, dict[int, Record]] = defaultdict(dict)
    for record in folder.answers((*KEY, *SHOWN)):
        row = answers[record["part"], record["level"], record["problem_seed"]]
        if row.get(record["sample"], {}).get("correct") is None:
            row[record["sample"]] = {name: record[name] for name in SHOWN}
    problems = []
    for problem in folder.problems():
        found = answers.get((problem["part"], problem["level"], problem["problem_seed"]))
        if found:
            rows = [found[sample] for sample in sorted(found)]
            fields = {
                name: problem[name] for name in ("part", "level", "ood", "problem_seed", "prompt")
            }
            problems.append({**fields, **named(fields), "answers": rows})
    return problems


def named(problem: Record) -> dict[str, str]:
    """Return what a problem is called, in the list and above its answers."""
    part, level, seed = (problem[name] for name in ("part", "level", "problem_seed"))
    kind = "out of distribution" if problem["ood"] else "training"
    return {
        "label": f"{part.split('/')[-1]} {level} · {seed}",
        "title": f"{part}, level {level} ({kind}), problem {seed}",
    }


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


def facts(summary: Record, config: Mapping[str, Any]) -> list[str]:
    """Describe the run in a few words each."""
    return [
        f"test set {summary['checksum']}",
        expense(summary["spent"]),
        f"version {config['version']}"
        + (f", commit {config['commit']}" if config["commit"] else ""),
        config["command"],
    ]


def body(summary: Record) -> str:
    """Return the tables and plots."""
    sections = []
    if not summary["complete"]:
        sections.append(f'<section class="warning">{escape(incomplete(summary))}</section>')
    note = (
        "Intervals are 95 %, over problems; pass@k is the unbiased estimate. The mean over all parts "
        "weighs parts equally. ID: levels for training; OOD: levels kept out of it."
    )
    sections.append(section("means", "Scores", means_table(summary), note))
    sections.append(section("plots", "By level", plots(summary)))
    sections.append(section("levels", "Every level", levels_table(summary)))
    asked = [described(part) for part in summary["parts"]]
    asked += [f"{part['name']}: not evaluated, {part['reason']}" for part in summary["skipped"]]
    sections.append(section("protocol", "Protocol", bullets(asked)))
    return "\n".join(sections)


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


WIDTH, HEIGHT = 250, 170
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 8, 24  # margins


@dataclass(frozen=True)
class Point:
    """A fraction with an interval, above a label."""

    label: str
    value: float
    low: float
    high: float
    ood: bool = False


def panel(title: str, series: Sequence[Sequence[Point]], joined: bool = False) -> str:
    """Return a figure with the points of some series side by side, from 0 to 1.

    Args:
        title: Is put above.
        series: All have the same labels, or one after the other where they are not joined.
        joined: Whether lines join the points of a series.
    """
    labels = list(dict.fromkeys(point.label for points in series for point in points))
    step = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    drawn = [axes(labels, step)]
    for points in series:
        shift = 0.0 if len(series) == 1 else 3.0 * (1 if points[0].ood else -1)
        places = [(LEFT + (labels.index(p.label) + 0.5) * step + shift, p) for p in points]
        if joined:
            path = " ".join(f"{x:.1f},{height(p.value):.1f}" for x, p in places)
            drawn.append(f'<polyline class="path{kind(points[0])}" points="{path}"/>')
        drawn += [mark(x, point) for x, point in places]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    image = f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{image}</figure>"


def axes(labels: Sequence[str], step: float) -> str:
    """Return lines at quarters, and the labels below."""
    drawn = []
    for quarter in range(5):
        y = height(quarter / 4)
        drawn.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{quarter / 4:g}</text>'
        )
    for place, label in enumerate(labels):
        x = LEFT + (place + 0.5) * step
        drawn.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 7}" text-anchor="middle">{escape(label)}</text>'
        )
    return "".join(drawn)


def mark(x: float, point: Point) -> str:
    """Return a point with its interval, and what it says when it is pointed at."""
    low, high, y = height(point.low), height(point.high), height(point.value)
    tooltip = f"{point.label}: {point.value:.3f} [{point.low:.3f}, {point.high:.3f}]"
    return (
        f"<g><title>{escape(tooltip)}</title>"
        f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="mark{kind(point)}" cx="{x:.1f}" cy="{y:.1f}" r="4"/></g>'
    )


def kind(point: Point) -> str:
    """Return the class of points out of distribution."""
    return " ood" if point.ood else ""


def height(value: float) -> float:
    """Compute the vertical position of a fraction."""
    return TOP + (1 - value) * (HEIGHT - TOP - BOTTOM)
