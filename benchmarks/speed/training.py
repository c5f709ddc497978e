"""Training: CPU-seconds of a GRPO step of the seedling, against those of TRL's GRPOTrainer.

    python -m edgewise.benchmarks.speed.training

A step is 8 problems of Countdown, 8 completions of each of at most 64 tokens, and one update, on
one thread. Both sides have the same model, prompts, rewards, loss and learning rate, and weights and
updates in float32 unless a row says otherwise. The rows are measured in turn, each in a process of its
own, as ours sets up the heap of its process (`edgewise.agents.policies.memory`); each figure is of the
repeat with the fewest CPU-seconds, `time.process_time`, a step, after one step that is not counted.

Each row of ours, down to bfloat16, has one thing more than the row above. Up to "every group counts"
something is added to the rewards that makes all groups differ inside, so that every completion has
a gradient; then groups of equal rewards, whose share is "equal", are left out of the update. The
seedling ends most completions early; in the rows "all of 64 tokens" it goes on after the end, and
the times are against TRL's of that length. The problems are the same for all rows, their
completions are drawn differently, so the tokens of a step stand beside its time. Bfloat16 pays only
on processors that have instructions for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import torch

import edgewise  # noqa: F401
from edgewise.agents.algorithms import grpo
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.read import PlainDecoder
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.benchmarks.speed import decode
from edgewise.wrappers import SEC, vector

Setting = dict[str, Any]
Record = dict[str, Any]
NUM_PROBLEMS, GROUP_SIZE, MAX_TOKENS = 8, 8, 64
NUM_STEPS, NUM_REPEATS = 3, 3
LEARNING_RATE = 1e-6
NO_TOKEN, HOT = -1, 1e9
PARTS = ("generate", "score", "forward", "backward", "optimizer", "environment")
TRL: Setting = {"trainer": "trl", "bf16": False, "full": False}
OURS: Setting = {
    "trainer": "edgewise", "read": "own", "decode": "own", "all": True, "full": False
}  # fmt: skip
SETTINGS: tuple[Setting, ...] = (
    {**TRL, "name": "TRL"},
    {**OURS, "name": "library's passes", "read": "library", "decode": "library"},
    {**OURS, "name": "+ own forward", "decode": "library"},
    {**OURS, "name": "+ own decode, every group counts"},
    {**OURS, "name": "+ equal groups skipped", "all": False},
    {**OURS, "name": "+ bfloat16 decode, corrected", "all": False, "decode": "bfloat16"},
    {**TRL, "name": "TRL, bfloat16 autocast", "bf16": True},
    {**TRL, "name": "TRL, all of 64 tokens", "full": True},
    {**OURS, "name": "every group, all of 64 tokens", "full": True},
)


class Informative(gym.vector.VectorWrapper[Any, Any, Any]):
    """Add a little to the reward of every second completion, so that no group has equal ones."""

    def step(self, actions: Any) -> Any:
        """Step, and pay more."""
        observations, rewards, *rest = self.env.step(actions)
        return observations, rewards + 0.01 * (np.arange(self.num_envs) % 2), *rest


class Clock:
    """CPU-seconds of the parts of a step."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, whose time goes to `part`; "forward" without gradient is "score"."""

        def call(*args: Any, **kwargs: Any) -> Any:
            named = "score" if part == "forward" and not torch.is_grad_enabled() else part
            began = time.process_time()
            result = function(*args, **kwargs)
            self.seconds[named] += time.process_time() - began
            return result

        return call

    def watch(self, owner: Any, part: str, *names: str) -> None:
        """Time the methods `names` of `owner`."""
        for name in names:
            setattr(owner, name, self.timed(part, getattr(owner, name)))


def make_envs(policy: TransformersPolicy, informative: bool) -> Any:
    """Return the environments, with the prompts of `policy`."""
    options: Any = {"num_envs": NUM_PROBLEMS * GROUP_SIZE, "group_size": GROUP_SIZE}
    envs: Any = gym.make_vec("Countdown-v0", preset="seedling", **options)
    envs = vector.PromptFormat(envs, render=policy.render)
    return Informative(envs) if informative else envs


def make_policy(setting: Setting) -> TransformersPolicy:
    """Return the seedling, as fast as `setting` says."""
    policy = load_policy("seedling")
    policy.fast = setting["read"] == "own"
    if setting["decode"] == "bfloat16":
        policy.decode_dtype = torch.bfloat16
    if setting["decode"] == "library":
        name = "decoder"
        setattr(policy, name, partial(plain_decoder, policy))
    if setting["full"]:
        policy.ends = torch.tensor([NO_TOKEN])
    return policy


