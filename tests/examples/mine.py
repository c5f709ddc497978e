"""A module of a user: a task, a rule, an agent and a function that makes a model."""

from dataclasses import dataclass

import numpy as np

from edgewise import Preset, Task, register
from edgewise.wrappers import Rule


@dataclass(frozen=True)
class Double(Task[int]):
    """Double a number."""

    presets = {
        "plain": Preset(
            r"Double {}. Answer in \boxed{{}}.",
            levels={1: {"high": 10**3}, 2: {"high": 10**5}, 3: {"high": 10**7}},
            ood=(3,),
            answer="boxed",
        )
    }

    def generate(self, rng, *, high: int):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == self.solve(problem)

    def solve(self, problem):
        return str(2 * problem)


register("Double-v0", f"{__name__}:Double")


@dataclass(eq=False)
class Hardest(Rule):
    """The last arm, but for a share."""

    share: float = 0.1

    def probabilities(self):
        others = np.full(self.num_arms, self.share / self.num_arms)
        return others + (1 - self.share) * np.eye(self.num_arms)[-1]


@dataclass(eq=False)
class Unfinished(Rule):
    """Does not say what it draws."""


class Plain:
    """Is no rule."""


def seven(question, sample):
    return r"\boxed{7}"


def model():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from edgewise.agents.policies.model_card import model_path

    place = model_path("seedling")
    return AutoModelForCausalLM.from_pretrained(place), AutoTokenizer.from_pretrained(place)
