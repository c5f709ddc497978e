"""Let a rule choose the problem of each group out of a pool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from edgewise.env import ReasoningEnv
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.allocation import Allotment
from edgewise.wrappers.lessons.batch import Gather
from edgewise.wrappers.lessons.problem_lesson import ProblemLesson
from edgewise.wrappers.rules.problem_rule import ProblemRule
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.vector.curriculum import Curriculum
from edgewise.wrappers.vector.texts import Actions, Texts, TextWrapper

MAX_DRAWS = 20  # for each problem of the pool, before it stays smaller


class ProblemCurriculum(Curriculum):
    """A curriculum whose arms are the problems of a pool, drawn once from all arms in turn.

    Everything else is as in `Curriculum`; "arm" in infos is the problem's place in the pool, and
    there is no "arm_probability", for a rule only proposes.

    Example:
        >>> from edgewise.wrappers import MoPPS
        >>> base = gym.make_vec("Countdown-v0", num_envs=4, group_size=2)
        >>> envs = ProblemCurriculum(base, MoPPS(), pool_size=20)
        >>> prompts, infos = envs.reset(seed=0)
        >>> prompts[0] == prompts[1], len(envs.arms)
        (True, 20)
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Texts, Actions, NDArray[Any]],
        rule: ProblemRule | Mapping[str, Any],
        pool_size: int = 1000,
        pool_seed: int = 0,
        rank: int = 0,
        gather: Gather | None = None,
    ) -> None:
        """Wrap `env` and draw the pool.

        Args:
            env: The environments of this process, which have `arms`, under any wrappers.
            rule: The rule, or what `to_json` made of it.
            pool_size: Different problems in the pool; fewer if there are no more.
            pool_seed: The same seed gives the same pool.
            rank: The place of this process among those that train together.
            gather: Joins the arrays of all ranks along the first axis; None for one process.

        Raises:
            ValueError: If the pool is smaller than a batch.
        """
        TextWrapper.__init__(self, env)
        base = unwrap_vector(env)
        self.base = base
        self.arms, names, difficulties = draw_pool(base.env, pool_size, pool_seed)
        shape = (self.num_envs // base.group_size, base.group_size)
        if len(names) < shape[0]:
            raise ValueError(
                f"`pool_size` must be at least {shape[0]}, the problems of a batch, got {len(names)}"
            )
        self.lesson = ProblemLesson(rule, (names, difficulties), shape, rank, gather)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Texts, dict[str, Any]]:
        """Let the rule observe, then pose the problems that it proposes."""
        prompts, infos = super().reset(seed=seed, options=options)
        del infos["arm_probability"], infos["_arm_probability"]
        return prompts, infos

    def records(self) -> list[dict[str, Any]]:
        """Return a record of each group in the batch last learned, without a probability."""
        records = super().records()
        return [{key: row[key] for key in row if key != "arm_probability"} for row in records]


def draw_pool(
    env: ReasoningEnv, size: int, seed: int
) -> tuple[list[dict[str, Any]], list[str], list[float]]:
    """Return the options of `reset`, the name and the difficulty of `size` different problems.

    They come from all arms in turn; arm k of K has difficulty 100 k / (K - 1).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    ladder = np.linspace(0.0, 100.0, len(env.arms)).tolist()
    found: dict[str, tuple[dict[str, Any], str, float]] = {}
    before = env.order.state_dict()
    for place in range(MAX_DRAWS * size):
        arm = place % len(env.arms)
        options = env.choose(rng, env.arms[arm])
        name = env.pose(options)[1]["problem"]
        parts = json.loads(name)
        same = json.dumps([parts["env"], parts["level"], parts["key"]])
        found.setdefault(same, (options, name, ladder[arm]))
        if len(found) == size:
            break
    env.order.load_state_dict(before)
    pool = list(found.values())
    return [each[0] for each in pool], [each[1] for each in pool], [each[2] for each in pool]


def with_rule(
    envs: gym.vector.VectorEnv[Texts, Actions, NDArray[Any]],
    rule: Rule | ProblemRule,
    pool_size: int = 1000,
    rank: int = 0,
    gather: Gather | None = None,
    allotment: Allotment | None = None,
) -> Curriculum:
    """Return `envs` under the curriculum that carries out `rule`, over arms or over problems.

    Args:
        envs: Consecutive ones form a group.
        rule: Over arms, or over the problems of a pool.
        pool_size: Problems of the pool, of a rule over problems.
        rank: Number of this process among those that train together.
        gather: Collects an object of every process, where there are several.
        allotment: Sizes of the groups of a batch; None for groups of one size.

    Example:
        >>> from edgewise.wrappers import SEC, MoPPS
        >>> base = gym.make_vec("Countdown-v0", num_envs=4, group_size=2)
        >>> [type(with_rule(base, rule, pool_size=20)).__name__ for rule in (SEC(), MoPPS())]
        ['Curriculum', 'ProblemCurriculum']
    """
    curriculum = (
        ProblemCurriculum(envs, rule, pool_size, rank=rank, gather=gather)
        if isinstance(rule, ProblemRule)
        else Curriculum(envs, rule, rank, gather)
    )
    if allotment is not None:
        curriculum.allocate(allotment)
    return curriculum
