"""What an evaluation asks, the verdicts on its answers, and the scores of each level; without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.agents.statistics import Estimate, Floats, Stratum, pass_at_k, wilson
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.agents.training.record_fields import is_count
from edgewise.env import ReasoningEnv, evaluation_set
from edgewise.errors import shown
from edgewise.files import about
from edgewise.folder import Folder
from edgewise.names import read_name

Options = Mapping[str, Any]  # of a problem: "level", "problem_seed" and "params"
SCORES = ("pass_at_1", "low", "high")
Row = dict[str, Any]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on n answers to each of N problems, (N, n) each."""

    correct: Floats  # 1.0 where the answer is right, else 0.0
    verified: Floats  # whether there is a verdict; the others are not correct
    formatted: Floats  # whether an answer was found
    ended: Floats  # whether the completion ended within the token limit
    length: Floats  # tokens

    @classmethod
    def join(cls, parts: Sequence[Verdicts], num_samples: int) -> Verdicts:
        """Concatenate the first `num_samples` answers of some problems and others."""
        return cls(
            *(
                np.concatenate(
                    [
                        np.zeros((0, num_samples)),
                        *(getattr(part, field.name)[:, :num_samples] for part in parts),
                    ]
                )
                for field in fields(cls)
            )
        )

    @property
    def num_correct(self) -> NDArray[np.int64]:
        """Correct answers of each problem, (N,)."""
        counts: NDArray[np.int64] = self.correct.sum(axis=1).astype(np.int64)
        return counts

    @property
    def num_verified(self) -> NDArray[np.int64]:
        """Answers of each problem that have a verdict, (N,)."""
        counts: NDArray[np.int64] = self.verified.sum(axis=1).astype(np.int64)
        return counts

    def parts(self, sizes: Sequence[int]) -> list[Verdicts]:
        """Divide the problems, in their order, into parts of those sizes."""
        columns = [
            np.split(getattr(self, part.name), np.cumsum(sizes)[:-1]) for part in fields(self)
        ]
        return [Verdicts(*part) for part in zip(*columns, strict=True)]

    def pass_at(self, k: int) -> Floats:
        """Estimate pass@k of each problem with a verified answer, (M,) with M <= N.

        Of a problem with fewer than k verified answers it is pass@ their number.
        """
        counted = self.num_verified > 0
        correct, verified = self.num_correct[counted], self.num_verified[counted]
        if k == 1:
            return correct / verified
        pairs = zip(verified.tolist(), correct.tolist(), strict=True)
        return np.array([pass_at_k(n, c, min(k, n)) for n, c in pairs])

    def by_problem(self, names: Sequence[str]) -> dict[str, float]:
        """Return the fraction of correct answers of each problem with a verified one, by its name."""
        counted = [name for name, n in zip(names, self.num_verified, strict=True) if n > 0]
        return dict(zip(counted, self.pass_at(1).tolist(), strict=True))

    def rates(self) -> dict[str, float | None]:
        """Return how many answers were found and cut off, and their mean length in tokens.

        They are None without answers, and where that of one is not known (NaN).
        """
        found = {
            "format_rate": self.formatted,
            "truncated": 1 - self.ended,
            "mean_length": self.length,
        }
        return {
            name: float(column.mean()) if column.size and np.isfinite(column).all() else None
            for name, column in found.items()
        }


def estimate(levels: Sequence[tuple[Verdicts, float]], k: int) -> Estimate:
    """Estimate pass@k over the problems of levels, each with a weight, with its 95 % interval."""
    strata = [Stratum(verdicts.pass_at(k), weight) for verdicts, weight in levels]
    total = sum(int(verdicts.num_verified.sum()) for verdicts, _ in levels)
    return wilson(strata, total if k == 1 else None)


Ask = Callable[[Sequence[Options], int], Verdicts]  # so many answers to each of some problems
Asker = Callable[[int], Ask]  # begins with a seed of the sampled tokens


@dataclass(frozen=True)
class LevelScore:
    """The scores on one level; all but the counts and k are fractions or tokens."""

    env: str
    level: int
    ood: bool  # whether the level is kept out of training
    num_problems: int
    num_samples: int  # of each problem, for pass@1
    pass_at_1: float
    low: float  # of the 95 % interval of pass@1, Wilson's over problems
    high: float
    k: int
    pass_at_k: float  # over the first `num_pass_k` problems
    num_pass_k: int
    format_rate: float  # completions in which an answer was found
    truncated: float  # completions that reached the token limit
    mean_length: float  # tokens
    num_too_long: int = 0  # problems that are not among these, since the model has no room for them
    unverified: int = 0  # completions without a verdict, which are left out of pass@1 and pass@k
    problems: Mapping[str, float] = field(default_factory=dict)  # pass@1 of each, by its `identity`


