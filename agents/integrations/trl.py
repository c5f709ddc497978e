"""Train with TRL under a curriculum: each batch is posed when TRL is about to generate.

TRL draws the prompts of a batch before it knows the rewards of the one before. The trainers here let
it draw places, and fill them when it generates: the rule has then learned from every batch before,
also where batches are accumulated or used several times. Every rank has the whole curriculum: it
draws the problems of all ranks and poses them, verifies the completions that are its own, and hears
of those of all ranks, so that the rules are the same everywhere, and groups may be split among ranks.
Neither TRL nor the rule learns from a group in which a completion could not be verified.

Departures from our own trainers: |A| is TRL's, whose standard deviation has epsilon 1e-4; and the
states that TRL's checkpoints hold are joined by that of the curriculum. Prompts are encoded as in our
own trainers, so that no chat begins twice, and log-probabilities are those of the distribution that
was sampled, for TRL divides logits by its `temperature`.

The methods that are overridden are private ones of TRL. Other versions than those that are tested are
therefore refused; `edgewise.agents.integrations.trl_stream` needs public names alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.agents import distributed
from edgewise.agents.integrations import named, records, trl_run, trl_turns
from edgewise.agents.integrations.named import Completion
from edgewise.agents.integrations.trl_turns import TurnEnvironment
from edgewise.agents.integrations.versions import TRL
from edgewise.agents.policies.chat import encode_prompt
from edgewise.agents.training.checkpoint import read_tensors
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_reading import METRICS, check_metrics
from edgewise.manifest import write_manifest
from edgewise.pool import refuse_unverified
from edgewise.wrappers.vector import Curriculum

TRL.check(version("trl"))

from datasets import Dataset  # noqa: E402
from trl import GRPOTrainer, RLOOTrainer  # noqa: E402

REST = "batch-{}.pt"  # of a rank: what a checkpoint in the middle of a batch has left of it


class CurriculumTrainer:
    """Mixin that runs a curriculum inside a trainer of TRL."""

    algorithm: str  # what the run is called after

    def __init__(self, curriculum: Curriculum, model: Any, args: Any, **kwargs: Any) -> None:
        """Pose the problems of `curriculum` to `model`.

        Args:
            curriculum: A `Curriculum` or `ProblemCurriculum` around `args.generation_batch_size`
                environments in groups of `args.num_generations`, without rank and gather: the
                same on every rank. Its draws are seeded by `args.seed`.
            model: As TRL takes it.
            args: The config of TRL's trainer, with `max_steps`.
            kwargs: What else TRL's trainer takes, but rewards and the training set. Rows of
                an `eval_dataset` need a "problem", the name of one, as `edgewise export` writes it.
                With `environment_factory=TurnEnvironment`, problems are answered in turns; the
                curriculum is then without a `PromptFormat`.

        Raises:
            ValueError: If the curriculum has another size than TRL's batch, or ranks of its own; or
                `max_steps` is not set; or there is a `PromptFormat` where turns are taken.
        """
        trl_run.refuse_misfit(curriculum, args)
        self.curriculum = curriculum
        self.in_turns = kwargs.get("environment_factory") is not None
        if self.in_turns:
            trl_run.refuse_format(curriculum)
        curriculum.reset(seed=args.seed)  # as in our own runs: seeds, and the draw is forgotten
        curriculum.lesson.forget()
        self.num_batches = 0
        self._unfit: int = curriculum.base.env.num_unfit  # problems drawn again so far
        self._own: slice | None = None  # this rank's completions, while they are answered
        self._began = time.perf_counter()
        self._config = trl_run.describe(curriculum, model, args, self.algorithm)
        rows = curriculum.lesson.shape[0] * trl_run.num_batches(args)
        super().__init__(  # type: ignore[call-arg]
            model=model,
            reward_funcs=self.verify,
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * rows}),  # places, no prompts
            **kwargs,
        )

    def describe(self, **fields: Any) -> None:
        """Add fields to the config that `train` records for a new run."""
        self._config |= fields

    def verify(
        self,
        completions: Sequence[Completion],
        problem: Sequence[str],
        environments: Sequence[TurnEnvironment] | None = None,
        **columns: Any,
    ) -> list[float]:
        """Return the reward of each completion; in training, the curriculum remembers it."""
        if self._own is None and environments is None:
            return [outcome.reward for outcome in named.score(problem, completions)]
        if self._own is None:
            return trl_turns.reward(environments or ())
        if environments is None:
            texts = [named.text_of(completion) for completion in completions]
            return trl_turns.answer(self.curriculum, self._own, texts)
        turns = [trl_turns.actions_of(environment) for environment in environments]
        return trl_turns.play(self.curriculum, self._own, turns)

    def row(self, slot: int, prompt: str, name: str) -> dict[str, Any]:
        """Return TRL's row for the problem in a slot: a text, or messages to take turns."""
        if not self.in_turns:
            return {"prompt": prompt, "problem": name}
        base = self.curriculum.base
        frame = base.env.frame_of(base.problems[slot // base.group_size])
        return {"prompt": trl_turns.messages(frame, prompt), "problem": name}

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Pose problems in place of `inputs`, answer them, and let the rule learn."""
        trainer: Any = super()
        if not self.model.training:  # type: ignore[attr-defined]
            evaluated: dict[str, Any] = trainer._generate_and_score_completions(inputs)
            return evaluated
        prompts, infos = self.curriculum.reset()
        first = distributed.rank() * len(inputs)
        self._own = slice(first, first + len(inputs))
        slots = range(first, first + len(inputs))
        rows = [self.row(slot, prompts[slot], infos["problem"][slot]) for slot in slots]
        answered: dict[str, Any] = trainer._generate_and_score_completions(rows)
        sampled = answered["completion_mask"] * answered.get("tool_mask", 1)
        self.curriculum.lesson.exchange(self._own, distributed.all_gather)
        self.leave_out(answered, self._own)
        self._own = None
        tokens = sampled.sum(dim=1).cpu().numpy()
        ids, ends = answered["completion_ids"], self.eos_token_ids  # type: ignore[attr-defined]
        ended = torch.isin(ids, torch.tensor(ends, device=ids.device)).any(dim=1).cpu().numpy()
        self.learn(
            distributed.all_gather(tokens).reshape(self.curriculum.lesson.shape),
            infos,
            distributed.all_gather(ended).tolist(),
        )
        return answered

    def said(self, infos: dict[str, Any], ended: list[bool]) -> records.Said:
        """Return what TRL logged of the batch, the texts of all ranks in their order.

        What a model called, in turns, is an answer.
        """
        logs: Any = self._logs  # type: ignore[attr-defined]
        prompts, texts = ([shown(one) for one in logs[name]] for name in ("prompt", "completion"))
        names = infos["problem"].tolist()
        formatted = (
            [True] * len(texts)
            if self.in_turns
            else records.have_answers(self.curriculum, names, texts)
        )
        return records.Said(formatted, ended, lambda row: (prompts[row], texts[row]))

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        """Encode texts with their special tokens once, as our own policies do; the rest is TRL's."""
        if not isinstance(prompts[0], str):
            return super()._tokenize_prompts(prompts)  # type: ignore[misc]
        processor: Any = self.processing_class  # type: ignore[attr-defined]
        return [encode_prompt(processor, prompt) for prompt in prompts], None, {}

    def leave_out(self, answered: dict[str, Any], own: slice) -> None:
        """Mask groups with unverified completions from TRL's loss and from the rule.

        Args:
            answered: What TRL learns from, of this rank.
            own: This rank's completions among those of all.

        Raises:
            TooManyUnverified: If more than 1 % of the completions could not be verified.
        """
        lesson = self.curriculum.lesson
        refuse_unverified(int((~lesson.verified).sum()), lesson.verified.size)
        lost = np.repeat(~lesson.verified.all(axis=1), lesson.shape[1])[own]
        for name in ("advantages", "completion_mask"):
            answered[name][torch.as_tensor(lost, device=answered[name].device)] = 0

    def learn(self, tokens: NDArray[np.int64], infos: dict[str, Any], ended: list[bool]) -> None:
        """Update the rule with the batch and TRL's |A|, and record it.

        Args:
            tokens: In each completion of all ranks, (P, G).
            infos: Of `reset`.
            ended: Whether each completion of all ranks ended within the limit, P G.
        """
        lesson = self.curriculum.lesson
        logged: Any = self._logs["advantages"]  # type: ignore[attr-defined]
        advantages = np.array(logged).reshape(lesson.shape)  # of all ranks, in their order
        verified = lesson.verified.copy()
        earned = {
            "reward": float(lesson.rewards[verified].mean()),
            "accuracy": float(lesson.correct[verified].mean()),
            "unverified": int((~verified).sum()),
            "level": float(infos["level"].mean()),
        }
        lesson.exclude_partly_verified()  # the mean behind their |A| has what is unverified in it
        self.curriculum.feedback(np.abs(advantages))
        self.curriculum.learn()
        self.num_batches += 1
        metrics = {**earned, **self.curriculum.metrics()}
        unfit: int = self.curriculum.base.env.num_unfit
        metrics["prompts_too_long"], self._unfit = unfit - self._unfit, unfit
        for name, value in metrics.items():
            self._metrics["train"][f"curriculum/{name}"].append(value)  # type: ignore[attr-defined]
        now = time.perf_counter()
        metrics["time/step_seconds"], self._began = now - self._began, now
        if distributed.rank() == 0:
            said = self.said(infos, ended)
            records.record(self.folder, self.num_batches, self.curriculum, metrics, tokens, said)

    @property
    def folder(self) -> Path:
        """Where TRL writes, and the records are."""
        return Path(self.args.output_dir)  # type: ignore[attr-defined]

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """Train as TRL does, restoring the curriculum with a checkpoint.

        Raises:
            FileError: If all checkpoints are damaged, or the state of the curriculum is.
            ValueError: If a new run is to begin in the folder of another, or the checkpoint has no
                curriculum.
        """
        trainer: Any = super()
        checkpoint: Any = resume_from_checkpoint or None
        if checkpoint is True:
            run = RunFolder(self.folder)
            checkpoint = distributed.run_on_rank0(lambda: trl_run.newest_intact(run))
            run.tell()
        if checkpoint is not None:
            self.resume(Path(checkpoint))
        elif distributed.rank() == 0:
            trl_run.begin(self.folder, self._config)
        self._began = time.perf_counter()
        named_by = resume_from_checkpoint if checkpoint is None else str(checkpoint)
        return trainer.train(resume_from_checkpoint=named_by, **kwargs)

    def resume(self, checkpoint: Path) -> None:
        """Restore the curriculum, and the rest of a batch if the checkpoint lies within one."""
        self.num_batches = trl_run.load(checkpoint, self.curriculum)
        if distributed.rank() == 0:
            run = RunFolder(self.folder)
            sizes = {METRICS: 1, "groups.jsonl": self.curriculum.lesson.shape[0]}
            run.forget_after(self.num_batches, sizes, {METRICS: check_metrics})
            run.tell()
        rest = checkpoint / REST.format(distributed.rank())
        if rest.exists():
            state = read_tensors(rest)
            self._step, self._buffered_inputs = state["step"], state["inputs"]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save TRL's checkpoint with the curriculum and the rest of an unfinished batch."""
        trainer: Any = super()
        args: Any = self.args  # type: ignore[attr-defined]
        global_step = self.state.global_step  # type: ignore[attr-defined]
        checkpoint = self.folder / f"checkpoint-{global_step}"
        if distributed.rank() == 0:
            trl_run.save(checkpoint, self.num_batches, self.curriculum)
        distributed.barrier()
        if self._step % (args.steps_per_generation * args.num_iterations):
            state = {"step": self._step, "inputs": self._buffered_inputs}
            torch.save(state, checkpoint / REST.format(distributed.rank()))
        trainer._save_checkpoint(model, trial)
        distributed.barrier()  # until all have written
        if distributed.rank() == 0:
            write_manifest(checkpoint)


def shown(said: Any) -> str:
    """Return a text, or the messages of a chat with the calls in them, a paragraph each.

    >>> shown("It is 7."), shown([{"role": "tool", "content": "done"}])
    ('It is 7.', 'tool: done')
    """
    if isinstance(said, str):
        return said
    parts = [(one["role"], one.get("content") or one.get("tool_calls") or "") for one in said]
    return "\n\n".join(f"{role}: {content}" for role, content in parts)


class CurriculumGRPOTrainer(CurriculumTrainer, GRPOTrainer):  # type: ignore[misc]
    """TRL's `GRPOTrainer`, whose problems a curriculum poses.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from trl import GRPOConfig
        >>> from edgewise.agents.policies.model_card import model_path
        >>> envs = gym.make_vec("Countdown-v0", num_envs=4, group_size=2, preset="seedling")
        >>> framed = edgewise.wrappers.vector.PromptFormat(envs)
        >>> curriculum = edgewise.wrappers.vector.Curriculum(framed, edgewise.wrappers.SEC())
        >>> folder = TemporaryDirectory()
        >>> sizes = {"per_device_train_batch_size": 4, "num_generations": 2, "max_steps": 1}
        >>> args = GRPOConfig(folder.name, **sizes, max_completion_length=4, use_cpu=True)
        >>> trainer = CurriculumGRPOTrainer(curriculum, model_path("seedling"), args)
        >>> trainer.train().global_step  # doctest: +ELLIPSIS
        {'train_runtime': ...
        1
        >>> folder.cleanup()
    """

    algorithm = "GRPO"


class CurriculumRLOOTrainer(CurriculumTrainer, RLOOTrainer):  # type: ignore[misc]
    """TRL's `RLOOTrainer`, whose problems a curriculum poses.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from trl import RLOOConfig
        >>> from edgewise.agents.policies.model_card import model_path
        >>> envs = gym.make_vec("Countdown-v0", num_envs=4, group_size=2, preset="seedling")
        >>> framed = edgewise.wrappers.vector.PromptFormat(envs)
        >>> curriculum = edgewise.wrappers.vector.Curriculum(framed, edgewise.wrappers.SEC())
        >>> folder = TemporaryDirectory()
        >>> sizes = {"per_device_train_batch_size": 4, "num_generations": 2, "max_steps": 1}
        >>> args = RLOOConfig(folder.name, **sizes, max_completion_length=4, use_cpu=True)
        >>> trainer = CurriculumRLOOTrainer(curriculum, model_path("seedling"), args)
        >>> trainer.train().global_step  # doctest: +ELLIPSIS
        {'train_runtime': ...
        1
        >>> folder.cleanup()
    """

    algorithm = "RLOO"
