"""`edgewise eval`: score an agent on the levels of an environment, or on a suite of a paper."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch
from rich.console import Console

import edgewise
from edgewise.agents.policies.chat import read_chat_options, today
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.model_card import made_for
from edgewise.agents.policies.options import Precision, Sampling
from edgewise.agents.policies.policy import Sampler
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.training.clean import check_model
from edgewise.agents.training.config import read_options
from edgewise.agents.training.display import announcer, score_line
from edgewise.agents.training.evaluation import EvaluationPlan, as_records, evaluate
from edgewise.agents.training.run_prompts import limit_for
from edgewise.benchmarks.evaluation.scripted import is_scripted, scripted
from edgewise.benchmarks.evaluation.server_agent import ServerConfig
from edgewise.benchmarks.evaluation.suite import Part, parts_of
from edgewise.cli.parse import parse
from edgewise.env import ReasoningEnv, unwrap
from edgewise.errors import UsageError, usage
from edgewise.files import write_atomically
from edgewise.frame import Render
from edgewise.interrupts import GOES_ON, Stopped, asked, repeatable
from edgewise.lock import locked
from edgewise.registration import check_id


@dataclass(frozen=True)
class EvalConfig:
    """Score an agent on each level of an environment, or of all environments of a suite.

    With a suite, or with vllm, openai, random, human or one's own agent, every answer is kept in a folder,
    with a report; the same command goes on where it was stopped.
    """

    suite: str | None = None
    """Suite of a paper, with its protocol: sec, e2h, soar, or all; by default the environment alone."""
    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them."""
    agent: str = "seedling"
    """Who answers: seedling, seedling:NAME, or hf:PATH for a folder or hub id; vllm:PATH, the same
    with vLLM; openai:URL#MODEL, a server; oracle, which gives the right answers; constant:TEXT, which
    always answers TEXT; random, which gives the right answer of another problem; simulated:WORLD, which
    is right about as often as a learner of that world of `edgewise compare` at its start; human, who is
    asked here; or MODULE:OBJECT, your own, see docs/evaluation.md."""
    data: str | None = None
    """Folder or file of an environment that reads data, or hub; by default EDGEWISE_DATA."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"partition": "soar"}, {"interactive": true}."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the suite's or the
    environment's first."""
    levels: tuple[int, ...] | None = None
    """Levels to score; all by default, also those kept out of training."""
    samples: int | None = None
    """Answers to each problem, where every answer is kept; by default as in the paper."""
    temperature: float | None = None
    """Temperature at which completions are sampled, 0 for greedy; by default the paper's."""
    max_tokens: int | None = None
    """Longest completion in tokens; by default the preset's."""
    max_prompt_tokens: int | None = None
    """Longest prompt in tokens; problems with longer ones are left out. By default the preset's; 0 for
    any length."""
    chat_template_kwargs: str = "{}"
    """What the chat template of the model is told, JSON: {"enable_thinking": false}."""
    chat_date: str | None = None
    """Day that chat templates take for today, YYYY-MM-DD; by default that on which it begins."""
    plan: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level; where every answer is kept, its problems, split and seed count."""
    server: ServerConfig = field(default_factory=ServerConfig)
    """How a server is asked."""
    output: Path | None = None
    """JSON file for the scores, which must not exist; or the folder of all answers, by default in
    runs/, which goes on if it exists."""
    dtype: Precision = "float32"
    """Precision of the weights."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model computes."""
    threads: int = 1
    """Threads of torch."""

    def __post_init__(self) -> None:
        """Check the counts."""
        read_chat_options(self.chat_date, self.chat_template_kwargs)
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < 0:
            raise ValueError(
                f"`max_prompt_tokens` must be at least 0, got {self.max_prompt_tokens}"
            )
        for name in ("samples", "max_tokens", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        if self.temperature is not None and not 0 <= self.temperature < inf:
            raise ValueError(f"`temperature` must be at least 0, got {self.temperature}")
        if self.suite is not None and self.env_options != "{}":
            raise ValueError(f"`env_options` must be left out with a suite, got {self.env_options}")


def run(arguments: Sequence[str]) -> None:
    """Score, print a line for each level, and write the scores if asked."""
    config = parse(EvalConfig, "eval", arguments)
    torch.set_num_threads(config.threads)
    if config.suite is not None or not (
        is_scripted(config.agent) or config.agent.partition(":")[0] in ("seedling", "hf")
    ):
        run_session(config, shlex.join(["edgewise", "eval", *arguments]))
    else:
        run_levels(replace(config, chat_date=config.chat_date or today()))


def run_session(config: EvalConfig, command: str) -> None:
    """Ask what is still open, and write every answer, the summary and the report."""
    from edgewise.benchmarks.evaluation import session as sessions

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
    with locked(session.folder()):
        with usage():
            folder, opened, agent = sessions.prepare(session, console)
        with repeatable(say=announcer(console)):
            summary = sessions.carry_out(folder, opened, agent, console)
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
    with usage():
        check_id(config.env)
        options = options_of(config)
        levels = config.levels
        env = unwrap(gym.make(config.env, split=config.plan.split, levels=levels, **options))
        if not is_scripted(config.agent):
            check_model(config.agent, config.env, split=config.plan.split, **options)
        policy, render = load(config, env)
        sampling = sampling_of(config, env)
        limit = None
        if isinstance(policy, TransformersPolicy):
            limit = limit_for(policy, sampling, config.max_prompt_tokens)
        if limit is not None:
            limit.check(env, [{"level": level} for level in levels or env.preset.levels])
    console = Console()
    scores = evaluate(
        policy,
        config.env,
        config.plan,
        sampling,
        levels=levels,
        limit=limit,
        render=render,
        progress=lambda score: console.print(score_line(score), soft_wrap=True, highlight=False),
        **options,
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


def load(config: EvalConfig, env: ReasoningEnv) -> tuple[Sampler, Render | None]:
    """Return what answers, and what makes text of the messages of a chat for it."""
    if is_scripted(config.agent):
        posed = [
            options
            for level in config.levels or env.preset.levels
            for options in edgewise.evaluation_set(env, level, config.plan.num_problems)
        ]
        return scripted(config.agent, env, posed), None
    chat = read_chat_options(config.chat_date, config.chat_template_kwargs)
    policy = load_policy(config.agent, config.dtype, config.device, chat)
    return policy, policy.render


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
