"""What students of SOAR could gain on a CPU from being at work together.

`python -m edgewise.benchmarks.speed.students` samples and learns from the batch of one student, and from
that of sixteen in one piece, with the same weights for all. Students have weights of their own, which
costs more, so that what the larger batch saves for each row is a bound on what they can gain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.config import SOARRunConfig, game_of, hard_file
from edgewise.agents.soar.pairs import hard_pairs
from edgewise.agents.soar.presets import Game
from edgewise.agents.soar.run import make_policy

STUDENTS = 16
ROWS = 64  # of one student
REPEATS = 3


def learn(policy: TransformersPolicy, completions: Completions) -> None:
    """Make a pass with its gradient."""
    policy.logprobs(completions).sum().backward()
    for weight in policy.parameters():
        weight.grad = None


def milliseconds(work: Callable[[], object], count: int) -> float:
    """Return the processor's time for each of `count` rows, the least of some repeats."""
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) / count * 1e3)
    return min(found)


def measure(
    policy: TransformersPolicy, game: Game, questions: Sequence[str], count: int
) -> tuple[float, float]:
    """Return what sampling and learning take for each of `count` rows, in milliseconds."""
    texts = [game.exam.template.replace("{problem}", question) for question in questions]
    prompts = [texts[row // game.student.group_size % len(texts)] for row in range(count)]

    def sample() -> Completions:
        generator = torch.Generator().manual_seed(0)
        sampling = game.teacher.sampling
        return policy.generate(prompts, sampling, generator)

    completions = sample()
    return milliseconds(sample, count), milliseconds(partial(learn, policy, completions), count)


def main() -> None:
    """Print both sizes."""
    torch.set_num_threads(1)
    config = SOARRunConfig()
    game = game_of(config)
    policy = make_policy(config, game)
    questions = [pair.question for pair in hard_pairs(hard_file(config, game), game.question)]
    for count in (ROWS, STUDENTS * ROWS):
        sampling, learning = measure(policy, game, questions, count)
        print(f"{count:5} rows: sampling {sampling:.3f} ms a row, learning {learning:.3f}")


if __name__ == "__main__":
    main()
