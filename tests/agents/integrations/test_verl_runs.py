"""verl trains the seedling under curricula on a local Ray and a CPU; run by `make test-verl`.

What samples and the platform are of the tests (`verl_on_cpu`); all else is verl's own. Each run takes a
minute or two, most of it for the imports of Ray's workers.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

pytest.importorskip("verl")

from edgewise.agents.integrations.episode import Episode, seed_of
from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.policies.chat import encode_prompt
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.training.prompt_limit import PromptLimit
from edgewise.agents.training.replay import replay
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run_folder import RunFolder
from edgewise.wrappers import vector

pytestmark = [pytest.mark.verl, pytest.mark.filterwarnings("ignore")]
HERE = Path(__file__).parent
P, G = 4, 8
FLAGS = {
    "env": "Countdown-v0",
    "preset": "seedling",
    "env_options": '{"levels": [1, 2, 3]}',
    "curriculum": "sec:learning_rate=0.5:temperature=0.2",
    "num_problems": P,
    "group_size": G,
    "learning_rate": 2e-4,
    "max_tokens": 32,
    "max_prompt_tokens": 48,
    "num_gpus": 1,
}
ON_CPU = [
    "actor_rollout_ref.rollout.name=edgewise",
    "actor_rollout_ref.model.external_lib=verl_on_cpu.rollout",
    "actor_rollout_ref.model.use_remove_padding=False",
    "actor_rollout_ref.model.enable_gradient_checkpointing=False",
    "+actor_rollout_ref.model.override_config.attn_implementation=eager",
    "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8",
    "actor_rollout_ref.actor.strategy=fsdp2",
    "+actor_rollout_ref.actor.fsdp_config.mixed_precision={param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}",
    "actor_rollout_ref.actor.fsdp_config.dtype=float32",
    "actor_rollout_ref.actor.use_torch_compile=False",
    "actor_rollout_ref.rollout.tensor_model_parallel_size=1",
    "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8",
    "actor_rollout_ref.rollout.free_cache_engine=False",
    "actor_rollout_ref.rollout.calculate_log_probs=True",
    "actor_rollout_ref.rollout.dtype=float32",
    "reward.num_workers=1",
    "trainer.device=cpu",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
    "+trainer.v1.sampler.sampler_kwargs.poll_interval=0.2",
    "ray_kwargs.ray_init.num_cpus=16",
    "+ray_kwargs.ray_init.num_gpus=2",
    "+ray_kwargs.ray_init.include_dashboard=False",
    "+ray_kwargs.ray_init.object_store_memory=300000000",
]
ONE_LOOP = "actor_rollout_ref.rollout.agent.num_workers=1"
TWO_LOOPS = "actor_rollout_ref.rollout.agent.num_workers=2"


class Run:
    """`edgewise verl` in processes of its own, with a log beside the folder `path`."""

    def __init__(self, path, *words, flags=None, script=None, **settings):
        self.path, self.log = path, path.with_suffix(".log")
        self.token = uuid4().hex  # of this run's Ray, by which its processes are known
        chosen = {**FLAGS, "model": model_path("seedling"), "output": path, **settings}
        told = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        command = [sys.executable, "-m", "edgewise", "verl", *told, *(flags or []), *ON_CPU, *words]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment() | ({} if script is None else {"SCRIPTED": "1", **script}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def environment(self):
        return {
            **{name: text for name, text in os.environ.items() if not name.startswith("RAY_")},
            "PYTHONPATH": str(HERE),
            "VERL_USE_EXTERNAL_MODULES": "verl_on_cpu",
            "VERL_PLATFORM": "cpu",
            "VERL_ENGINE_DEVICE": "cuda",  # the engine is registered for no other
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "300",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
        }

    def end(self):
        """Wait for the end; the run must be without an error."""
        assert self.process.wait() == 0, self.log.read_text()[-5000:]
        return self

    def kill(self, step):
        """End all processes at once, in the middle of work, when a step is recorded."""
        while self.num_steps() < step:
            assert self.process.poll() is None, self.log.read_text()[-5000:]
            time.sleep(0.2)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while self.is_left():  # Ray ends what its driver began
            time.sleep(0.2)

    def is_left(self):
        """Whether a process of this run's Ray is left."""
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it has ended, or is another user's
                if self.token.encode() in path.read_bytes():
                    return True
        return False

    def num_steps(self):
        path = self.path / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    def metrics(self):
        return list(RunFolder(self.path).lines("metrics.jsonl"))

    def groups(self):
        return list(RunFolder(self.path).lines("groups.jsonl"))


