"""Checks of an environment as a whole: what Gymnasium asks of it, its options, and other processes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from edgewise.contract.level import Level
from edgewise.env import ReasoningEnv, unwrap
from edgewise.registration import short_id

NUM_DESCRIBED = 3  # problems of each level that another process describes
DESCRIBE = """
import importlib, json, sys
import edgewise, gymnasium as gym
modules, levels, count = json.loads(sys.argv[1])
for module in modules:
    importlib.import_module(module)
for env_id, preset, level in levels:
    env = gym.make(env_id, preset=preset, levels=(level,), allow_ood=True).unwrapped
    for seed in range(count):
        prompt, info = env.reset(options=dict(level=level, problem_seed=seed))
        print(json.dumps([prompt, info["problem"], env.task.solve(env.problem)]))
"""


def gymnasium(env_id: str) -> Iterator[str]:
    """Check that Gymnasium accepts it, and that it is made of its spec and pickles."""
    env = gym.make(env_id)
    check_env(env.unwrapped)
    env.reset(seed=1)
    assert env.spec is not None
    copies: list[gym.Env[Any, Any]] = [gym.make(env.spec)]
    copies += [gym.make(EnvSpec.from_json(env.spec.to_json())), pickle.loads(pickle.dumps(env))]
    if any(copy.reset(seed=2) != env.reset(seed=2) for copy in copies):
        yield "a copy, made of `env.spec` or pickled, must pose the same problem for the same seed"
    if pickle.loads(pickle.dumps(env)).reset() != env.reset():
        yield "a pickled copy must go on with the same problems"


def vector(env_id: str) -> Iterator[str]:
    """Check that the vector environment pickles, and poses and pays as the single one does."""
    env = gym.make(env_id)
    envs = gym.make_vec(env_id, num_envs=4, group_size=2)
    envs.reset(seed=1)
    envs = pickle.loads(pickle.dumps(envs))
    prompts, info = envs.reset()
    right = [completion(unwrap(env), problem) for problem in envs.unwrapped.problems]
    actions = [right[0], "no answer", right[1], r"\boxed{?}"]
    _, rewards, _, _, scored = envs.step(actions)
    for i, action in enumerate(actions):
        options = {key: info[key][i] for key in ("level", "problem_seed")}
        prompt, name = env.reset(options=options)
        _, reward, _, _, outcome = env.step(action)
        one = (prompt, name["problem"], reward, outcome["answer"])
        if one != (prompts[i], info["problem"][i], rewards[i], scored["answer"][i]):
            yield f"the vector environment must pose and pay as the single one, got another for {action!r}"
            return


def completion(env: ReasoningEnv, problem: Any) -> str:
    """Return a right completion, in the preset's answer format."""
    answer = env.task.solve(problem)
    boxed = env.preset.answer in ("any", "boxed")
    return rf"\boxed{{{answer}}}" if boxed else f"<think>.</think><answer>{answer}</answer>"


def refusals(env_id: str) -> Iterator[str]:
    """Check that unknown keywords, options and levels are refused, and levels kept out of training."""
    env = unwrap(gym.make(env_id))
    ood = env.preset.ood
    attempts: list[tuple[str, type[Exception], Any]] = [
        ("an unknown keyword", TypeError, lambda: gym.make(env_id, bogus=1)),
        ("an unknown option", ValueError, lambda: env.reset(options={"bogus": 1})),
        ("a level that does not exist", ValueError, lambda: gym.make(env_id, levels=(99,))),
    ]
    if ood and env.split == "train":
        attempts += [
            ("a level kept out of training", ValueError, lambda: gym.make(env_id, levels=ood)),
            (
                "a level kept out of training",
                ValueError,
                lambda: env.reset(options={"level": ood[0]}),
            ),
        ]
    for what, kind, attempt in attempts:
        try:
            attempt()
        except kind:
            continue
        yield f"{what} must raise {kind.__name__}, got no error"
    if ood:
        gym.make(env_id, levels=ood, split="test").reset(seed=0)


def processes(levels: Sequence[Level], modules: Sequence[str] = ()) -> Iterator[str]:
    """Check that other processes, whose hashes are others, pose the same problems.

    Args:
        levels: Of one environment or several.
        modules: That register them.
    """
    places = [[short_id(level.env_id), level.preset, level.number] for level in levels]
    given = json.dumps([list(modules), places, NUM_DESCRIBED])
    described = [describe(given, seed) for seed in ("1", "2")]
    if described[0] != described[1] or not described[0]:
        differ = [
            one for one, other in zip(*map(str.splitlines, described), strict=False) if one != other
        ]
        yield f"other processes must pose the same problems, got another for {(differ or described)[0][:300]}"


def describe(given: str, hash_seed: str) -> str:
    """Return the first problems of each level, as a process with another hash seed poses them.

    Raises:
        RuntimeError: If it fails, with the last line of what it says.
    """
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    command = [sys.executable, "-c", DESCRIBE, given]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ran.returncode:
        raise RuntimeError(f"another process fails: {ran.stderr.strip().splitlines()[-1]}")
    return ran.stdout
