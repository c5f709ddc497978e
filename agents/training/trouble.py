"""Signs of trouble in the records of a run, a plain line each with the steps and the figures.

They are warnings, not proofs: a curriculum that moves on to harder problems changes some of the same
figures. Drifts compare the first quarter of the steps with the last, five steps at the least; of a run
of fewer than ten nothing drifts. Imports no torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from edgewise.answer import extract_answer

Row = Mapping[str, Any]
LARGEST = 1e100  # of a figure
LEAST = 5  # steps of each end of a drift
RISE = 0.1  # of the reward, that accuracy has to go with
SHARE = 0.25  # of that rise, which accuracy must rise at least
FALL = 0.1  # of the fraction of completions with an answer
GROWTH = 1.5  # times the length at the start
LONGER = 16  # tokens that this is at the least
CUT = 0.2  # of the completions
SAME = 0.3  # of the problems
PROBLEMS = 10  # with an answer, before one answer to many of them means anything
IDLE = 0.5  # of the steps lately


def signs(metrics: Sequence[Row], samples: Sequence[Row] = ()) -> list[str]:
    """Return every sign of trouble in the metrics and the samples of a run, none if there is none.

    Args:
        metrics: Of each step, in their order, as in metrics.jsonl; each has its "step".
        samples: As in samples.jsonl; each has "step", "problem" and "completion".
    """
    found = [
        reward_alone(metrics),
        format_drift(metrics),
        length_growth(metrics),
        cut_off(metrics),
        one_answer(samples),
        unverified(metrics),
        no_signal(metrics),
    ]
    return [line for line in found if line]


def ends(metrics: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]] | None:
    """Return the first and the last quarter of the steps, at least five each; None without as many."""
    width = max(LEAST, len(metrics) // 4)
    return (metrics[:width], metrics[-width:]) if len(metrics) >= 2 * width else None


def mean(rows: Sequence[Row], name: str) -> float | None:
    """Return the mean of a metric over the rows that have it, None if none has."""
    values = [value for row in rows if is_finite(value := row.get(name))]
    return sum(values) / len(values) if values else None


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number to reckon with."""
    return isinstance(value, int | float) and abs(value) < LARGEST


def drift(metrics: Sequence[Row], name: str) -> tuple[float, float] | None:
    """Return the mean of a metric at the start and lately, None if it is not known."""
    if (parts := ends(metrics)) is None:
        return None
    before, after = (mean(part, name) for part in parts)
    return None if before is None or after is None else (before, after)


def spans(metrics: Sequence[Row]) -> str:
    """Return the steps that a drift compares, as text."""
    first, last = ends(metrics) or (metrics, metrics)
    return f"steps {between(first)} against {between(last)}"


def between(rows: Sequence[Row]) -> str:
    """Return the first and the last step of rows that are not empty."""
    return f"{rows[0]['step']} to {rows[-1]['step']}"


def reward_alone(metrics: Sequence[Row]) -> str:
    """Return a line if the mean reward rises by 0.1 or more, and accuracy by less than a quarter of that."""
    reward, accuracy = drift(metrics, "reward"), drift(metrics, "accuracy")
    if reward is None or accuracy is None:
        return ""
    rise, learned = reward[1] - reward[0], accuracy[1] - accuracy[0]
    if rise < RISE or learned >= SHARE * rise:
        return ""
    return (
        f"reward rises while accuracy does not: reward {reward[0]:.3f} to {reward[1]:.3f}, accuracy "
        f"{accuracy[0]:.3f} to {accuracy[1]:.3f}, {spans(metrics)}"
    )


def format_drift(metrics: Sequence[Row]) -> str:
    """Return a line if the fraction of completions with an answer in the format falls by 0.1 or more."""
    rates = drift(metrics, "format_rate")
    if rates is None or rates[0] - rates[1] < FALL:
        return ""
    return (
        f"format drifts: completions with an answer in the format {rates[0]:.3f} to {rates[1]:.3f}, "
        f"{spans(metrics)}"
    )


def length_growth(metrics: Sequence[Row]) -> str:
    """Return a line if completions get longer by half or more, and by 16 tokens or more."""
    length = drift(metrics, "completions/mean_length")
    if length is None or length[1] < max(GROWTH * length[0], length[0] + LONGER):
        return ""
    return (
        f"completions grow: mean length {length[0]:.0f} to {length[1]:.0f} tokens, {spans(metrics)}"
    )


def cut_off(metrics: Sequence[Row]) -> str:
    """Return a line if a fifth or more of the completions of the last quarter were cut off."""
    lately = metrics[-max(LEAST, len(metrics) // 4) :]
    share = mean(lately, "completions/clipped_ratio")
    if share is None or share < CUT:
        return ""
    return (
        f"completions are cut off at the token limit: {share:.0%} of them, steps {between(lately)}; "
        "see `max_tokens`"
    )


def one_answer(samples: Sequence[Row]) -> str:
    """Return a line if one answer was given to 30 % or more of the problems of the later half of steps.

    At least ten of the problems must have an answer; what counts as one is the last box or answer tag.
    """
    if not samples:
        return ""
    steps = sorted({sample["step"] for sample in samples})
    late = [sample for sample in samples if sample["step"] >= steps[len(steps) // 2]]
    asked: dict[str, set[str]] = defaultdict(set)
    for sample in late:
        answer = extract_answer(str(sample["completion"]))
        if answer is not None:
            asked[answer].add(str(sample["problem"]))
    answered = set().union(*asked.values())
    if len(answered) < PROBLEMS:
        return ""
    most = max(asked, key=lambda answer: len(asked[answer]))
    share = len(asked[most]) / len(answered)
    if share < SAME:
        return ""
    return (
        f"one answer to many problems: {most[:40]!r} to {len(asked[most])} of {len(answered)} problems "
        f"({share:.0%}) among the samples, steps {between(late)}"
    )


def unverified(metrics: Sequence[Row]) -> str:
    """Return a line if any completion has no verdict, since its verifier failed or took too long."""
    rows = [row for row in metrics if is_finite(row.get("unverified")) and row["unverified"] > 0]
    if not rows:
        return ""
    number = sum(row["unverified"] for row in rows)
    return (
        f"verdicts could not be had: {number:,.0f} completions in {len(rows)} of {len(metrics)} steps, "
        f"steps {between(rows)}"
    )


def no_signal(metrics: Sequence[Row]) -> str:
    """Return a line if no group had completions of differing reward in half or more of the last quarter."""
    lately = metrics[-max(LEAST, len(metrics) // 4) :]
    shares = [share for row in lately if (share := signal_of(row)) is not None]
    idle = sum(share <= 0 for share in shares)
    if len(shares) < LEAST or idle < IDLE * len(shares):
        return ""
    return (
        f"no group has a signal: in {idle} of {len(shares)} steps all completions of each problem "
        f"had one reward, steps {between(lately)}"
    )


def signal_of(row: Row) -> float | None:
    """Return the fraction of groups with a signal, None if it is not known."""
    equal = mean([row], "frac_reward_zero_std")
    return mean([row], "effective_prompt_ratio") if equal is None else 1 - equal