def table(run):
    """What was drawn and learned, a line a step."""
    lines = [
        f"{'step':>4} {'heard':>5} {'lag':>3}  {'arms drawn':15} {'Q when drawn':27} {'p':21} reward"
    ]
    groups = run.groups()
    for row in run.metrics():
        drawn = [group["arm"] for group in groups if group["step"] == row["step"]]
        values = " ".join(f"{row[f'arm/{arm}_value']:.6f}" for arm in range(3))
        chances = " ".join(f"{row[f'arm/{arm}_probability']:.4f}" for arm in range(3))
        lines.append(
            f"{row['step']:4} {row['heard_at_step']:5} {row['lag']:3}  {drawn!s:15} {values:27} "
            f"{chances:21} {row['reward']:.3f}"
        )
    return "\n".join(lines)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """20 steps of GRPO under SEC, with a checkpoint every 5, and validations."""
    path = tmp_path_factory.mktemp("verl") / "whole"
    return Run(path, ONE_LOOP, num_steps=20, checkpoint_every=5, eval_every=20, num_test=2).end()


def test_the_seedling_trains_twenty_steps_under_sec(whole):
    print(table(whole))
    metrics, groups = whole.metrics(), whole.groups()
    assert [(row["step"], row["heard_at_step"], row["lag"]) for row in metrics] == [
        (step, step, 0) for step in range(1, 21)
    ]
    assert len(groups) == 20 * P and len({row["arm/1_probability"] for row in metrics}) > 10
    told = replay(RunFolder.open(whole.path))
    assert (told.num_steps, told.state_step) == (20, 20)
    text = write_report(RunFolder.open(whole.path)).read_text()
    assert "20 of 20 steps of 4 problems, 8 completions each" in text
    log = whole.log.read_text()
    assert "curriculum/arm/0_probability" in log
    assert "val-core/edgewise/Countdown-v0/level 3" in log


def values(run):
    """Q of each step when its batch was drawn."""
    return [[row[f"arm/{arm}_value"] for arm in range(3)] for row in run.metrics()]


def test_every_draw_knows_all_signals_before(whole):
    """SEC by hand from the recorded |A|: Q of a draw is Q after the step before, bit for bit."""
    learned = np.zeros(3)
    for step, found in enumerate(values(whole), start=1):
        assert found == learned.tolist()
        rows = [group for group in whole.groups() if group["step"] == step]
        for arm in sorted({row["arm"] for row in rows}):
            signals = [np.mean(row["abs_advantages"]) for row in rows if row["arm"] == arm]
            learned[arm] += 0.5 * (np.mean(signals) - learned[arm])


def test_a_killed_run_continues_exactly(whole, tmp_path):
    settings = {"num_steps": 10, "checkpoint_every": 5}
    Run(tmp_path / "run", ONE_LOOP, **settings).kill(step=7)
    resumed = Run(tmp_path / "run", ONE_LOOP, flags=["--resume"], **settings).end()
    assert resumed.groups() == whole.groups()[: 10 * P]
    assert values(resumed) == values(whole)[:10]
    name = "global_step_10/curriculum.json"
    assert (resumed.path / name).read_text() == (whole.path / name).read_text()
    assert replay(RunFolder.open(resumed.path)).state_step == 10
    left_alone(resumed, settings)
    further = Run(resumed.path, ONE_LOOP, flags=["--resume"], **{**settings, "num_steps": 12}).end()
    assert further.groups() == whole.groups()[: 12 * P]
    assert values(further) == values(whole)[:12]


def left_alone(run, settings):
    """Resume a finished run: it says that it is finished, starts no Ray and changes no record."""
    names = ("config.json", "groups.jsonl", "metrics.jsonl", "samples.jsonl")
    before = [(run.path / name).read_bytes() for name in names]
    start = len(run.log.read_text())
    Run(run.path, ONE_LOOP, flags=["--resume"], **settings).end()
    said = run.log.read_text()[start:]
    assert f"finished: all {settings['num_steps']} steps are done, and stay as they are" in said
    assert "Ray" not in said and "report" in said.splitlines()[-1]
    assert [(run.path / name).read_bytes() for name in names] == before