def score_levels(
    asker: Asker,
    env: ReasoningEnv,
    plan: EvaluationPlan,
    *,
    levels: Sequence[int] | None = None,
    progress: Callable[[LevelScore], None] = lambda score: None,
    limit: PromptLimit | None = None,
) -> list[LevelScore]:
    """Ask the fixed problems of each level, and score the answers.

    Args:
        asker: Answers; of each level it begins anew, with a seed of its own.
        env: Of one task, on the split of the plan.
        plan: Counts and seed.
        levels: All of the preset by default, also those kept out of training.
        progress: Called with each level's score.
        limit: How long prompts may be; by default anything. Problems with longer ones are left out,
            and count neither as right nor as wrong.

    Raises:
        ValueError: If no problem of a level fits.
    """
    scores = []
    for level in env.preset.levels if levels is None else levels:
        fixed = evaluation_set(env, level, plan.num_problems)
        problems: Sequence[Options] = fixed if limit is None else limit.fitting(env, fixed)
        if limit is not None and not problems:
            limit.check(env, [{"level": level}])
        ask = asker(plan.seed * 1_000 + level)
        num_deep = len(problems[: plan.num_pass_k]) if plan.k > plan.num_samples else 0
        deep = ask(problems[:num_deep], max(plan.k, plan.num_samples))
        others = ask(problems[num_deep:], plan.num_samples)
        score = score_level(
            str(env.identity["env"]), level, level in env.preset.ood, deep, others, plan
        )
        rates = Verdicts.join([deep, others], plan.num_samples).by_problem(
            [identity(env, options) for options in problems]
        )
        score = replace(score, num_too_long=len(fixed) - len(problems), problems=rates)
        progress(score)
        scores.append(score)
    return scores


def identity(env: ReasoningEnv, options: Options) -> str:
    """Return what tells a problem and its prompt from others, whatever its seed: 12 hexadecimal digits."""
    problem, info = env.pose(options)
    content = f"{read_name(info['problem']).key} {env.prompt(problem)}"
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def score_level(
    env_id: str, level: int, ood: bool, deep: Verdicts, others: Verdicts, plan: EvaluationPlan
) -> LevelScore:
    """Score a level by the verdicts on the problems for pass@k, if any, and on the others.

    Answers without a verdict are left out, and so is a problem that has no other.
    """
    answers = Verdicts.join([deep, others], plan.num_samples)
    found = estimate([(answers, 1.0)], 1)
    rates = {name: nan if rate is None else rate for name, rate in answers.rates().items()}
    deep_or_all = deep if len(deep.correct) else answers
    k = min(plan.k, deep_or_all.correct.shape[1])
    solved = deep_or_all.pass_at(k)
    return LevelScore(
        env=env_id,
        level=level,
        ood=ood,
        num_problems=len(answers.pass_at(1)),
        num_samples=plan.num_samples,
        pass_at_1=found.value,
        low=found.low,
        high=found.high,
        k=k,
        pass_at_k=float(np.mean(solved)),
        num_pass_k=len(solved),
        format_rate=rates["format_rate"],
        truncated=rates["truncated"],
        mean_length=rates["mean_length"],
        unverified=int(sum((1 - part.verified).sum() for part in (deep, others))),
    )


def as_records(scores: Sequence[LevelScore]) -> dict[str, Any]:
    """Convert scores to JSON, with the mean pass@1 of the training and of the OOD levels."""
    means = {
        name: float(np.mean(values)) if values else None
        for name, values in (
            ("mean", [score.pass_at_1 for score in scores if not score.ood]),
            ("mean_ood", [score.pass_at_1 for score in scores if score.ood]),
        )
    }
    return {"levels": [asdict(score) for score in scores], **means}


def without_problems(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `as_records` returned, without the scores of single problems."""
    levels = [{name: row[name] for name in row if name != "problems"} for row in scores["levels"]]
    return {**scores, "levels": levels}


def as_scalars(scores: Mapping[str, Any], place: str) -> dict[str, float]:
    """Return pass@1 of the mean and of each level by name, out of what `as_records` returned."""
    means = {f"{place}/{name}": scores[name] for name in ("mean", "mean_ood")}
    levels = {f"{place}/{row['env']} {row['level']}": row["pass_at_1"] for row in scores["levels"]}
    return {name: value for name, value in {**means, **levels}.items() if value is not None}


def read_scores(folder: Folder, name: str) -> Row | None:
    """Return the record in a file of scores, None if there is none, or those of a cell of a comparison.

    The report of the comparison has the latter.

    Raises:
        FileError: If it has no scores of levels.
    """
    found = folder.read(name)
    if found is None or "correct" in found:
        return None
    with about(folder.path / name):
        check_levels(found)
    return found


def check_levels(record: Mapping[str, Any]) -> None:
    """Raise ValueError if a record does not have the scores of levels."""
    found = record.get("levels")
    if not isinstance(found, list) or not all(map(is_score, found)):
        raise ValueError(f"must have the scores of levels, got {shown(found)}")


def is_score(row: object) -> bool:
    """Return whether a record is the score of a level."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("env"), str)
        and isinstance(row.get("ood"), bool)
        and is_count(row.get("level"))
        and all(is_rate(row.get(name)) for name in SCORES)
    )


def is_rate(value: object) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
