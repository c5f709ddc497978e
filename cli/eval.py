"""`edgewise eval`: score an agent on the levels of an environment, or on a suite of a paper."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from rich.console import Console

from edgewise.agents.policies.chat import read_chat_options, today
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.model_card import made_for
from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.clean import check_model
from edgewise.agents.training.display import announcer, score_line
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.agents.training.recipe_file import read_options
from edgewise.agents.training.run_prompts import limit_for
from edgewise.agents.training.scores import Asker, as_records, score_levels
from edgewise.benchmarks.evaluation.scripted import is_scripted, scripted
from edgewise.benchmarks.evaluation.spread import Spread, spreading
from edgewise.benchmarks.evaluation.suite import Part, parts_of
from edgewise.cli.flags import EvalConfig
from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import UsageError, usage
from edgewise.files import write_atomically
from edgewise.interrupts import GOES_ON, Stopped, asked, repeatable
from edgewise.lock import locked
from edgewise.registration import check_id

LEARNERS = ("seedling", "hf")  # models that are loaded into this process


def run(config: EvalConfig, arguments: Sequence[str]) -> None:
    """Score, print a line for each level, and write the scores if asked."""
    if config.suite is not None or not (is_scripted(config.agent) or kind_of(config) in LEARNERS):
        run_session(config, shlex.join(["edgewise", "eval", *arguments]))
    else:
        run_levels(replace(config, chat_date=config.chat_date or today()))


def kind_of(config: EvalConfig) -> str:
    """Return the kind of agent: what stands before the colon."""
    return config.agent.partition(":")[0]


def run_session(config: EvalConfig, command: str) -> None:
    """Ask what is still open, and write every answer, the summary and the report."""
    from edgewise.benchmarks.evaluation import session as sessions

    if kind_of(config) in sessions.MODELS:
        set_threads(config.threads)
    console = Console()
    with usage():
        parts = (own_part(config),) if config.suite is None else parts_of(config.suite)
        session = sessions.Session(
            suite=config.suite or config.env,
            parts=parts,
            agent=config.agent,
            command=command,
            preset=config.preset,
            levels=config.levels,
            data=config.data,
            split=config.plan.split,
            num_problems=config.plan.num_problems,
            num_samples=config.samples,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
            seed=config.plan.seed,
            max_prompt_tokens=config.max_prompt_tokens,
            chat_template_kwargs=config.chat_template_kwargs,
            chat_date=config.chat_date,
            server=config.server,
            dtype=config.dtype,
            device=config.device,
            output=config.output,
        )
        refuse_unasked(config.plan)
    with locked(session.folder()), spreading(config.ray) as spread:
        with usage():
            folder, opened, agent = sessions.prepare(session, console, spread)
        with repeatable(say=announcer(console)):
            summary = sessions.carry_out(folder, opened, agent, console, spread)
            stopped = asked()
    for row in summary["means"]:
        console.print(mean_line(row), soft_wrap=True, highlight=False)
    if not summary["complete"] and stopped:
        raise Stopped(f"stopped after {summary['spent']['answers']} answers; {GOES_ON}")
    if not summary["complete"]:
        console.print("not complete: the same command goes on", soft_wrap=True)
    path = folder.path / "report.html"
    console.print(f"report {path}", soft_wrap=True, highlight=False, markup=False)


def refuse_unasked(plan: EvaluationPlan) -> None:
    """Check that nothing is given of a plan that does not count where every answer is kept.

    Raises:
        ValueError: If it is.
    """
    for name in ("num_samples", "k", "num_pass_k"):
        if getattr(plan, name) != getattr(EvaluationPlan(), name):
            raise ValueError(
                f"`plan.{name}` must be left out where every answer is kept, got {getattr(plan, name)}; "
                "give --samples"
            )


def own_part(config: EvalConfig) -> Part:
    """Return an environment as the only part of a suite, with the protocol of its preset."""
    check_id(config.env)
    options = read_options(config.env_options, [config.env])
    made = gym.make(config.env, preset=config.preset, split=config.plan.split, **options)
    protocol = unwrap(made).preset.protocol
    return Part("own", config.env, config.preset, protocol, False, options)


def run_levels(config: EvalConfig) -> None:
    """Score a model on the levels of an environment, and keep the scores alone."""
    if config.output is not None and config.output.exists():
        raise UsageError(f"`output` must not exist, got {config.output}; name another")
    with spreading(config.ray) as spread:
        score_each(config, spread)


def score_each(config: EvalConfig, spread: Spread | None) -> None:
    """Score each level, and write the scores if asked."""
    with usage():
        check_id(config.env)
        options = options_of(config)
        env = unwrap(gym.make(config.env, split=config.plan.split, levels=config.levels, **options))
        asker, limit = load(config, env, options, spread)
    console = Console()
    with usage() if is_scripted(config.agent) else nullcontext():
        scores = score_levels(
            asker,
            env,
            config.plan,
            levels=config.levels,
            limit=limit,
            progress=lambda score: console.print(
                score_line(score), soft_wrap=True, highlight=False
            ),
        )
    if config.output is not None:
        write(config.output, {"config": asdict(config), **as_records(scores)})
        console.print(f"scores {config.output}", soft_wrap=True, highlight=False, markup=False)


def sampling_of(config: EvalConfig, env: ReasoningEnv) -> Sampling:
    """Return how completions are drawn."""
    preset, temperature = env.preset, config.temperature
    return Sampling(
        max_tokens=config.max_tokens or preset.frame.max_completion_tokens,
        temperature=preset.protocol.temperature if temperature is None else temperature,
        top_p=preset.protocol.top_p,
        stop=preset.frame.stop,
    )


def options_of(config: EvalConfig) -> dict[str, Any]:
    """Return the keywords of the environment."""
    made = None
    if config.preset is None and not is_scripted(config.agent):
        card = made_for(config.agent)
        made = card["preset"] if config.env in card["envs"] else None
    return {
        "preset": config.preset or made,
        **read_options(config.env_options, [config.env], config.data),
    }


def load(
    config: EvalConfig, env: ReasoningEnv, options: dict[str, Any], spread: Spread | None
) -> tuple[Asker, PromptLimit | None]:
    """Return what answers, and how long its prompts may be.

    Raises:
        ValueError: If there is no such agent, or no problem of a level fits the model.
    """
    if is_scripted(config.agent):
        plays = None if spread is None else partial(spread.plays, env)
        return scripted(config.agent, env, plays), None
    from edgewise.agents.training.evaluation import asking

    set_threads(config.threads)
    split = config.plan.split
    check_model(config.agent, config.env, split=split, **options)
    chat = read_chat_options(config.chat_date, config.chat_template_kwargs)
    policy = load_policy(config.agent, config.dtype, config.device, chat)
    sampling = sampling_of(config, env)
    limit = limit_for(policy, sampling, config.max_prompt_tokens)
    if limit is not None:
        limit.check(env, [{"level": level} for level in config.levels or env.preset.levels])
    render = policy.render
    return asking(policy, config.env, sampling, split=split, render=render, **options), limit


def set_threads(count: int) -> None:
    """Set the threads of torch."""
    import torch

    torch.set_num_threads(count)


def write(path: Path, record: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(record, indent=2, default=str) + "\n")


def mean_line(row: dict[str, Any]) -> str:
    """Return the mean scores of a part in one line."""
    if row["pass_at_1"] is None:
        return f"{row['part']}: no problem has all its answers"
    deeper = [f"pass@{k} {found['value']:.3f}" for k, found in row["pass_at_k"].items()]
    interval = f"pass@1 {row['pass_at_1']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    return "  ".join([f"{row['part']}{' OOD' if row['ood'] else ''}: {interval}", *deeper])
