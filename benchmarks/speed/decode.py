"""Decode: sampled tokens per CPU-second of the seedling, on one thread, in three ways.

python -m edgewise.benchmarks.speed.decode

"library" is `generate` of transformers, "plain" the policy over the library's forward pass, "fast"
that of `edgewise.agents.policies.fast_network`. A figure is of some batches of problems, all tokens over all
seconds, as batches differ in how long and how alike completions are; it is the best of several repeats of
`time.process_time`, taken in turn, each way in processes of its own, as ours sets up the heap of its process
(`edgewise.agents.policies.memory`), and of several processes, as these differ by where their memory lies.
Tokens are those up to the end of each completion.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import torch

import edgewise  # noqa: F401
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.wrappers import vector

NUM_ENVS = (8, 64, 256)  # in groups of 8
NUM_BATCHES = 4
MAX_TOKENS = 80
NUM_PROCESSES, NUM_REPEATS = 3, 5
WAYS = ("library", "plain", "fast")


def run(
    num_envs: int, num_processes: int = NUM_PROCESSES, num_repeats: int = NUM_REPEATS
) -> dict[str, float]:
    """Return the tokens per CPU-second of each way, the best of `num_processes` with `num_repeats` each."""
    best = dict.fromkeys(WAYS, 0.0)
    for _ in range(num_processes):
        children = {way: child(num_envs, way) for way in WAYS}
        for _ in range(num_repeats):
            for way, process in children.items():
                best[way] = max(best[way], ask(process))
        for process in children.values():
            process.communicate()
    return best


def child(num_envs: int, way: str) -> subprocess.Popen[str]:
    """Start a process that measures one way whenever it reads a line."""
    code = "import sys; from edgewise.benchmarks.speed import decode; decode.answer(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(num_envs), way]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen[str]) -> float:
    """Return what `process` measures now."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def answer(num_envs: str, way: str) -> None:
    """Print the tokens per CPU-second of one way for each line that is read, after one that is not counted."""
    torch.set_num_threads(1)
    policy = load_policy("seedling")
    options: Any = {"num_envs": int(num_envs), "group_size": 8, "preset": "seedling"}
    envs = vector.PromptFormat(gym.make_vec("Countdown-v0", **options), render=policy.render)
    batches = [envs.reset(seed=seed)[0] for seed in range(NUM_BATCHES)]
    rate(policy, batches, way)
    for _ in sys.stdin:
        print(rate(policy, batches, way), flush=True)


def sample(policy: TransformersPolicy, prompts: tuple[str, ...], way: str) -> int:
    """Complete `prompts` and return how many tokens that took."""
    if way != "library":
        policy.fast = way == "fast"
        generator = torch.Generator().manual_seed(0)
        return int(policy.generate(prompts, Sampling(MAX_TOKENS), generator).mask.sum())
    tokens, attention = policy.encode(prompts)
    torch.manual_seed(0)
    found = policy.model.generate(
        tokens, attention_mask=attention, max_new_tokens=MAX_TOKENS, do_sample=True, top_k=0
    )
    return int((found[:, tokens.shape[1] :] != policy.padding).sum())


def rate(policy: TransformersPolicy, batches: Sequence[tuple[str, ...]], way: str) -> float:
    """Return the tokens per CPU-second of a call for each of `batches`."""
    began = time.process_time()
    tokens = sum(sample(policy, prompts, way) for prompts in batches)
    return tokens / (time.process_time() - began)


def main() -> None:
    """Print a row for each number of completions."""
    torch.set_num_threads(1)
    print("completions", *WAYS, "fast / library", sep="\t")
    for num_envs in NUM_ENVS:
        best = run(num_envs)
        ratio = best["fast"] / best["library"]
        print(num_envs, *(f"{best[way]:.0f}" for way in WAYS), f"{ratio:.2f}", sep="\t")


if __name__ == "__main__":
    main()
