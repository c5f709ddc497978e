"""What an evaluation found, by level and on average, for machines and as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgewise.agents.statistics import Estimate, Floats, powers_of_two
from edgewise.agents.training.scores import Verdicts, estimate
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.evaluation.answers import KEY, EvaluationFolder
from edgewise.benchmarks.evaluation.question import checksum_of_records
from edgewise.benchmarks.evaluation.suite import described
from edgewise.files import FileError

Record = dict[str, Any]
ALL = "all parts"
MILLION = 1_000_000
ANSWERED = (*KEY, "completion", "correct", "formatted", "ended", "num_tokens", "num_prompt_tokens",
            "seconds")  # fmt: skip  # keys of an answer


@dataclass(frozen=True)
class Level:
    """The answers to the problems of one level: of those N whose samples are all there and verified."""

    part: str
    level: int
    ood: bool
    num_asked: int  # problems of the level
    num_samples: int
    answers: Sequence[Sequence[Record]]  # N rows of all samples
    others: Sequence[Record] = ()  # answers to the other problems

    @cached_property
    def verdicts(self) -> Verdicts:
        """The verdicts on the N x `num_samples` answers; NaN where nobody counted the tokens."""

        def column(field: str) -> Floats:
            rows = [[record[field] for record in row] for row in self.answers]
            return np.array(rows, dtype=np.float64).reshape(-1, self.num_samples)

        correct = column("correct")
        others = (column(field) for field in ("formatted", "ended", "num_tokens"))
        return Verdicts(correct, np.ones_like(correct), *others)

    @property
    def unverified(self) -> int:
        """How many answers could not be verified."""
        return sum(record["correct"] is None for record in self.others)

    def record(self) -> Record:
        """Return the scores of the level."""
        texts = [len(record["completion"]) for row in self.answers for record in row]
        rates = self.verdicts.rates()
        return {
            "part": self.part,
            "level": self.level,
            "ood": self.ood,
            "num_problems": len(self.answers),
            "num_asked": self.num_asked,
            "num_samples": self.num_samples,
            "unverified": self.unverified,
            **scores([self], self.num_samples),
            "format_rate": rates["format_rate"],
            "truncated": rates["truncated"],
            "mean_characters": float(np.mean(texts)) if texts else None,
            "mean_tokens": rates["mean_length"],
        }


def read_levels(folder: EvaluationFolder) -> list[Level]:
    """Return the levels of an evaluation, in the order in which they were asked.

    Raises:
        FileError: If a file is damaged, or the problems are not those that were asked.
    """
    answers: dict[tuple[str, int, int], dict[int, Record]] = defaultdict(dict)
    for record in folder.answers(ANSWERED):
        row = answers[record["part"], record["level"], record["problem_seed"]]
        if row.get(record["sample"], {}).get("correct") is None:  # none yet, or none with a verdict
            row[record["sample"]] = record
    asked: dict[tuple[str, int, bool, int], list[int]] = defaultdict(list)
    for problem in read_problems(folder):
        place = problem["part"], problem["level"], problem["ood"], problem["num_samples"]
        asked[place].append(problem["problem_seed"])
    levels = []
    for (part, level, ood, size), seeds in asked.items():
        rows = [answers[part, level, seed] for seed in seeds]
        whole = [[row[n] for n in range(size)] for row in rows if is_whole(row, size)]
        others = [record for row in rows if not is_whole(row, size) for record in row.values()]
        levels.append(Level(part, level, ood, len(seeds), size, whole, others))
    return levels


def read_problems(folder: EvaluationFolder) -> list[Record]:
    """Load the problems of an evaluation, and verify their checksum.

    Raises:
        FileError: If they are others, or damaged.
    """
    path, config = folder.path / "problems.jsonl", folder.config()
    problems = list(folder.problems())
    asked = config["asked"].get("checksum")
    try:
        found = checksum_of_records(problems)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path}: must have the names of problems, got {error!r}") from error
    if found != asked:
        raise FileError(
            f"{path}: must have the problems that were asked, got the checksum {found} in place of "
            f"{asked}"
        )
    return problems


def is_whole(row: Mapping[int, Record], size: int) -> bool:
    """Return whether all of `size` samples are there, with a verdict."""
    return len(row) == size and all(record["correct"] is not None for record in row.values())


def scores(levels: Sequence[Level], num_samples: int, by_part: bool = False) -> Record:
    """Return pass@1 and pass@k of some levels with their intervals, None without an answer.

    Args:
        levels: All weigh by their problems.
        num_samples: Of each problem, the least of all levels.
        by_part: Whether it is parts that weigh equally, each by the problems of its levels.
    """
    counted = [level for level in levels if level.answers]
    if not counted:
        return {"pass_at_1": None, "low": None, "high": None, "pass_at_k": {}}
    sizes: dict[str, int] = defaultdict(int)
    for level in counted:
        sizes[level.part] += len(level.answers)
    weighted = [
        (level.verdicts, len(level.answers) / (sizes[level.part] if by_part else 1))
        for level in counted
    ]
    found = {k: estimate(weighted, k) for k in powers_of_two(num_samples)}
    deeper = {str(k): asdict(one) for k, one in found.items() if k > 1}
    one = found[1]
    return {"pass_at_1": one.value, "low": one.low, "high": one.high, "pass_at_k": deeper}


def means(levels: Sequence[Level]) -> list[Record]:
    """Return the mean scores of each part and of all, apart for ID and OOD levels."""
    parts = list(dict.fromkeys(level.part for level in levels))
    rows = []
    for ood in (False, True):
        for part in [*parts, None]:
            chosen = [x for x in levels if x.ood == ood and part in (None, x.part)]
            if chosen:
                size = min(level.num_samples for level in chosen)
                shown = scores(chosen, size, by_part=part is None)
                rows.append({"part": part or ALL, "ood": ood, **shown})
    return rows


def spent(levels: Sequence[Level], prices: Mapping[str, float | None]) -> Record:
    """Sum the cost of all answers: tokens, seconds, and money if prices are known."""
    records = [
        record for level in levels for row in (*level.answers, level.others) for record in row
    ]
    totals: Record = {"answers": len(records)}
    for name in ("num_prompt_tokens", "num_tokens", "seconds"):
        values = [record[name] for record in records]
        totals[name] = None if None in values else round(sum(values), 3)
    pairs = [(prices.get("prompt"), "num_prompt_tokens"), (prices.get("completion"), "num_tokens")]
    costs = [
        None if price is None or totals[name] is None else price * totals[name] / MILLION
        for price, name in pairs
    ]
    known = [cost for cost in costs if cost is not None]
    return {**totals, "money": sum(known) if len(known) == len(costs) else None}


def summarize(folder: EvaluationFolder) -> Record:
    """Write summary.json and summary.md from the answers of an evaluation, and return the first."""
    config, levels = folder.whole_config(), read_levels(folder)
    summary = {
        "suite": config["asked"]["suite"],
        "agent": config["asked"]["agent"],
        "checksum": config["asked"]["checksum"],
        "complete": all(len(level.answers) == level.num_asked for level in levels),
        "unverified": sum(level.unverified for level in levels),
        "levels": [level.record() for level in levels],
        "means": means(levels),
        "parts": config["asked"]["parts"],
        "skipped": config["skipped"],
        "spent": spent(levels, config.get("prices", {})),
    }
    folder.write("summary.json", summary)
    folder.write_text("summary.md", markdown(summary, config))
    return summary


def markdown(summary: Record, config: Record) -> str:
    """Return a summary as Markdown."""
    lines = [f"# {summary['agent']} on {summary['suite']}", ""]
    if not summary["complete"]:
        lines += [incomplete(summary), ""]
    lines += [
        f"`{config['command']}`, commit {config['commit'] or 'not known'}, version {config['version']}",
        "",
    ]
    lines += [f"- {described(part)}" for part in summary["parts"]]
    lines += [f"- {part['name']}: not evaluated, {part['reason']}" for part in summary["skipped"]]
    total = summary["spent"]
    lines += [f"- test set {summary['checksum']}", f"- {expense(total)}", ""]
    lines += table(summary["means"], ["part", "levels"])
    lines += table(summary["levels"], ["part", "level"])
    lines += [
        "Intervals are 95 %, over problems; pass@k is the unbiased estimate. The mean over all parts "
        "weighs parts equally.",
        "",
    ]
    return "\n".join(lines)


def incomplete(summary: Record) -> str:
    """Explain what the scores of an incomplete evaluation leave out."""
    words = "Not complete: problems without all their answers are left out of the scores."
    if not summary["unverified"]:
        return words
    return (
        f"{words} {summary['unverified']:,} answers could not be verified: the same command verifies "
        "them again."
    )


def expense(total: Record) -> str:
    """Format the cost of the answers."""
    words = [f"{total['answers']:,} answers"]
    if total["num_tokens"] is not None:
        words.append(f"{total['num_tokens']:,.0f} tokens")
    if total["num_prompt_tokens"] is not None:
        words.append(f"{total['num_prompt_tokens']:,.0f} tokens of prompts")
    if total["seconds"] is not None:
        words.append(f"{total['seconds']:,.0f} s of answering")
    if total["money"] is not None:
        words.append(f"at a price of {total['money']:,.4f}")
    return ", ".join(words)


def table(rows: Sequence[Record], heads: Sequence[str]) -> list[str]:
    """Return a table of scores, of means or of levels."""
    ks = sorted({int(k) for row in rows for k in row["pass_at_k"]})
    by_level = heads[1] == "level"
    more = ["problems", "format", "truncated", "characters", "tokens"] if by_level else []
    titles = [*heads, "pass@1", *(f"pass@{k}" for k in ks), *more]
    lines = []
    for row in rows:
        kind = "OOD" if row["ood"] else "ID"
        cells = [row["part"], f"{row['level']} {kind}" if by_level else kind, shown(row)]
        cells += [number(row["pass_at_k"].get(str(k), {}).get("value"), 3) for k in ks]
        if by_level:
            cells += [str(row["num_problems"])]
            cells += [number(row[name], 3) for name in ("format_rate", "truncated")]
            cells += [number(row[name], 0) for name in ("mean_characters", "mean_tokens")]
        lines.append(cells)
    return [*Sheet("", titles, lines).markdown(), ""]


def shown(row: Record) -> str:
    """Return pass@1 of a row with its interval."""
    if row["pass_at_1"] is None:
        return "-"
    return str(Estimate(row["pass_at_1"], row["low"], row["high"]))


def number(value: float | None, digits: int) -> str:
    """Return a number, or a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"
