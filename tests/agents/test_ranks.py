"""Two processes train as one does: the same problems, rules, rewards, and weights but for rounding."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from contextlib import closing

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from edgewise.agents import ranks  # noqa: E402
from edgewise.agents.evaluation import EvaluationPlan  # noqa: E402
from edgewise.agents.policy import Sampling  # noqa: E402
from edgewise.agents.rollout import collect  # noqa: E402
from edgewise.agents.training import TrainConfig, begin, resume  # noqa: E402
from edgewise.agents.transformers_policy import TransformersPolicy  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

RUNS = {
    "plain": {},
    "filter": {"algorithm": "grpo:filter=dapo:num_minibatches=2:kl_coef=0.01"},
    "screen": {"algorithm": "grpo:filter=speed:loss_mean=sequence"},
    "problems": {"curriculum": "mopps", "pool_size": 100, "algorithm": "rloo"},
    "ppo": {"algorithm": "ppo:num_minibatches=2"},
    "reinforce": {"algorithm": "reinforce++:kl_coef=0.01"},
}
PLAN = EvaluationPlan(num_problems=4, num_samples=2, k=4, num_pass_k=2)


def config(model, path, **changes):
    options = {"agent": f"hf:{model}", "output": path, "preset": "sec", "evaluation": PLAN}
    size = {"num_steps": 3, "num_problems": 4, "group_size": 6, "max_tokens": 12}
    return TrainConfig(**{**options, **size, "learning_rate": 1e-4, **changes})


def train(model, path, **changes):
    """Train to the end; note what this rank has come to."""
    training = begin(config(model, path, **changes))
    list(training.steps())
    note(path, training)


def note(path, training):
    state = {"envs": training.envs.state_dict(), "metrics": training.envs.metrics()}
    (path / f"envs-{ranks.rank()}.json").write_text(json.dumps(state))
    weights = [weight.double().sum().item() for weight in training.policy.parameters()]
    (path / f"weights-{ranks.rank()}.json").write_text(json.dumps(weights))


def play(model):
    """Answer interactive problems, of which some take more turns than others."""
    count = ranks.num_ranks()
    base = gym.make_vec("Blocksworld-v0", num_envs=8 // count, group_size=2, interactive=True)
    gather = ranks.gather if count > 1 else None
    envs = vector.Curriculum(base, SEC(), ranks.rank(), gather)
    envs.reset(seed=0)
    envs.lesson.forget()
    policy = TransformersPolicy.load(model)
    rollout = collect(envs, policy, Sampling(max_tokens=16), torch.Generator().manual_seed(1))
    return {
        "tokens": rollout.completions.tokens.tolist(),
        "rewards": rollout.rewards.tolist(),
        "problems": rollout.infos["problem"].tolist(),
    }


def work(rank, port, model, folder):
    """Do everything as one of two ranks; in a process of its own."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with ranks.joined():
        for name, changes in RUNS.items():
            train(model, folder / name, **changes)
        with closing(begin(config(model, folder / "resumed")).steps()) as steps:
            next(steps)
        training = resume(folder / "resumed")
        list(training.steps())
        note(folder / "resumed", training)
        training.score("after.json", lambda score: None)
        (folder / f"played-{rank}.json").write_text(json.dumps(play(model)))
        with pytest.raises(ValueError, match="`num_problems` must be a multiple of 2, the number"):
            begin(config(model, folder / "odd", num_problems=3))


@pytest.fixture(scope="module")
def two(tiny_model, tmp_path_factory):
    """The folder in which two ranks have done everything."""
    folder = tmp_path_factory.mktemp("two")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    processes = [
        context.Process(target=work, args=(rank, port, tiny_model, folder)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    return folder


def lines(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def without_times(record):
    return {name: value for name, value in record.items() if not name.startswith("time/")}


def read(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_as_one(tiny_model, tmp_path, two, name):
    train(tiny_model, tmp_path / "one", **RUNS[name])
    for mine, theirs in zip(
        lines(tmp_path / "one", "metrics.jsonl"), lines(two / name, "metrics.jsonl"), strict=True
    ):
        assert without_times(mine) == pytest.approx(without_times(theirs), rel=1e-4, abs=1e-6)
    groups = [lines(path, "groups.jsonl") for path in (tmp_path / "one", two / name)]
    assert [g["problem"] for g in groups[0]] == [g["problem"] for g in groups[1]]
    assert [g["rewards"] for g in groups[0]] == [g["rewards"] for g in groups[1]]
    one, both = (
        load_file(path / "checkpoints" / "3" / "model" / "model.safetensors")
        for path in (tmp_path / "one", two / name)
    )
    torch.testing.assert_close(one, both, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_both_ranks_come_to_the_same(two, name):
    first, second = (read(two / name / f"envs-{rank}.json") for rank in range(2))
    assert first == second
    assert read(two / name / "weights-0.json") == read(two / name / "weights-1.json")


def test_groups_were_drawn_again_until_no_rank_had_a_rejected_one(two):
    records = lines(two / "filter", "metrics.jsonl")
    assert sum(record["num_extra_rollouts"] for record in records) > 0


def test_a_run_continues_bit_for_bit_under_two_processes(two):
    whole, resumed = (lines(two / name, "metrics.jsonl") for name in ("plain", "resumed"))
    assert [*map(without_times, whole)] == [*map(without_times, resumed)]
    assert read(two / "plain" / "weights-0.json") == read(two / "resumed" / "weights-0.json")


def test_two_processes_score_as_one(tiny_model, tmp_path, two):
    training = begin(config(tiny_model, tmp_path / "one"))
    list(training.steps())
    one, both = training.score("after.json", lambda score: None), read(two / "resumed/after.json")
    assert one == both


def test_several_turns_are_those_of_one_process(tiny_model, two):
    played = [read(two / f"played-{rank}.json") for rank in range(2)]
    assert played[0] == played[1] == play(tiny_model)


def test_without_other_processes_nothing_is_exchanged():
    with ranks.joined():
        assert (ranks.rank(), ranks.num_ranks()) == (0, 1)
    assert ranks.gather([1, 2]).tolist() == [1, 2]
    assert torch.equal(ranks.share(torch.arange(3)), torch.arange(3))
    assert ranks.totals({"a": 1.0}) == {"a": 1.0} and ranks.total(2.0) == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torch.distributed.run", "accelerate.commands.launch"])
def test_the_command_line_runs_under_launchers(tiny_model, tmp_path, launcher):
    flags = f"--agent hf:{tiny_model} --output {tmp_path / 'run'} --preset sec --no-evaluate"
    size = "--num-steps 2 --num-problems 4 --max-tokens 12"
    command = {
        "torch.distributed.run": ["--nproc_per_node", "2", "-m"],
        "accelerate.commands.launch": ["--multi_gpu", "--num_processes", "2", "-m"],
    }[launcher]
    ran = subprocess.run(
        [sys.executable, "-m", launcher, *command, "edgewise", "train", *f"{flags} {size}".split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("step 2/2") == 1  # one of the two speaks
    assert len(lines(tmp_path / "run", "metrics.jsonl")) == 2
