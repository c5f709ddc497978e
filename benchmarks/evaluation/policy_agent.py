"""A language model of this process as an agent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import torch

from edgewise.agents.policies.policy import Sampler
from edgewise.benchmarks.evaluation.agent import Reply, Request, entropy
from edgewise.frame import Render
from edgewise.interrupts import asked

BATCH = 512  # completions at a time


class PolicyAgent:
    """Samples with a policy, whose prompts are in the frame of the preset.

    The tokens of a batch depend on the seed and on its first question, so an evaluation that was
    interrupted between two batches gives what it would have given.
    """

    def __init__(
        self, policy: Sampler, render: Render | None, seed: int, batch: int = BATCH
    ) -> None:
        """Sample `batch` completions at a time.

        Args:
            policy: Samples.
            render: Makes text of the messages of a chat.
            seed: Of the sampled tokens.
            batch: Completions at a time.
        """
        self.policy, self.render, self.seed, self.batch = policy, render, seed, batch

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Yield the replies of a batch at a time, all of one part."""
        for _, group in groupby(requests, key=lambda request: request.question.part):
            rows = [(request.question, n) for request in group for n in request.samples]
            num_samples = rows[0][0].num_samples
            width = max(num_samples, self.batch // num_samples * num_samples)  # of whole problems
            for first in range(0, len(rows), width):
                if asked():
                    return
                batch = rows[first : first + width]
                prompts = [q.frame.text(q.prompt, self.render) for q, _ in batch]
                start = time.perf_counter()
                generator = torch.Generator().manual_seed(entropy(self.seed, *batch[0])[0])
                found = self.policy.generate(prompts, batch[0][0].sampling, generator)
                seconds = (time.perf_counter() - start) / len(batch)
                sampled = found.mask.sum(dim=1).tolist()
                read = found.attention.sum(dim=1).tolist()
                yield [
                    Reply(
                        question,
                        sample,
                        question.frame.opening + found.texts[row],
                        bool(found.ended[row]),
                        sampled[row],
                        read[row] - sampled[row],
                        seconds,
                    )
                    for row, (question, sample) in enumerate(batch)
                ]
