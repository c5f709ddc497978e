"""Some completions of every step, as text, chosen by arm and outcome: samples.jsonl of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from edgewise.agents.training.record_fields import Natural, Step, Text, checked
from edgewise.folder import Folder

if TYPE_CHECKING:
    from torch import Tensor

    from edgewise.agents.algorithms.rollout import Rollout

LINES = "samples.jsonl"
FIELDS: Mapping[str, Any] = {  # that every sample has
    "step": Step, "place": Natural, "arm": Natural | None,
    **dict.fromkeys(("problem", "prompt", "completion", "outcome"), Text),
}  # fmt: skip
OUTCOMES = ("right", "wrong", "no answer", "cut", "unverified")


class Decoder(Protocol):
    """Turns tokens into text, as tokenizers do."""

    def decode(self, tokens: Tensor) -> str:
        """Return the text of tokens, special ones included."""


def outcome(correct: bool, formatted: bool, ended: bool, verified: bool) -> str:
    """Classify a completion as one of `OUTCOMES`.

    >>> outcome(correct=False, formatted=False, ended=True, verified=True)
    'no answer'
    """
    if not verified:
        return "unverified"
    if correct:
        return "right"
    if not ended:
        return "cut"
    return "wrong" if formatted else "no answer"


def chosen(kinds: Sequence[tuple[int, str]], number: int, step: int) -> list[int]:
    """Return at most `number` places in `kinds`, ascending: of each kind one, then a second, and so on.

    Which one it is moves on with the step, so that not always the first of a batch is seen; so does the
    kind that comes first, where there are more kinds than places.

    >>> chosen([(0, "right"), (0, "right"), (1, "wrong"), (1, "right")], number=2, step=0)
    [0, 2]
    >>> chosen([(0, "right"), (0, "right"), (1, "wrong"), (1, "right")], number=2, step=1)
    [2, 3]
    """
    places: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, kind in enumerate(kinds):
        places[kind].append(place)
    turned = [rotated(found, step) for found in places.values()]
    rounds = max(map(len, turned), default=0)
    order = [found[n] for n in range(rounds) for found in rotated(turned, step) if n < len(found)]
    return sorted(order[:number])


def rotated(items: list[Any], by: int) -> list[Any]:
    """Return a list that begins with its place `by`, counted round and round."""
    start = by % len(items) if items else 0
    return items[start:] + items[:start]


def samples_of(
    rollout: Rollout,
    groups: Sequence[Mapping[str, Any]],
    tokenizer: Decoder,
    number: int,
    step: int,
    over_arms: bool,
) -> list[dict[str, Any]]:
    """Return the records of some completions of a batch, for JSON.

    Args:
        rollout: The batch, P groups.
        groups: The records of its groups, those that were kept first, in their places; at least P.
        tokenizer: Of the policy.
        number: How many records there are at most.
        step: Of the run.
        over_arms: Whether the rule chooses arms; if it chooses problems, "arm" is None, and levels
            take the place of arms.
    """
    sizes = rollout.made.sum(dim=1).tolist()
    columns = [
        values[rollout.made].tolist()
        for values in (rollout.rewards, rollout.correct, rollout.formatted, rollout.verified)
    ]
    kept = [group for group, size in zip(groups, sizes, strict=False) for _ in range(size)]
    made = zip(kept, *columns, rollout.completions.ended.tolist(), strict=True)
    return chosen_of(
        [Made(*row) for row in made],
        lambda row: texts(rollout, row, tokenizer),
        number,
        step,
        over_arms,
    )


class Made(NamedTuple):
    """What came of a completion, in whatever trainer made it."""

    group: Mapping[str, Any]  # the record of its group
    reward: float
    correct: bool
    formatted: bool
    verified: bool
    ended: bool  # within the token limit


def chosen_of(
    made: Sequence[Made],
    text_of: Callable[[int], tuple[str, str, int]],
    number: int,
    step: int,
    over_arms: bool,
) -> list[dict[str, Any]]:
    """Return the records of some of the completions of a step, for JSON.

    Args:
        made: All of them, group after group.
        text_of: Returns the prompt of one by its place, all that follows it, and the tokens sampled.
        number: How many records there are at most.
        step: Of the run.
        over_arms: Whether the rule chooses arms.
    """
    kinds = [
        (
            one.group["arm"] if over_arms else level_of(one.group),
            outcome(one.correct, one.formatted, one.ended, one.verified),
        )
        for one in made
    ]
    found: list[dict[str, Any]] = []
    for row in chosen(kinds, number, step):
        group, reward, *_ = made[row]
        prompt, completion, num_tokens = text_of(row)
        found.append(
            {
                "step": step,
                "arm": group["arm"] if over_arms else None,
                "level": level_of(group),
                "place": group["place"],
                "problem": group["problem"],
                "prompt": prompt,
                "completion": completion,
                "outcome": kinds[row][1],
                "reward": reward,
                "num_tokens": num_tokens,
            }
        )
    return found


def read(folder: Folder) -> Iterator[dict[str, Any]]:
    """Yield the samples of a run, which may be going on; none if it kept none.

    Raises:
        FileError: If one is damaged, with the path and the line.
    """
    return folder.lines(LINES, FIELDS, checked(FIELDS))


def level_of(group: Mapping[str, Any]) -> int:
    """Return the level of a group's problem, which its name has."""
    level: int = json.loads(group["problem"])["level"]
    return level


def texts(rollout: Rollout, row: int, tokenizer: Decoder) -> tuple[str, str, int]:
    """Return the prompt and all that follows it, observations included, and the tokens sampled."""
    completions = rollout.completions
    attended = completions.attention[row].bool()
    tokens, sampled = completions.tokens[row][attended], completions.mask[row][attended].bool()
    first = int(sampled.int().argmax()) if sampled.any() else len(tokens)
    return (
        tokenizer.decode(tokens[:first]),
        tokenizer.decode(tokens[first:]),
        int(sampled.sum()),
    )
