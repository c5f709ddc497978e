"""The page of a training run, also of TRL's and of verl's: curves, arms, scores and transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from edgewise.agents.statistics import Estimate, Stratum, wilson
from edgewise.agents.training import samples, trouble
from edgewise.agents.training.scores import read_scores
from edgewise.benchmarks.pages.charts import is_number
from edgewise.benchmarks.pages.run_curves import Records, Row, arm_of_problem, charts, read_problem
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
from edgewise.folder import Folder

LATEST = 10  # steps that "lately" is of
NOTE = (
    "Points are means over steps that follow each other. Bands, of up to six curves, are 95 % intervals over problems, "
    "Wilson's. Accuracy is of the problems that were trained on, which a curriculum chooses; validation "
    "is on fixed ones."
)
OUTCOMES: Mapping[str, Mapping[str, Any]] = {  # of samples.jsonl, as fields of an answer
    "right": {"correct": True},
    "wrong": {"correct": False, "formatted": True},
    "no answer": {"correct": False, "formatted": False},
    "cut": {"correct": False, "formatted": False, "ended": False},
    "unverified": {"correct": None},
}


def run_page(folder: Folder) -> str:
    """Return the page of a run, which may be going on.

    Raises:
        FileError: If one of its files is damaged.
    """
    config = folder.config()
    records = Records.read(folder, config)
    named = [str(config.get(name)) for name in ("env", "curriculum", "algorithm")]
    title = f"{', '.join(named)}, seed {config.get('seed')}"
    said = list(samples.read(folder))
    signs = trouble.signs(records.metrics, said)
    content = warning(signs) + body(folder, records)
    return page(title, facts(config, records), content, transcripts(said, records))


def warning(signs: Sequence[str]) -> str:
    """Return the section of the signs of trouble, "" without one."""
    if not signs:
        return ""
    return (
        f'<section id="trouble" class="warning"><h2>Signs of trouble</h2>{bullets(signs)}</section>'
    )


def facts(config: Row, records: Records) -> list[str]:
    """Describe the run in a few words each."""
    tokens = list(records.tokens().values())[-1:]
    seconds = sum(row.get("time/step_seconds", 0) for row in records.metrics)
    return [
        f"model {config.get('agent')}, preset {config.get('preset')}",
        f"step {records.step} of {records.num_steps}",
        f"{config.get('num_problems')} problems a step, {config.get('group_size')} completions each",
        f"{sum(tokens):,.0f} tokens sampled in {seconds:,.0f} s of training",
    ]


def body(folder: Folder, records: Records) -> str:
    """Return all sections but the transcripts."""
    if not records.metrics:
        return section("curves", "Curves", "", "No step is done yet.")
    switch = (
        '<input class="axis" type="radio" name="axis" id="by-step" checked>'
        '<label for="by-step">by step</label> '
        '<input class="axis" type="radio" name="axis" id="by-tokens">'
        '<label for="by-tokens">by tokens</label>'
    )
    sections = [section("curves", "Curves", switch + charts(records), NOTE)]
    if records.arms:
        note = f"Probability of the last step; lately means the last {LATEST} steps of the run."
        sections.append(section("arms", "Arms", arms_table(records), note))
    scores = [tested(folder, name) for name in ("before.json", "after.json")]
    if any(scores):
        note = "pass@1 on test problems, with 95 % intervals over problems."
        sections.append(section("scores", "Test problems", scores_table(*scores), note))
    return "\n".join(sections)


def arms_table(records: Records) -> str:
    """Return what each arm was given, and how well it is solved."""
    rows = []
    for arm, name in enumerate(records.arms):
        own = [(step, rate) for step, one, rate in records.groups if one == arm]
        late = [rate for step, rate in own if step > records.step - LATEST]
        last = records.metrics[-1].get(f"arm/{arm}_probability")
        cells = [
            name,
            f"{last:.3f}" if is_number(last) else "",
            f"{len(own):,}",
            rated([rate for _, rate in own]),
            rated(late),
            "" if not late else f"{np.mean([0 < rate < 1 for rate in late]):.2f}",
        ]
        rows.append(("", cells))
    head = ["arm", "probability", "problems", "accuracy", "lately", "right and wrong, lately"]
    return html_table(head, rows)


def rated(rates: Sequence[float]) -> str:
    """Format an accuracy with its interval, "" without a problem."""
    return str(wilson([Stratum(np.array(rates))])) if rates else ""


def tested(folder: Folder, name: str) -> list[Row]:
    """Return the scores of levels in a file, none if it is not there."""
    record = read_scores(folder, name)
    return [] if record is None else record["levels"]


def scores_table(before: Sequence[Row], after: Sequence[Row]) -> str:
    """Return the test scores of each level before and after training, as far as they are known."""
    found: dict[tuple[str, int, bool], list[Row | None]] = {}
    for place, scores in enumerate((before, after)):
        for row in scores:
            key = str(row["env"]), row["level"], bool(row["ood"])
            found.setdefault(key, [None, None])[place] = row
    rows = []
    for (env, level, ood), (one, two) in found.items():
        gain = f"{two['pass_at_1'] - one['pass_at_1']:+.3f}" if one and two else ""
        cells = [env, f"{level} {'OOD' if ood else 'ID'}", scored(one), scored(two), gain]
        rows.append(("", cells))
    return html_table(["task", "level", "before", "after", "gain"], rows)


def scored(row: Row | None) -> str:
    """Format a score with its interval, "" if there is none."""
    return str(Estimate(row["pass_at_1"], row["low"], row["high"])) if row else ""


def transcripts(said: Sequence[Row], records: Records) -> Browser | None:
    """Return the samples of a run to read, the last steps first; None if it kept none."""
    problems = list(grouped(said, records.arms))
    if not problems:
        return None
    kept = latest(problems, MAX_TRANSCRIPTS)
    steps = sorted({problem["step"] for problem in kept}, reverse=True)
    parts = sorted(
        {one["part"] for one in kept}, key=[*records.arms, *(one["part"] for one in kept)].index
    )
    return Browser(
        "Transcripts",
        f"Of every step a few completions, chosen by arm and outcome: {len(kept):,} of "
        f"{len(problems):,} problems, those of the last steps; {samples.LINES} has all.",
        [
            Filter("step", "step", [(str(step), str(step)) for step in steps], str(steps[0])),
            Filter("part", "arm", [(part, part) for part in parts]),
            Filter(LEVEL, "level"),
            Filter("verdict", "outcome", VERDICTS),
        ],
        kept,
    )


def grouped(said: Sequence[Row], arms: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield each problem of each step with its completions, the last step first."""

    def order(row: Row) -> tuple[int, int, int, str]:
        arm = row["arm"]  # None of a rule over problems
        if arm is None:
            arm = arm_of_problem(row["problem"], arms)
        return -row["step"], -1 if arm is None else arm, row["place"], row["problem"]

    for (late, arm, place, problem), rows in groupby(sorted(said, key=order), order):
        answers = list(rows)
        level = read_problem(problem).get("level")
        name = arms[arm] if 0 <= arm < len(arms) else f"arm {arm}" if arm >= 0 else "no arm"
        yield {
            "step": -late,
            "part": name,
            "level": level if isinstance(level, int) else None,
            "ood": False,
            "label": f"{-late} · {name} · {place}",
            "title": f"Step {-late}, {name}, problem {place} of the batch",
            "prompt": answers[0]["prompt"],
            "answers": [answer(row) for row in answers],
        }


def answer(sample: Row) -> dict[str, Any]:
    """Return a sample as an answer of a page."""
    found = {name: sample.get(name) for name in ("reward", "num_tokens")}
    known = OUTCOMES.get(sample["outcome"], {"correct": None})
    return {**found, **known, "completion": sample["completion"]}


def latest(problems: Sequence[dict[str, Any]], budget: int) -> list[dict[str, Any]]:
    """Return the first problems, as many as `budget` characters allow, at least one."""
    kept: list[dict[str, Any]] = []
    for problem in problems:
        budget -= len(problem["prompt"]) + 150
        budget -= sum(len(one["completion"]) + 150 for one in problem["answers"])
        if budget < 0 and kept:
            break
        kept.append(problem)
    return kept
