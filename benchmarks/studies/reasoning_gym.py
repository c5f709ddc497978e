"""Measure every data set of Reasoning Gym, and write its table of levels and docs/reasoning-gym.md.

python -m edgewise.benchmarks.studies.reasoning_gym --levels envs/reasoning_gym/levels.json \
        --page docs/reasoning-gym.md
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.agents.training.sheet import Sheet, row_line
from edgewise.envs.reasoning_gym.answers import FAILURES, OURS
from edgewise.files import write_atomically
from edgewise.pool import Pool

NUM_PROBLEMS = 30  # of a level
BUDGET = 1.0  # seconds of CPU for them
SECONDS = 10.0  # and in all
MIN_RATE = 4.0  # problems a second
MIN_DISTINCT = 0.5
RUNS = "runs answers"
REPLACED = {  # scorers that are not asked, and why; where there is none of ours, match is strict
    "binary_matrix": RUNS,
    "calendar_arithmetic": "accepts any number where the answer is -1",
    "coin_flip": "accepts what is within .0001, 0 for small chances",
    "countdown": RUNS,
    "decimal_arithmetic": "accepts a last digit that is wrong",
    "fraction_simplification": "passes over what follows",
    "game_of_life": "accepts larger boards",
    "game_of_life_halting": "accepts any text",
    "gsm_symbolic": "passes over the sign and what follows",
    "intermediate_integration": f"{RUNS}; roots and arcs in the known form only",
    "knights_knaves": "passes over other words",
    "n_queens": RUNS,
    "number_format": "accepts what is within .01",
    "number_sorting": "accepts numbers that are off by 1, and NaN",
    "polynomial_equations": "passes over what follows",
    "polynomial_multiplication": RUNS,
    "pool_matrix": "accepts what is within 1 %",
    "puzzle24": f"{RUNS}, and accepts other numbers than those given",
    "simple_integration": RUNS,
    "spiral_matrix": RUNS,
    "string_insertion": RUNS,
    "time_intervals": "accepts any unit",
}
ROUNDED = ("power_function",)  # which asks for three digits, so that a wrong last one is none
LEFT_OUT = {
    "boxnet": "gives no answer of its own, so no problem could be shown to be solvable",
    "composite": "a mixture: `Mixture-v0` is one",
    "propositional_logic": "gives no answer of its own, and accepts a premise that is restated",
    "rush_hour": "gives no answer of its own, so no problem could be shown to be solvable",
}
HEAD = """# Reasoning Gym

