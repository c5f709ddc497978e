"""An evaluation from its options to its files: what is asked, who answers, where it is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from edgewise.agents.policies.chat import read_chat_options, today
from edgewise.agents.policies.model_card import is_own, made_for
from edgewise.agents.policies.options import Precision
from edgewise.benchmarks.evaluation.agent import (
    Agent,
    HumanAgent,
    ScriptAgent,
    constant,
    guess,
    oracle,
    own_agent,
    simulated,
)
from edgewise.benchmarks.evaluation.agent_names import CHOICES, MODELS
from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.page import write_page
from edgewise.benchmarks.evaluation.plans import ServerConfig
from edgewise.benchmarks.evaluation.question import NotAtHand, Opened, checksum, open_part
from edgewise.benchmarks.evaluation.run import evaluate
from edgewise.benchmarks.evaluation.secret import Secret
from edgewise.benchmarks.evaluation.spread import KINDS, Spread, SpreadAgent, script_of
from edgewise.benchmarks.evaluation.suite import OWN, Part, described
from edgewise.benchmarks.evaluation.summary import Record, summarize
from edgewise.errors import unknown
from edgewise.folder import finished
from edgewise.provenance import provenance
from edgewise.registration import require, short_id, spec_of

MAX_NAME = 120  # characters of an agent in the name of a folder, its last


@dataclass(frozen=True)
class Session:
    """Everything that an evaluation is asked for."""

    suite: str
    parts: Sequence[Part]
    agent: str
    command: str  # that asks for it, for the record
    preset: str | None = None  # in place of the parts' own
    levels: Sequence[int] | None = None
    data: str | None = None
    split: str = "test"
    num_problems: int = 200
    num_samples: int | None = None  # these three by default as the parts say
    temperature: float | None = None
    max_tokens: int | None = None
    max_prompt_tokens: int | None = None  # the frames' own by default, 0 for any length
    chat_template_kwargs: str = "{}"
    chat_date: str | None = None
    seed: int = 0
    server: ServerConfig = field(default_factory=ServerConfig)
    dtype: Precision = "float32"
    device: str = "cpu"
    threads: int | None = None  # of torch; by default its own number
    output: Path | None = None

    @property
    def kind(self) -> str:
        """What kind of agent it is."""
        return self.agent.partition(":")[0]

    def adapted(self, part: Part) -> Part:
        """Return a part as this evaluation asks it."""
        protocol = part.protocol
        samples = 1 if self.kind == "human" else protocol.num_samples
        protocol = replace(
            protocol, num_samples=self.num_samples if self.num_samples is not None else samples
        )
        if self.temperature is not None:
            protocol = replace(protocol, temperature=self.temperature)
        options = dict(part.options)
        if self.data is not None and spec_of(part.env).kwargs.get("requires") == "math":
            options["data"] = self.data
        preset, reason = self.preset or part.preset, ""
        if self.preset is None and self.kind in MODELS and part.suite != OWN:
            card = made_for(self.model)
            if part.env in card["envs"]:
                preset = card["preset"]
            elif card["envs"]:
                reason = (
                    f"{self.agent} was made for {', '.join(card['envs'])}; --preset {part.preset} "
                    "asks it all the same"
                )
        return replace(part, protocol=protocol, options=options, preset=preset, reason=reason)

    @property
    def model(self) -> str:
        """Name the model as `load_policy` takes it."""
        return f"hf:{self.agent.partition(':')[2]}" if self.kind == "vllm" else self.agent

    def folder(self) -> Path:
        """Return the output folder, by default in runs/ and named after suite and agent."""
        if self.output is not None:
            return self.output
        name = "".join(c if c.isalnum() or c in "-." else "-" for c in self.agent)[-MAX_NAME:]
        return Path("runs") / f"eval-{short_id(self.suite)}-{name}"


def open_parts(session: Session) -> tuple[list[Opened], list[dict[str, str]]]:
    """Return the parts whose problems are at hand, and the others with the reason.

    Raises:
        ValueError: If none is at hand, or an option is refused.
    """
    opened, skipped = [], []
    for part in map(session.adapted, session.parts):
        asked = (session.num_problems, session.max_tokens, session.split, session.levels)
        try:
            one = open_part(part, *asked, turns=True)
        except (NotAtHand, ImportError, FileNotFoundError) as error:
            skipped.append({"name": part.name, "reason": str(error)})
            continue
        if session.kind in MODELS:
            from edgewise.agents.training.clean import check_model

            check_model(session.model, part.env, split=session.split, **part.options)
        opened.append(one)
    refuse_none(opened, skipped)
    return opened, skipped


def with_room(
    session: Session, parts: Sequence[Opened], agent: Agent
) -> tuple[list[Opened], list[dict[str, str]]]:
    """Return the parts without the problems that the model has no room for, and others with the reason.

    Raises:
        ValueError: If it has room for no part, or not for an environment that is evaluated alone.
    """
    from edgewise.benchmarks.evaluation.policy_agent import fitting

    opened, skipped = [], []
    for one in parts:
        try:
            opened.append(fitting(one, agent, session.max_prompt_tokens))
        except ValueError as error:
            if len(parts) == 1:
                raise
            skipped.append({"name": one.part.name, "reason": str(error)})
    refuse_none(opened, skipped)
    return opened, skipped


def refuse_none(opened: Sequence[Opened], skipped: Sequence[Mapping[str, str]]) -> None:
    """Raise ValueError if no part is left."""
    if not opened:
        reasons = "; ".join(dict.fromkeys(part["reason"] for part in skipped))
        raise ValueError(f"`suite` must have a part that can be evaluated, got {reasons}")


def make_agent(session: Session, console: Console, spread: Spread | None) -> Agent:
    """Return the agent that answers, elsewhere if it can.

    Raises:
        ValueError: If there is no such agent.
        ImportError: If it needs an extra that is not installed.
    """
    kind, rest, seed = session.kind, session.agent.partition(":")[2], session.seed
    if spread is not None and kind in KINDS:
        script_of(session.agent, seed)  # refuses a world that there is not
        return SpreadAgent(session.agent, seed, spread)
    if session.agent == "oracle":
        return ScriptAgent(oracle)
    if kind == "constant":
        return ScriptAgent(constant(rest or "0"))
    if session.agent == "random":
        return ScriptAgent(guess(seed))
    if kind == "simulated":
        return ScriptAgent(simulated(rest or "independent", seed))
    if session.agent == "human":
        return HumanAgent(console)
    if kind == "openai":
        require("serve")
        from edgewise.benchmarks.evaluation.server_agent import ServerAgent

        told = partial(console.print, markup=False)
        return ServerAgent(rest, session.server, key_of(session), seed, told)
    if kind in MODELS:
        import torch

        from edgewise.benchmarks.evaluation.policy_agent import load_agent

        chat = read_chat_options(session.chat_date, session.chat_template_kwargs)
        engine = "vllm" if kind == "vllm" else None
        if session.threads is not None:
            torch.set_num_threads(session.threads)
        return load_agent(session.model, session.dtype, session.device, chat, engine, seed)
    if is_own(session.agent):
        return own_agent(session.agent)
    raise ValueError(unknown("agent", session.agent, CHOICES))


def key_of(session: Session) -> str | None:
    """Return the key of the server, None without one.

    Raises:
        ValueError: If it stands in the command, which is kept with the answers, or a variable is
            named that is not there, as if the key itself was given in place of one.
    """
    name = session.server.key_variable
    key = os.environ.get(name)
    if key is None and name != ServerConfig.key_variable:
        raise ValueError(
            "`key_variable` must be the name of an environment variable that is set, got another; if "
            f"that is the key, set {ServerConfig.key_variable} to it"
        )
    if key is not None and Secret(key.strip()).remove(session.command) != session.command:
        raise ValueError(
            f"`agent` and all other flags must be without the key, which is in {name} and is told to "
            "the server alone; flags are kept with the answers"
        )
    return key


def prepare(
    session: Session, console: Console, spread: Spread | None = None
) -> tuple[EvaluationFolder, list[Opened], Agent]:
    """Return the folder, the questions and who answers them, and say how it is done.

    Raises:
        ValueError: If an option is refused.
        ImportError: If an extra is missing.
    """
    refuse_untold(session)
    session = on_its_day(session)
    opened, skipped = open_parts(session)
    agent = make_agent(session, console, spread)
    if session.kind in MODELS:
        opened, too_long = with_room(session, opened, agent)
        skipped += too_long
    for one in opened:
        console.print(described(one.record()), soft_wrap=True, markup=False, highlight=False)
    for part in skipped:
        console.print(
            f"{part['name']}: not evaluated, {part['reason']}", soft_wrap=True, markup=False
        )
    folder = EvaluationFolder.begin(session.folder(), config_of(session, opened, skipped))
    return folder, opened, agent


def refuse_untold(session: Session) -> None:
    """Check that no flag on chats and prompts is given for an agent that cannot follow it.

    Raises:
        ValueError: If it is, of an agent that is no model in this process.
    """
    for name, default in (
        ("chat_template_kwargs", "{}"),
        ("chat_date", None),
        ("max_prompt_tokens", None),
    ):
        given = getattr(session, name)
        if session.kind not in MODELS and given != default:
            raise ValueError(
                f"`{name}` must be left out with the agent {session.kind}, whose prompts are not "
                f"rendered here, got {given!r}"
            )


def on_its_day(session: Session) -> Session:
    """Fix the chat date to the day on which the evaluation began, today if it begins now.

    Raises:
        ValueError: If it has begun on another day than is asked for.
    """
    path = session.folder() / "config.json"
    if not path.is_file():
        return replace(session, chat_date=session.chat_date or today())
    begun = EvaluationFolder(session.folder()).config()
    day = begun.get("chat_date") if isinstance(begun, dict) else None
    if session.chat_date not in (None, day):
        raise ValueError(
            f"`chat_date` must be {day}, on which the evaluation in {session.folder()} began, "
            f"got {session.chat_date}"
        )
    return replace(session, chat_date=day)


def config_of(
    session: Session, opened: Sequence[Opened], skipped: Sequence[Mapping[str, str]]
) -> Record:
    """Build config.json; the settings in "asked" may not change when it is resumed."""
    questions = [question for one in opened for question in one.questions]
    asked: Record = {
        "suite": session.suite,
        "agent": session.agent,
        "split": session.split,
        "seed": session.seed,
        "checksum": checksum(questions),
        "parts": [one.record() for one in opened],
    }
    config: Record = {
        "asked": asked,
        "skipped": list(skipped),
        "command": session.command,
        **provenance(),
    }
    if session.kind == "openai":
        server = session.server
        asked["api"] = server.api
        config["prices"] = {"prompt": server.prompt_price, "completion": server.completion_price}
    if session.kind in MODELS:
        asked["dtype"] = session.dtype
        asked["chat_template_kwargs"] = json.loads(session.chat_template_kwargs) or None
        config["chat_date"] = session.chat_date
    return config


def carry_out(
    folder: EvaluationFolder,
    opened: Sequence[Opened],
    agent: Agent,
    console: Console,
    spread: Spread | None = None,
) -> dict[str, Any]:
    """Ask the open questions, write summary and report, and return the summary."""
    questions = [question for one in opened for question in one.questions]
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    quiet = isinstance(agent, HumanAgent) or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("answers", total=None)

        def show(done: int, total: int) -> None:
            if done == total and bar.tasks[0].total is None:  # before anything was asked
                console.print(finished(total, "answers are there"))
            bar.update(task, completed=done, total=total)

        evaluate(folder, questions, agent, show, None if spread is None else spread.judge)
    summary = summarize(folder)
    write_page(folder, summary)
    return summary