def plain_decoder(
    policy: TransformersPolicy, start: Completions, rows: torch.Tensor, _: int
) -> PlainDecoder:
    """Return the library's forward pass after `rows` of `start`."""
    return PlainDecoder(policy.reader, start.tokens[rows], start.attention[rows])


def run(setting: Setting, num_steps: int = NUM_STEPS) -> Record:
    """Train for `num_steps` and one, and return the means of a step."""
    return (
        run_trl(setting, num_steps) if setting["trainer"] == "trl" else run_ours(setting, num_steps)
    )


def run_ours(setting: Setting, num_steps: int) -> Record:
    """Measure a loop of Edgewise, and its parts."""
    policy, clock = make_policy(setting), Clock()
    envs = curriculum(make_envs(policy, setting["all"]))
    config = grpo.GRPOConfig(
        num_steps=num_steps + 1,
        learning_rate=LEARNING_RATE,
        importance_cap=2.0 if setting["decode"] == "bfloat16" else None,
        sampling=Sampling(MAX_TOKENS),
    )
    state = grpo.start(policy, config)
    clock.watch(policy, "generate", "generate")
    clock.watch(policy, "forward", "logprobs")
    clock.watch(state.optimizer, "optimizer", "step")
    clock.watch(envs, "environment", "reset", "step", "feedback", "learn", "metrics")
    tokens, equal = 0.0, 0.0
    with patch.object(torch.Tensor, "backward", clock.timed("backward", torch.Tensor.backward)):
        steps = grpo.train(envs, policy, config, state)
        next(steps)
        clock.seconds.clear()
        began = time.process_time()
        for metrics in steps:
            tokens += metrics["num_tokens"]
            equal += metrics["frac_reward_zero_std"]
        seconds = time.process_time() - began
    parts = {part: clock.seconds[part] / num_steps for part in PARTS}
    other = seconds / num_steps - sum(parts.values())
    return {
        "name": setting["name"],
        "full": setting["full"],
        "seconds": seconds / num_steps,
        "tokens": tokens / num_steps,
        "equal": equal / num_steps,
        **parts,
        "other": other,
    }


def curriculum(envs: Any) -> Any:
    """Return `envs` under SEC, so hot that it draws the same levels whatever it has learned."""
    taught: Any = vector.Curriculum(envs, SEC(temperature=HOT))
    taught.reset(seed=0)
    taught.lesson.forget()
    return taught


def problems(num_steps: int) -> list[Setting]:
    """Return the prompts, levels and problem seeds of the first steps of every row."""
    envs = curriculum(make_envs(load_policy("seedling"), False))
    rows = []
    for _ in range(num_steps):
        rows += posed(*envs.reset())
        envs.lesson.forget()
    return rows


def posed(prompts: Sequence[str], infos: Setting) -> list[Setting]:
    """Return the prompt, level and problem seed of each group of a batch."""
    rows = []
    for place in range(0, len(prompts), GROUP_SIZE):
        name = json.loads(infos["problem"][place])
        options = {"level": name["level"], "seed": name["problem_seed"]}
        rows.append({"prompt": prompts[place], **options})
    return rows


def trl_trainer(
    policy: TransformersPolicy,
    rows: Sequence[Setting],
    reward: Callable[..., list[float]],
    callback: Any,
    **arguments: Any,
) -> Any:
    """Return TRL's trainer of `policy` on `rows`, as our loop is by default but for `arguments`."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import datasets

    trl: Any = import_module("trl")
    config = trl.GRPOConfig(
        use_cpu=True,
        gradient_checkpointing=False,
        lr_scheduler_type="constant",
        per_device_train_batch_size=NUM_PROBLEMS * GROUP_SIZE,
        num_generations=GROUP_SIZE,
        max_completion_length=MAX_TOKENS,
        shuffle_dataset=False,
        loss_type="dapo",
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **arguments,
    )
    return trl.GRPOTrainer(
        model=policy.model,
        reward_funcs=reward,
        args=config,
        train_dataset=datasets.Dataset.from_list(list(rows)),
        processing_class=policy.tokenizer,
        callbacks=[callback],
    )


def rewarded(envs: Any, completions: Sequence[str], columns: Setting) -> list[float]:
    """Return the rewards of a batch of TRL's, whose `columns` are those of `posed`, repeated."""
    pairs = list(zip(columns["level"], columns["seed"], strict=True))[::GROUP_SIZE]
    groups = [{"level": level, "problem_seed": seed} for level, seed in pairs]
    envs.reset(options={"groups": groups})
    rewards: list[float] = envs.step(completions)[1].tolist()
    return rewards


