"""A page with one example of each level of each environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import gymnasium as gym

from edgewise.env import ReasoningEnv, unwrap
from edgewise.problem_set import ProblemSet
from edgewise.registration import env_ids
from edgewise.task import Task

HEAD = """# Gallery

One problem of each level of each preset, the first of its test set, with an answer that is right.
`edgewise list --gallery FILE` writes this page.
"""
TILDES = re.compile("~*")
KIND = "{.text .prompt}"  # of a block; the style sheet of the site wraps its lines


def gallery() -> str:
    """Return the page in Markdown."""
    sections = [HEAD]
    for env_id in env_ids():
        spec = gym.spec(env_id)
        if spec.kwargs.get("task") is not None and spec.namespace is None:
            sections += section(env_id)
    return "\n".join(sections)


def section(env_id: str) -> Iterator[str]:
    """Yield what the page says of one environment; of a data set, only what it is."""
    env = unwrap(gym.make(env_id, requires=None))
    yield f"## {env_id}\n"
    yield f"{cleandoc(type(env.task).__doc__ or '').split('Example:')[0].strip()}\n"
    if isinstance(env.task, ProblemSet):
        yield "Its problems are read from files that are not part of Edgewise.\n"
        return
    for name in env.task.presets:
        made = unwrap(gym.make(env_id, preset=name, split="test"))
        for level in made.preset.levels:
            yield from example(made, name, level)


def example(env: ReasoningEnv, name: str, level: int) -> Iterator[str]:
    """Yield the first test problem of a level."""
    prompt, _ = env.reset(options={"level": level, "problem_seed": 0})
    kept_out = ", out of distribution" if level in env.preset.ood else ""
    yield f"### {env.spec.id if env.spec else ''} `{name}`, level {level}{kept_out}\n"
    yield block(prompt)
    if type(env.task).demonstrate is not Task.demonstrate:
        yield block(env.demonstrate(env.problem))


def block(text: str) -> str:
    """Return `text` as a block of code, between fences longer than any that stands in it.

    >>> print(block("~~~~"), end="")
    ~~~~~ {.text .prompt}
    ~~~~
    ~~~~~
    """
    longest = max(map(len, TILDES.findall(text)))
    fence = "~" * max(4, longest + 1)
    return f"{fence} {KIND}\n{text}\n{fence}\n"