The data sets of [Reasoning Gym](https://github.com/open-thought/reasoning-gym) {version} as
environments `ReasoningGym/<name>-v0`: `pip install 'edgewise[reasoning-gym]'`. Made by
`python -m edgewise.benchmarks.studies.reasoning_gym`.

- A level raises all attributes of the data set's curriculum together. Levels that are equal to the
  one before are not counted, and the others are numbered from 1.
- Problems are made and answers scored in worker processes, and no text of an answer is ever run. A
  scorer is theirs, where only full credit counts and where some see only answers of the form that
  is asked for; ours, where theirs runs text or credits wrong answers and more than one text is
  right; or strict: the answer must be the known one, but for spaces and the zeros of numbers.
- `problems/s` is of one process, per second of CPU, on the slowest and the fastest level.
- `constant` is the share of problems that the most frequent answer of a level solves, at most.
- A level is left out if the generator refuses it or fails on one problem in five, is slower than
  {rate:g} problems a second, repeats more than half of {count} problems, or has no answer of its own.
  If that leaves none, the default configuration is tried, as level 0 of theirs.
"""
COLUMNS = ("environment", "levels", "problems/s", "scorer", "constant", "left out")


def configurations(name: str) -> list[dict[str, Any]]:
    """Return the configuration of each level of a curriculum, each differing from the one before."""
    from reasoning_gym.factory import DATASETS, create_curriculum, has_curriculum

    if not has_curriculum(name):
        return [{}]
    curriculum, plain = create_curriculum(name), asdict(DATASETS[name][1]())
    found: list[dict[str, Any]] = []
    for level in range(max(len(each.levels) for each in curriculum.attributes.values())):
        curriculum.set_global_level(level)
        config = asdict(curriculum.generate_configuration({}))
        differs = {key: value for key, value in config.items() if value != plain.get(key)}
        differs.pop("seed", None)
        if differs not in found:
            found.append(differs)
    return found


def list_levels(name: str) -> list[str]:
    """Return `configurations` as JSON; one line with an error if there are none."""
    try:
        return [json.dumps(config) for config in configurations(name)]
    except FAILURES as error:
        return [f"{type(error).__name__}: {error}"]


def measure(name: str, config: str) -> dict[str, Any]:
    """Measure a level: its rate, its failures and what its scorer accepts."""
    from edgewise.envs.reasoning_gym.worker import dataset, entry, lock

    lock()
    try:
        source = dataset(name, config)
    except FAILURES as error:
        return {"reason": f"{type(error).__name__}: {str(error)[:80]}"}
    rng = np.random.Generator(np.random.Philox(key=1))
    made, errors = [], Counter[str]()
    used, start = 0.0, time.process_time()
    for index in (rng.integers(2**62, size=NUM_PROBLEMS)).tolist():
        try:
            made.append((index, entry(name, config, index)))
        except FAILURES as error:
            errors[f"{type(error).__name__}: {str(error)[:80]}"] += 1
        used = time.process_time() - start
        if used > BUDGET:
            break
    count = len(made) + sum(errors.values())
    if sum(errors.values()) > count / 5:
        return {"reason": errors.most_common(1)[0][0]}
    rate = count / max(used, 1e-6)
    if rate < MIN_RATE:
        return {"reason": f"slow: {rate:.1f} problems a second"}
    distinct = len({problem["question"] for _, problem in made}) / len(made)
    if distinct < MIN_DISTINCT:
        return {"reason": f"{1 - distinct:.0%} of the problems are repeated"}
    if differs(name, config, made):
        return {"reason": "the same seed gives different problems"}
    answers = Counter(problem["answer"].strip() for _, problem in made)
    constant = answers.most_common(1)[0][1] / len(made)
    return {"rate": rate, "constant": constant, "flaw": flaw(name, source, made)}


def differs(name: str, config: str, made: list[tuple[int, dict[str, Any]]]) -> bool:
    """Return whether problems made anew are others."""
    from edgewise.envs.reasoning_gym.worker import dataset, draw

    dataset.cache_clear()
    again = [draw(name, config, index) for index, _ in made[:4][::-1]]
    return [each["question"] for each in again][::-1] != [old["question"] for _, old in made[:4]]


def flaw(name: str, source: Any, made: list[tuple[int, dict[str, Any]]]) -> str:
    """Return why the scorer of a data set cannot be used; nothing if it can."""
    from reasoning_gym.dataset import ProceduralDataset

    from edgewise.envs.reasoning_gym.worker import is_right

    if type(source).score_answer is ProceduralDataset.score_answer:
        return "its own scorer is the default"
    if name in REPLACED:
        return REPLACED[name]
    for _, problem in made[:20]:
        known = problem["answer"].strip()
        if not is_right(name, source, problem, known):
            return "refuses its own answer"
        wrong = {
            "banana" if name in ROUNDED else f"{known}7",
            f"-{known}" if known != "0" else "1",
            f"{known} or not",
            f"{known}\n{known}",
            "?",
            "nan",
            "[NaN]",
            "Infinity",
        }
        for text in [*sorted(wrong), problem["question"], *problem["question"].splitlines()[-1:]]:
            try:
                accepted = text.strip() != known and is_right(name, source, problem, text.strip())
            except FAILURES:
                accepted = False
            if accepted:
                return f"accepts {text[:30]!r}"
    return ""


def survey(name: str, levels: list[str], pool: Pool) -> dict[str, Any]:
    """Return the levels of a data set that can be used, its scorer, and why others cannot."""
    kept, out, found = list[dict[str, Any]](), dict[str, str](), list[dict[str, Any]]()
    if name in LEFT_OUT or not levels[0].startswith("{"):
        return {"levels": [], "out": {"all": LEFT_OUT.get(name, levels[0])}, "found": []}
    for place, config in [*enumerate(levels, start=1), (0, "{}")]:
        if place == 0 and (kept or config in levels):
            break
        measured = pool.map([(name, config)])[0] or {
            "reason": f"dies, or no end within {SECONDS:g} s"
        }
        if "reason" in measured:
            out[str(place)] = measured["reason"]
        else:
            kept.append(json.loads(config))
            found.append(measured)
    flaws = [measured["flaw"] for measured in found if measured["flaw"]]
    return {"levels": kept, "out": out, "found": found, "flaw": flaws[0] if flaws else ""}


def scorer_of(name: str, flaw: str) -> str:
    """Choose the scorer of a data set: "theirs", "ours" or "strict"."""
    if not flaw:
        return "theirs"
    return "ours" if name in OURS else "strict"


def row(name: str, result: dict[str, Any]) -> list[str]:
    """Return the cells of the page for a data set."""
    reasons: dict[str, list[str]] = {}
    for level, reason in result["out"].items():
        reasons.setdefault(reason, []).append(level)
    out = "; ".join(
        reason if levels == ["all"] else f"{' '.join(levels)}: {reason}"
        for reason, levels in reasons.items()
    )
    if not result["levels"]:
        return [name, "none", "", "", "", out]
    rates = [measured["rate"] for measured in result["found"]]
    constant = max(measured["constant"] for measured in result["found"])
    scorer = scorer_of(name, result["flaw"]) + (f" ({result['flaw']})" if result["flaw"] else "")
    speed = f"{min(rates):,.0f} to {max(rates):,.0f}"
    count = f"{len(result['levels'])} of {len(result['levels']) + len(result['out'])}"
    return [f"`ReasoningGym/{name}-v0`", count, speed, scorer, f"{constant:.0%}", out]


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--levels", type=Path, required=True, help="JSON, a line a data set")
    parser.add_argument("--page", type=Path, required=True, help="Markdown")
    arguments = parser.parse_args()
    from reasoning_gym.factory import DATASETS

    lines, rows = [], []
    head = HEAD.format(version=version("reasoning-gym"), rate=MIN_RATE, count=NUM_PROBLEMS)
    with Pool(f"{__spec__.name}:measure", num_workers=1, seconds=SECONDS, memory=2**31) as pool:
        for name in sorted(DATASETS):
            result = survey(name, list_levels(name), pool)
            rows.append(row(name, result))
            print(row_line(rows[-1]), flush=True)
            if result["levels"]:
                constant = max(measured["constant"] for measured in result["found"])
                known = {
                    "scorer": scorer_of(name, result["flaw"]),
                    "constant": round(constant, 2),
                    "levels": result["levels"],
                }
                lines.append(f"{json.dumps(name)}: {json.dumps(known)}")
            write_atomically(arguments.levels, "{\n" + ",\n".join(lines) + "\n}\n")
            write_atomically(
                arguments.page, head + "\n".join(["", *Sheet("", COLUMNS, rows).markdown(), ""])
            )


if __name__ == "__main__":
    main()
