"""The gallery has an example of every level, and nothing in an example ends its block."""

import re

import gymnasium as gym
import pytest

pytest.importorskip("tyro")

from edgewise import Preset, ReasoningEnv, Task
from edgewise.cli.list import block, example, gallery, section
from edgewise.problem_set import ProblemSet
from edgewise.registration import env_ids

HEADING = re.compile(r"^### (\S+) `(.+?)`, level (\d+)", re.MULTILINE)
FENCED = re.compile(r"^(~{4,}) \{\.text \.prompt\}\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)


def generated():
    """The environments whose problems are generated here, by id."""
    for env_id in env_ids():
        spec = gym.spec(env_id)
        if spec.kwargs.get("task") is not None and spec.namespace is None:
            env = gym.make(env_id, requires=None).unwrapped
            if not isinstance(env.task, ProblemSet):
                yield env_id, env


def test_the_gallery_has_an_example_of_every_level():
    page = gallery()
    expected = [
        (env_id, name, str(level))
        for env_id, env in generated()
        for name, preset in env.task.presets.items()
        for level in preset.levels
    ]
    assert HEADING.findall(page) == expected and len(expected) > 50
    parts = HEADING.split(page)[4::4]
    assert all(FENCED.search(part)[2].strip() for part in parts)


class Tildes(Task[int]):
    """A prompt that looks like the end of its block."""

    presets = {"toy": Preset("~~~~\n# no heading {}\n~~~~~~", {1: {}})}

    def generate(self, rng):
        return int(rng.integers(50))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == str(problem)

    def solve(self, problem):
        return str(problem)


def test_a_text_with_fences_stays_within_its_own():
    heading, fenced = example(ReasoningEnv(Tildes, split="test"), "toy", 1)
    fence, text = FENCED.fullmatch(fenced.strip()).groups()
    assert text.startswith("~~~~\n# no heading") and text.endswith("\n~~~~~~")
    assert fence == "~" * 7 and heading.endswith("`toy`, level 1\n")


@pytest.mark.parametrize("text", ["", "a", "`~~~`", "~" * 100, "a ~~~~\n~~~~ b"])
def test_a_block_holds_any_text(text):
    fence, _, rest = block(text).partition("\n")
    fence, _, kind = fence.partition(" ")
    assert rest == f"{text}\n{fence}\n" and fence not in text and kind == "{.text .prompt}"


def test_a_data_set_is_described_without_problems():
    heading, *_, last = section("ARC1D-Dataset-v0")
    assert heading == "## ARC1D-Dataset-v0\n" and "are read from files" in last