def run_trl(setting: Setting, num_steps: int) -> Record:
    """Measure TRL's trainer on the same problems."""
    from transformers import TrainerCallback

    policy = load_policy("seedling")
    envs, ends, lengths = make_envs(policy, True), list[float](), list[int]()

    class Watch(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            ends.append(time.process_time())

    def reward(
        completions: list[str], completion_ids: list[list[int]], **columns: Any
    ) -> list[float]:
        lengths.append(sum(map(len, completion_ids)))
        return rewarded(envs, completions, columns)

    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(
            policy,
            problems(num_steps + 1),
            reward,
            Watch(),
            output_dir=folder,
            bf16=setting["bf16"],
            learning_rate=LEARNING_RATE,
            max_steps=num_steps + 1,
        )
        if setting["full"]:
            trainer.eos_token_ids = [NO_TOKEN]
            trainer.generation_config.eos_token_id = NO_TOKEN
        with redirect_stdout(StringIO()):
            trainer.train()
    return {
        "name": setting["name"],
        "full": setting["full"],
        "seconds": (ends[-1] - ends[0]) / num_steps,
        "tokens": sum(lengths[1:]) / num_steps,
    }


def best(num_repeats: int = NUM_REPEATS, num_steps: int = NUM_STEPS) -> list[Record]:
    """Run every setting in turn, and return the record with the fewest seconds of each."""
    found: dict[str, Record] = {}
    for _ in range(num_repeats):
        for setting in SETTINGS:
            if setting["trainer"] == "trl" and find_spec("trl") is None:
                continue
            record = in_process(setting, num_steps)
            if record["seconds"] < found.get(record["name"], record)["seconds"] + 1e-12:
                found[record["name"]] = record
    return list(found.values())


def in_process(setting: Setting, num_steps: int) -> Record:
    """Return what `run` returns, of a new process."""
    code = "import sys; from edgewise.benchmarks.speed import training; training.child(sys.argv[1])"
    told = json.dumps({"setting": setting, "num_steps": num_steps})
    ran = subprocess.run([sys.executable, "-c", code, told], stdout=subprocess.PIPE, check=True)
    record: Record = json.loads(ran.stdout.splitlines()[-1])
    return record


def child(options: str) -> None:
    """Print what `run` returns of `options`, JSON."""
    torch.set_num_threads(1)
    print(json.dumps(run(**json.loads(options))))


def score(records: Sequence[Record]) -> float:
    """Return which part of TRL's CPU-seconds is saved with everything on that saves any."""
    ragged = [record["seconds"] for record in records if not record["full"]]
    return 1.0 - float(min(ragged) / ragged[0])


def table(records: Sequence[Record]) -> list[str]:
    """Return the rows: CPU-time, how many times less than the first of like length, and parts."""
    names = (*PARTS, "other")
    head = f"{'':34}{'ms':>7}{'times':>7}{'tokens':>8}{'equal':>7}"
    lines = [head + "".join(f"{name:>12}" for name in names)]
    for record in records:
        first = next(other for other in records if other["full"] == record["full"])
        times = first["seconds"] / record["seconds"]
        line = f"{record['name']:34}{1000 * record['seconds']:7.0f}{times:7.2f}"
        line += f"{record['tokens']:8.0f}"
        if "equal" in record:
            line += f"{record['equal']:7.2f}"
            line += "".join(f"{record[name] / record['seconds']:12.1%}" for name in names)
        lines.append(line)
    return lines


def main() -> None:
    """Print the table, and how much faster completions are sampled than by the library."""
    torch.set_num_threads(1)
    if find_spec("trl") is None:
        print("TRL is not installed, its rows are left out: pip install 'edgewise[trl]'")
    print(f"load {os.getloadavg()[0]:.1f}, best of {NUM_REPEATS} repeats of {NUM_STEPS} steps")
    records = best()
    print("\n".join(table(records)))
    print(f"CPU-seconds saved in all: {score(records):.0%}")
    rates = decode.run(NUM_PROBLEMS * GROUP_SIZE)
    ratio = rates["fast"] / rates["library"]
    print(f"rollouts: {ratio:.2f} times the tokens per CPU-second of the library's generate")


if __name__ == "__main__":
    main()
