"""`edgewise play`: answer problems yourself."""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium as gym
from rich.console import Console

from edgewise.benchmarks.evaluation.question import in_format
from edgewise.cli.flags import PlayConfig
from edgewise.cli.parse import import_positional
from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import usage
from edgewise.registration import check_id


def run(config: PlayConfig, arguments: Sequence[str]) -> None:
    """Pose problems until there are enough or the input ends."""
    with usage():
        import_positional(config.env)
        check_id(config.env)
        levels = None if config.level is None else (config.level,)
        made = gym.make(
            config.env,
            preset=config.preset,
            levels=levels,
            allow_ood=True,
            **config.turn_options(),
        )
    env = unwrap(made)
    console, solved = Console(), 0
    for number in range(config.num_problems):
        prompt, info = env.reset(seed=config.seed if number == 0 else None)
        kept_out = ", out of distribution" if info["level"] in env.preset.ood else ""
        place = f"{number + 1}/{config.num_problems}, level {info['level']}{kept_out}"
        console.print(f"\n[bold]{place}[/bold]")
        console.print(prompt, markup=False, highlight=False)
        try:
            done, correct = play(env, console)
        except EOFError:
            break
        solved += correct
        if not done:
            break
    console.print(f"\n{solved} solved")


def play(env: ReasoningEnv, console: Console) -> tuple[bool, bool]:
    """Play one episode; return whether it ended, and whether it was solved."""
    while True:
        text = input("> ").strip()
        if not text:
            console.print("solution: " + env.task.solve(env.problem), markup=False)
            return True, False
        observation, reward, terminated, truncated, info = env.step(in_format(env, text))
        if terminated or truncated:
            verdict = "right" if info["correct"] else "wrong"
            verdict = verdict if info["verified"] else "could not be verified"
            verdict = "over, at a limit" if truncated else verdict
            console.print(f"{verdict}, reward {reward:g}")
            return True, bool(info["correct"])
        console.print(observation, markup=False, highlight=False)
