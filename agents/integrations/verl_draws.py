"""The batches of a curriculum for a trainer that asks for one at a time, and reports of each.

A batch is drawn when its first problem is asked for, and only after the one before has taught the
rule: no lag, which is checked. Needs no verl.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import numpy as np

from edgewise.agents.integrations import records
from edgewise.agents.integrations.export import chat
from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.policies.chat import encode_prompt, render_chat
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.agents.training.run_folder import STATE, RunFolder
from edgewise.agents.training.run_reading import METRICS, check_metrics
from edgewise.pool import refuse_unverified
from edgewise.wrappers.vector import with_rule

CHECKPOINT = "global_step_{}"  # the folder of a checkpoint of verl


@dataclass(frozen=True)
class Completion:
    """What came of one completion of a batch."""

    batch: int  # the number of its draw, from 1
    group: int  # in range(P)
    member: int  # in range(G)
    reward: float
    correct: bool
    length: int  # of the answers, in characters
    num_tokens: int  # that were sampled
    abs_advantage: float | None = (
        None  # |A|, the mean over its tokens; None for that of the rewards
    )
    formatted: bool = True  # whether there is an answer, as far as is known
    response: tuple[int, ...] = ()  # the tokens that were sampled


class Draws:
    """A curriculum whose batches are drawn and reported by another's trainer."""

    def __init__(self, config: VerlConfig, tokenizer: Any) -> None:
        """Make the curriculum of `config`.

        Args:
            config: Of the run.
            tokenizer: Of the model, in whose tokens prompts must be short enough.

        Raises:
            ValueError: If a part is refused, or the rule learns from what an update did.
        """
        self.config, self.tokenizer, self.folder = config, tokenizer, RunFolder(config.output)
        envs = config.envs()
        self.curriculum = with_rule(envs, config.rule.make(envs), config.pool_size)
        self.lesson = self.curriculum.lesson
        if self.lesson.learns_after:
            raise ValueError(
                "`curriculum` must be a rule that learns before the update, got "
                f"{type(self.lesson.rule).__name__}; verl's trainer says nothing of it after"
            )
        self.limit_prompts()
        self.curriculum.reset(seed=config.seed)  # as in our own runs: seeds, and is forgotten
        self.lesson.forget()
        self.num_drawn = self.num_taught = 0
        self._unfit = self.curriculum.base.env.num_unfit  # problems drawn again so far
        self._level, self._lag = 0.0, 0  # of the batch: mean level, batches not heard of when drawn
        self._began = time.perf_counter()

    def limit_prompts(self) -> None:
        """Make the environments redraw problems whose prompts are too long, and print notes.

        Raises:
            ValueError: If no problem of an arm fits.
        """
        limit = PromptLimit(
            partial(encode_prompt, self.tokenizer),
            partial(render_chat, self.tokenizer, options=self.config.chat),
            None,
            self.config.max_tokens or 0,
            self.config.max_prompt_tokens,
        )
        for member in self.curriculum.base.env.members:
            for line in limit.check(member):
                print(line)
        limit.screen(self.curriculum.base.env)

    def draw(self) -> list[dict[str, Any]]:
        """Draw a batch, and return a row for each of its P groups.

        Raises:
            RuntimeError: If the batch before has not taught the rule.
            ValueError: If the folder has the records of another run.
        """
        if self.num_drawn > self.num_taught:
            raise RuntimeError(
                f"batch {self.num_drawn + 1} is drawn before batch {self.num_drawn} has taught the "
                "rule: verl must be synchronous, with trainer.v1.sampler.custom_sampler or trainer "
                "of edgewise.agents.integrations.verl, and filter no groups"
            )
        if self.num_drawn == 0:
            self.begin()
        self._lag = self.num_drawn - self.num_taught
        _, infos = self.curriculum.reset()
        self.num_drawn += 1
        base, size = self.curriculum.base, self.lesson.shape[1]
        self._level = float(infos["level"].mean())
        names = infos["problem"][::size].tolist()
        return [
            self.row(group, name, base.env.prompt(problem), base.env.frame_of(problem))
            for group, (name, problem) in enumerate(zip(names, base.problems, strict=True))
        ]

    def row(self, group: int, name: str, prompt: str, frame: Any) -> dict[str, Any]:
        """Return the row of a problem."""
        return row_of(name, chat(frame, prompt), batch=self.num_drawn, group=group)

    def begin(self) -> None:
        """Start the records of a new run.

        Raises:
            ValueError: If there are records of another.
        """
        if (self.folder.path / "groups.jsonl").exists():
            raise ValueError(
                f"`output` must hold no run, got {self.folder.path}; "
                "continue it with --resume, or name another"
            )
        self.write_config()

    def write_config(self) -> None:
        """Write what the run is, where `replay` and reports look for it."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        config = self.config
        told = records.describe(
            self.curriculum,
            agent=config.model,
            algorithm=f"{config.algorithm.upper()} of verl",
            seed=config.seed,
            num_steps=config.num_steps,
            learning_rate=config.learning_rate,
            verl={"feedback": config.feedback},
        )
        self.folder.write("config.json", told)

    def teach(self, completions: Sequence[Completion], step: int) -> dict[str, float]:
        """Let the rule learn from the batch that was drawn, and record it.

        A completion of which nothing is reported has no verdict: the rule does not hear of it.

        Args:
            completions: Of that batch, in any order.
            step: Of the trainer, which hears of them now.

        Returns:
            What the trainer logs.

        Raises:
            RuntimeError: If they are of another batch, or none is waiting.
            TooManyUnverified: If more than 1 % of the batch is missing.
        """
        drawn = {completion.batch for completion in completions}
        if drawn != {self.num_drawn} or self.num_drawn == self.num_taught:
            raise RuntimeError(
                f"completions must be of batch {self.num_drawn}, which is out, got {sorted(drawn)} "
                f"when {self.num_taught} batches have taught: verl must be synchronous"
            )
        tokens = self.fill(completions)
        verified = self.lesson.verified.copy()
        refuse_unverified(int((~verified).sum()), verified.size)
        metrics = {
            "reward": float(self.lesson.rewards[verified].mean()),
            "accuracy": float(self.lesson.correct[verified].mean()),
            "unverified": int((~verified).sum()),
            "level": self._level,
            "lag": self._lag,
            "heard_at_step": step,
        }
        self.curriculum.learn()
        self.num_taught += 1
        metrics |= self.curriculum.metrics()
        unfit = self.curriculum.base.env.num_unfit
        metrics["prompts_too_long"], self._unfit = unfit - self._unfit, unfit
        told = {f"curriculum/{name}": float(value) for name, value in metrics.items()}
        now = time.perf_counter()
        metrics["time/step_seconds"], self._began = now - self._began, now
        said = self.said(completions)
        records.record(self.folder.path, self.num_taught, self.curriculum, metrics, tokens, said)
        return told

    def said(self, completions: Sequence[Completion]) -> records.Said:
        """Return what the model wrote in the batch, decoded where it is looked at.

        What fills its room, and does not end in the token that ends a text, was cut off.
        """
        base, size = self.curriculum.base, self.lesson.shape[1]
        made = {one.group * size + one.member: one for one in completions}
        nothing = Completion(0, 0, 0, 0.0, False, 0, 0)
        rows = [made.get(place, nothing) for place in range(self.lesson.shape[0] * size)]

        def text(row: int) -> tuple[str, str]:
            problem = base.problems[row // size]
            prompt = base.env.frame_of(problem).text(base.env.prompt(problem), render)
            return prompt, self.tokenizer.decode(list(rows[row].response))

        render = partial(render_chat, self.tokenizer, options=self.config.chat)
        end, room = self.tokenizer.eos_token_id, self.config.max_tokens or inf
        ended = [len(one.response) < room or one.response[-1:] == (end,) for one in rows]
        return records.Said([one.formatted for one in rows], ended, text)

    def fill(self, completions: Sequence[Completion]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Write the outcomes into the lesson; return the tokens of each completion, (P, G)."""
        shape = self.lesson.shape
        rewards, given = np.zeros(shape), np.zeros(shape)
        correct, verified = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        lengths, tokens = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for completion in completions:
            at = completion.group, completion.member
            rewards[at], correct[at], verified[at] = completion.reward, completion.correct, True
            lengths[at], tokens[at] = completion.length, completion.num_tokens
            given[at] = completion.abs_advantage or 0.0
        for group in range(shape[0]):
            parts = (part[group].tolist() for part in (rewards, correct, verified, lengths))
            self.lesson.set_outcomes(group, *parts)
        if all(completion.abs_advantage is not None for completion in completions):
            self.curriculum.feedback(given)
        return tokens

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the curriculum, and write it into verl's checkpoint for `replay`.

        Raises:
            RuntimeError: If a batch has not taught the rule.
        """
        if self.num_drawn > self.num_taught:
            raise RuntimeError(f"batch {self.num_drawn} must teach the rule before it is saved")
        state = {"step": self.num_taught, "curriculum": self.curriculum.state_dict()}
        checkpoint = self.folder.path / CHECKPOINT.format(self.num_taught)
        if checkpoint.is_dir():
            RunFolder(checkpoint).write(STATE, state)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned; later records are dropped."""
        self.num_drawn = self.num_taught = int(state["step"])
        self.curriculum.load_state_dict(state["curriculum"])
        if not (self.folder.path / "config.json").exists():  # of a checkpoint in another folder
            self.write_config()
        for later in self.folder.path.glob(CHECKPOINT.format("*")):
            if int(later.name.rpartition("_")[2]) > self.num_taught:
                (later / STATE).unlink(missing_ok=True)
        sizes = {METRICS: 1, "groups.jsonl": self.lesson.shape[0]}
        self.folder.forget_after(self.num_taught, sizes, {METRICS: check_metrics})
        self.folder.tell()


def row_of(name: str, messages: Any, batch: int, group: int) -> dict[str, Any]:
    """Return a row for verl: its own columns, and those by which a completion is told apart.

    Args:
        name: Of the problem.
        messages: The prompt as a chat, for verl's own agent loops.
        batch: The number of the draw; 0 for a problem of the test set.
        group: The place in the batch.
    """
    return {
        "raw_prompt": messages,
        "data_source": "edgewise",
        "reward_model": {"style": "rule", "ground_truth": name},
        "extra_info": {},
        "index": group,
        "edgewise_batch": batch,
        "edgewise_group": group,
    }
