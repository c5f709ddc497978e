"""Score completions of problems given by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from edgewise.outcome import Outcome
from edgewise.scoring import pose

Completion = (
    str | Sequence[Mapping[str, str]]
)  # a text, or the messages that a model added to a chat
MAX_POSED = 4096  # problems that are kept for the other members of their groups

posed = lru_cache(MAX_POSED)(pose)


def score(
    names: Sequence[str], completions: Sequence[Completion], begun: bool = True
) -> list[Outcome]:
    """Score each completion as the first turn of its named problem.

    Example:
        >>> env = gym.make("Countdown-v0", preset="seedling")
        >>> _, info = env.reset(seed=0)
        >>> right = env.unwrapped.demonstrate(env.unwrapped.problem)
        >>> [outcome.reward for outcome in score([info["problem"]] * 2, [right, "no"])]
        [1.0, 0.0]

    Args:
        names: The problem of each.
        completions: Texts or messages.
        begun: Whether prompts end with the beginning of the answer, as in `PromptFormat`, so that
            the `opening` of the preset's frame goes before each text. Messages are whole.

    Raises:
        ValueError: If a name is of another version of its environment, or of none.
    """
    outcomes: list[Outcome] = []
    posed = {name: pose(name) for name in dict.fromkeys(names)}
    for name, completion in zip(names, completions, strict=True):
        env = posed[name]
        whole = not begun or not isinstance(completion, str)
        opening = "" if whole else env.frame_of(env.problem).opening
        outcomes += env.score([env.problem], [()], [opening + text_of(completion)])
    return outcomes


def text_of(completion: Completion) -> str:
    """Return the text of a completion, or of the last message of a chat."""
    return completion if isinstance(completion, str) else completion[-1]["content"]
