"""The page of a game of SOAR: rewards, what was accepted and promoted, and the problems written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from edgewise.benchmarks.pages.charts import Line, chart
from edgewise.benchmarks.pages.run_curves import Row, figures, points, stepped
from edgewise.benchmarks.pages.run_page import latest
from edgewise.benchmarks.pages.shell import MAX_TRANSCRIPTS, Browser, Filter, page, section
from edgewise.folder import Folder

PROBLEMS = "problems.jsonl"
CURVES = (
    ("teacher's reward", (("reward", "mean of the data sets"), ("best_reward", "best")), None),
    ("greedy accuracy", (("baseline_accuracy", "baseline, hard training problems"),), 1.0),
    ("share of the problems written that were accepted", (("accepted_ratio", "accepted"),), 1.0),
)


def soar_page(folder: Folder) -> str:
    """Return the page of a game, which may be going on.

    Raises:
        FileError: If one of its files is damaged.
    """
    config, metrics = folder.config(), figures(folder)
    title = (
        f"SOAR, {config.get('preset')}, reward {config.get('reward')}, seed {config.get('seed')}"
    )
    drawn = "".join(
        chart(
            name,
            [Line(label, points(metrics, key, float)) for key, label in lines],
            "outer step",
            0,
            top,
        )
        for name, lines, top in CURVES
    )
    note = "Points are means over outer steps that follow each other."
    body = section("curves", "Curves", f'<div class="panels">{drawn}</div>', note)
    return page(title, facts(config, metrics, folder.read("stopped.json")), body, written(folder))


def facts(config: Row, metrics: Sequence[Row], stopped: Row | None) -> list[str]:
    """Describe the game in a few words each."""
    game = part(config, "game")
    promoted = [str(row["step"]) for row in metrics if row.get("promoted")]
    lines = [
        f"model {game.get('agent')}, problems of {game.get('env')}",
        f"outer step {metrics[-1]['step'] if metrics else 0} of {part(game, 'soar').get('num_steps')}",
        f"promotions after outer steps {', '.join(promoted) or 'none'}",
    ]
    return [*lines, f"ended early: {stopped.get('why')}"] if stopped else lines


def part(config: Row, name: str) -> Row:
    """Return a part of a config, an empty one if there is none."""
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def written(folder: Folder) -> Browser | None:
    """Return the problems that the teacher wrote, the last outer step first; None if there are none."""
    problems = list(pairs(list(stepped(folder, PROBLEMS))))
    if not problems:
        return None
    kept = latest(problems, MAX_TRANSCRIPTS)
    steps = list(dict.fromkeys(str(problem["step"]) for problem in kept))
    sets = sorted({problem["dataset"] for problem in kept})
    return Browser(
        "Problems written by the teacher",
        f"{len(kept):,} of {len(problems):,}, those of the last outer steps; {PROBLEMS} has all.",
        [
            Filter("step", "outer step", [(step, step) for step in steps], steps[0]),
            Filter("dataset", "data set", [(str(number), str(number)) for number in sets]),
        ],
        kept,
    )


def pairs(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield each problem with its answer, the last outer step first."""
    for late, found in groupby(
        sorted(rows, key=lambda row: -row["step"]), lambda row: -row["step"]
    ):
        for place, row in enumerate(found):
            reward = row.get("reward")
            yield {
                "step": -late,
                "dataset": row.get("dataset") if isinstance(row.get("dataset"), int) else -1,
                "label": f"{-late} · set {row.get('dataset')} · {place}",
                "title": f"Outer step {-late}, data set {row.get('dataset')}",
                "tally": "" if not isinstance(reward, float) else f"{reward:.3g}",
                "prompt": str(row.get("question")),
                "answers": [{"completion": str(row.get("answer")), "reward": reward}],
            }
