"""`edgewise eval`: score an agent on the levels of an environment, or on a suite of a paper."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import nullcontext

import gymnasium as gym
from rich.console import Console

from edgewise.agents.policies.model_card import preset_for
from edgewise.agents.training.display import announcer
from edgewise.agents.training.recipe_file import read_options
from edgewise.benchmarks.evaluation import session as sessions
from edgewise.benchmarks.evaluation.agent_names import is_scripted
from edgewise.benchmarks.evaluation.spread import spreading
from edgewise.benchmarks.evaluation.suite import OWN, Part, parts_of
from edgewise.benchmarks.evaluation.summary import ALL, Record
from edgewise.cli.flags import EvalConfig
from edgewise.cli.parse import flag
from edgewise.env import unwrap
from edgewise.errors import UsageError, usage
from edgewise.interrupts import GOES_ON, Stopped, asked, repeatable
from edgewise.lock import locked
from edgewise.registration import check_id


def run(config: EvalConfig, arguments: Sequence[str]) -> None:
    """Ask what is still open, write every answer, the summary and the report, and print the scores."""
    if config.suite is not None and flag(arguments, "env") is not None:
        raise UsageError(
            f"`env` must be left out with a suite, got {config.env}; a suite has environments of its own"
        )
    console = Console()
    with usage():
        session = session_of(config, shlex.join(["edgewise", "eval", *arguments]))
    with locked(session.folder()), spreading(config.ray) as spread:
        with usage():
            folder, opened, agent = sessions.prepare(session, console, spread)
        # a solver may find that it cannot play an environment's episodes
        needs_solver = is_scripted(config.agent) or config.agent == "random"
        refusal = usage() if needs_solver else nullcontext()
        with repeatable(say=announcer(console)), refusal:
            summary = sessions.carry_out(folder, opened, agent, console, spread)
            stopped = asked()
    rows = summary["means"]
    if config.suite is None:
        rows = [*summary["levels"], *(row for row in rows if row["part"] != ALL)]
    for line in map(score_line, rows):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if not summary["complete"] and stopped:
        raise Stopped(f"stopped after {summary['spent']['answers']} answers; {GOES_ON}")
    if not summary["complete"]:
        console.print("not complete: the same command goes on", soft_wrap=True)
    path = folder.path / "report.html"
    console.print(f"report {path}", soft_wrap=True, highlight=False, markup=False)


def session_of(config: EvalConfig, command: str) -> sessions.Session:
    """Return what is asked for.

    Raises:
        ValueError: If there is no such suite, environment or model.
    """
    parts = (own_part(config),) if config.suite is None else parts_of(config.suite)
    return sessions.Session(
        suite=config.suite or config.env,
        parts=parts,
        agent=config.agent,
        command=command,
        preset=config.preset,
        levels=config.levels,
        data=config.data,
        split=config.plan.split,
        num_problems=config.plan.num_problems,
        num_samples=config.num_samples,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=config.plan.seed,
        max_prompt_tokens=config.max_prompt_tokens,
        chat_template_kwargs=config.chat_template_kwargs,
        chat_date=config.chat_date,
        server=config.server,
        dtype=config.dtype,
        device=config.device,
        threads=config.threads,
        output=config.output,
    )


def own_part(config: EvalConfig) -> Part:
    """Return an environment as the only part of a suite, with the protocol of its preset."""
    check_id(config.env)
    options = read_options(config.env_options, [config.env], config.data)
    preset = preset_for(config.agent, config.env, config.preset)
    made = gym.make(config.env, preset=preset, split=config.plan.split, **options)
    return Part(OWN, config.env, preset, unwrap(made).preset.protocol, False, options)


def score_line(row: Record) -> str:
    """Format the scores of a level, or the mean of a part, in one line."""
    level = f" {row['level']}" if "level" in row else ""
    place = f"{row['part'].removeprefix(f'{OWN}/')}{level}{', out of distribution' if row['ood'] else ''}"
    if row["pass_at_1"] is None:
        return f"{place}: no problem has all its answers"
    words = [f"{place}: pass@1 {row['pass_at_1']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"]
    words += [f"pass@{k} {found['value']:.3f}" for k, found in row["pass_at_k"].items()]
    for name, label in (("format_rate", "format"), ("truncated", "truncated")):
        if row.get(name) is not None:
            words.append(f"{label} {row[name]:.3f}")
    if row.get("mean_tokens") is not None:
        words.append(f"{row['mean_tokens']:.0f} tokens")
    if row.get("unverified"):
        words.append(f"unverified {row['unverified']}")
    return "  ".join(words)
