"""Train under a curriculum with TRL of any version: a stream of prompts and a reward function.

    stream = CurriculumStream(curriculum)
    args = GRPOConfig(shuffle_dataset=False, ...)
    GRPOTrainer(model, stream.reward, args, train_dataset=stream.dataset())

This needs public names alone, and knows less than `edgewise.agents.integrations.trl`. TRL's data loader draws a batch
before it hands over the one before, so the rule has learned from all batches but the last: a lag of one
batch. The rule observes the |A| of the rewards, not of TRL's own; there is one process; and a run that is
resumed begins its curriculum anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from datasets import IterableDataset

from edgewise.agents.integrations import named
from edgewise.agents.integrations.named import Completion
from edgewise.agents.policies.chat import bare
from edgewise.pool import refuse_unverified
from edgewise.wrappers.lessons.batch import Draw
from edgewise.wrappers.vector import Curriculum

MAX_WAITING = 2  # batches that are drawn and not scored: the one in use, and the next


class CurriculumStream:
    """The problems of a curriculum as an endless dataset, and the reward that teaches its rule.

    Example:
        >>> envs = gym.make_vec("Countdown-v0", num_envs=4, group_size=2)
        >>> rule = edgewise.wrappers.SEC()
        >>> stream = CurriculumStream(edgewise.wrappers.vector.Curriculum(envs, rule))
        >>> first, second = stream.draw()  # what `stream.dataset()` yields
        >>> names = [first["problem"]] * 2 + [second["problem"]] * 2
        >>> stream.reward(["no"] * 4, names, batch=[1] * 4, place=[0, 0, 1, 1])
        [0.0, 0.0, 0.0, 0.0]
    """

    def __init__(self, curriculum: Curriculum, seed: int = 0) -> None:
        """Take a curriculum of P groups of G; TRL's batch must be P G, and its group G.

        Raises:
            ValueError: If there are several processes.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ValueError(
                "`curriculum` must be streamed to one process; "
                "the trainers of edgewise.agents.integrations.trl train with several"
            )
        self.curriculum = curriculum
        curriculum.reset(seed=seed)
        curriculum.lesson.forget()
        self.num_drawn = 0
        self.waiting: dict[int, tuple[list[dict[str, Any]], Draw]] = {}  # by batch

    def dataset(self) -> Any:
        """Return the dataset, with "prompt", "problem", "batch" and "place" in each row."""
        return IterableDataset.from_generator(self.rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each problem, first those drawn before and not scored.

        For a trainer looks at the first row of its dataset before it begins.
        """
        for rows, _ in list(self.waiting.values()):
            yield from rows
        while True:
            yield from self.draw()

    def draw(self) -> list[dict[str, Any]]:
        """Draw the next batch, and return its rows.

        Raises:
            RuntimeError: If batches are drawn further ahead than a data loader does.
        """
        if len(self.waiting) == MAX_WAITING:
            first = min(self.waiting)
            raise RuntimeError(
                f"batch {self.num_drawn + 1} is drawn before the rewards of batch {first} are known: "
                "`shuffle_dataset` must be False, for a shuffled stream is drawn a thousand rows "
                "ahead, and a run cannot be resumed"
            )
        self.num_drawn += 1
        prompts, infos = self.curriculum.reset()
        lesson = self.curriculum.lesson
        rows = [
            {
                "prompt": bare(prompts[slot]),
                "problem": infos["problem"][slot],
                "batch": self.num_drawn,
                "place": slot // lesson.shape[1],
            }
            for slot in range(0, len(prompts), lesson.shape[1])
        ]
        self.waiting[self.num_drawn] = rows, lesson.take()
        return rows

    def reward(
        self,
        completions: Sequence[Completion],
        problem: Sequence[str],
        batch: Sequence[int] | None = None,
        place: Sequence[int] | None = None,
        **columns: Any,
    ) -> list[float]:
        """Return the reward of each completion; those of a batch of the stream teach the rule.

        Rows of an evaluation set have a "problem", and no "batch"; further `columns` are passed over.

        Raises:
            RuntimeError: If the completions are not those of one batch, in its order.
            TooManyUnverified: If more than 1 % of them could not be verified. TRL takes fewer for
                completions that earned 0; the rule does not hear of them.
        """
        outcomes = named.score(problem, completions)
        if batch is not None and place is not None:
            lesson = self.curriculum.lesson
            everywhere = np.repeat(np.arange(lesson.shape[0]), lesson.shape[1]).tolist()
            if len(set(batch)) > 1 or list(place) != everywhere or batch[0] not in self.waiting:
                raise RuntimeError(
                    f"completions must be of one batch of {lesson.shape[0]} groups of "
                    f"{lesson.shape[1]} in its order, got groups {sorted(set(place))} of batches "
                    f"{sorted(set(batch))}: `shuffle_dataset` must be False, and the size of TRL's "
                    "generation batch and groups that of the curriculum"
                )
            lost = sum(not outcome.verified for outcome in outcomes)
            refuse_unverified(lost, len(outcomes))
            _, drawn = self.waiting.pop(batch[0])
            lesson.put_back(drawn)
            lengths = [len(named.text_of(completion)) for completion in completions]
            for group in range(lesson.shape[0]):
                made = slice(group * lesson.shape[1], (group + 1) * lesson.shape[1])
                own = outcomes[made]
                lesson.set_outcomes(
                    group,
                    rewards=[outcome.reward for outcome in own],
                    correct=[outcome.correct is True for outcome in own],
                    verified=[outcome.verified for outcome in own],
                    lengths=lengths[made],
                )
            self.curriculum.learn()
        return [outcome.reward for outcome in outcomes]