@pytest.fixture(scope="module")
def answer_of():
    """What answers in place of the model in scripted runs."""
    path = HERE / "verl_on_cpu" / "script.py"
    spec = importlib.util.spec_from_file_location("verl_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answer_of


LOST = (2, 3)  # group and member of each batch whose answer does not come back


def by_hand(config, answer_of, num_steps, lost=None):
    """The records and states of a curriculum of our own, answered by the script, without verl."""
    tokenizer = load_tokenizer(config.model)
    envs = config.envs()
    encode = partial(encode_prompt, tokenizer)
    limit = PromptLimit(encode, None, None, config.max_tokens, config.max_prompt_tokens)
    limit.screen(envs.unwrapped.env)
    curriculum = vector.with_rule(envs, config.rule.make(envs), config.pool_size)
    curriculum.reset(seed=config.seed)
    curriculum.lesson.forget()
    records = []
    for step in range(1, num_steps + 1):
        _, infos = curriculum.reset()
        for group, name in enumerate(infos["problem"][:: config.group_size]):
            episodes = [
                play(name, tokenizer, answer_of, (config.seed, step, group, member))
                for member in range(config.group_size)
            ]
            came = [(group, member) != lost for member in range(config.group_size)]
            curriculum.lesson.set_outcomes(
                group,
                [one.reward * here for one, here in zip(episodes, came, strict=True)],
                [one.correct and here for one, here in zip(episodes, came, strict=True)],
                came,
                [one.length * here for one, here in zip(episodes, came, strict=True)],
            )
        if config.algorithm == "rloo":
            rewards = curriculum.lesson.rewards
            mean = rewards.mean(axis=1, keepdims=True)
            curriculum.feedback(np.abs(rewards - mean) * rewards.shape[1] / (rewards.shape[1] - 1))
        curriculum.learn()
        records += [{"step": step, **record} for record in curriculum.records()]
    return records, curriculum.state_dict()


def play(name, tokenizer, answer_of, place):
    """An episode that the script answers."""
    episode, turn = Episode(name, tokenizer), 0
    while not episode.done:
        shown = tokenizer.decode(episode.prompt + episode.tokens, skip_special_tokens=True)
        text = answer_of(shown, seed_of(*place, turn))
        ids = tokenizer.encode(text, add_special_tokens=False)
        episode.answer([*ids, tokenizer.eos_token_id], [])
        turn += 1
    return episode


def load_tokenizer(model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


def config_of(**settings):
    return VerlConfig(**{**FLAGS, "model": model_path("seedling"), **settings})


@pytest.mark.parametrize(
    ("words", "num_gpus"),
    [
        pytest.param([ONE_LOOP], 1, id="one worker", marks=pytest.mark.slow),
        pytest.param([TWO_LOOPS], 2, id="two workers"),
    ],
)
def test_the_rule_is_that_of_our_own_loop(words, num_gpus, answer_of, tmp_path):
    """The same answers, whoever poses and verifies: the same records and the same state, exactly.

    One answer of each batch is lost: verl trains on the others, and so does the rule.
    """
    settings = {"num_steps": 4, "group_size": 32}
    config = config_of(**settings)
    lost = [seed_of(config.seed, step, *LOST, 0) for step in range(1, 5)]
    run = Run(
        tmp_path / "run", *words, script={"LOST": json.dumps(lost)}, num_gpus=num_gpus, **settings
    ).end()
    expected, state = by_hand(config, answer_of, 4, LOST)
    for found, own in zip(run.groups(), expected, strict=True):
        assert {name: found[name] for name in own} == own
    assert sum("verified" in row for row in expected) == 4
    saved = json.loads((run.path / "global_step_4" / "curriculum.json").read_text())
    assert saved == {"step": 4, "curriculum": json.loads(json.dumps(state))}
    assert len({tuple(row) for row in values(run)}) == 4  # it has learned something each time
    assert [row["unverified"] for row in run.metrics()] == [1] * 4


def test_turns_are_masked_and_the_rule_hears_of_verl_s_own_advantages(answer_of, tmp_path):
    """Blocksworld in turns, RLOO: the |A| of verl, in float32, whose sizes we know."""
    settings = {
        "env": "Blocksworld-v0",
        "env_options": json.dumps(
            {"interactive": True, "max_turns": 3, "levels": [1, 2], "rewards": [3.0, 1.0, 0.0]}
        ),
        "algorithm": "rloo",
        "feedback": "trainer",
        "max_tokens": 128,
        "max_prompt_tokens": 80,
        "num_steps": 2,
    }
    run = Run(tmp_path / "run", ONE_LOOP, script={}, **settings).end()
    expected, _ = by_hand(config_of(**settings), answer_of, 2)
    for found, own in zip(run.groups(), expected, strict=True):
        assert found["abs_advantages"] == pytest.approx(own.pop("abs_advantages"), abs=1e-6)
        assert found["arm_probability"] == pytest.approx(own.pop("arm_probability"), abs=1e-6)
        assert {name: found[name] for name in own} == own
    rows = run.groups()
    assert {len(set(row["rewards"])) for row in rows} != {1}
    tokenizer = load_tokenizer(model_path("seedling"))
    none = len(tokenizer.encode("no idea", add_special_tokens=False)) + 1
    act = len(tokenizer.encode(r"\boxed{H^}", add_special_tokens=False)) + 1
    assert {count for row in rows for count in row["num_tokens"]} <= {none, act, 2 * act, 3 * act}
    assert replay(RunFolder.open(run.path)).num_steps == 2


def test_verl_s_own_loop_with_our_reward_function(tmp_path):
    run = Run(tmp_path / "run", ONE_LOOP, loop="verl", num_steps=2, max_prompt_tokens=80).end()
    assert [(row["lag"], row["heard_at_step"]) for row in run.metrics()] == [(0, 1), (0, 2)]
    assert all(len(row["lengths"]) == G and min(row["num_tokens"]) > 0 for row in run.groups())
    assert replay(RunFolder.open(run.path)).num_steps == 2


def test_what_verl_refuses_is_told_in_the_last_line(tmp_path):
    run = Run(tmp_path / "run", ONE_LOOP, "trainer.no_such=3", num_steps=2)
    assert run.process.wait() == 2
    assert (
        run.log.read_text().splitlines()[-1] == "edgewise: verl ended with exit code 1, see above"
    )
