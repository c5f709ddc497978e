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
from edgewise.agents.train_config import TrainConfig  # noqa: E402
from edgewise.agents.training import begin, resume  # noqa: E402
from edgewise.agents.transformers_policy import TransformersPolicy  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

RUNS = {
    "plain": {},
    "filter": {"algorithm": "grpo:filter=dapo:num_minibatches=2:kl_coef=0.01"},
    "screen": {"algorithm": "grpo:filter=speed:loss_mean=sequence"},
    "fsdp": {"sharding": "fsdp"},
    "fsdp-ppo": {
        "sharding": "fsdp",
        "algorithm": "ppo:num_minibatches=2:kl_coef=0.01",
        "gradient_checkpointing": True,
    },
    "fsdp-filter": {
        "sharding": "fsdp",
        "algorithm": "grpo:filter=dapo:num_minibatches=24:kl_coef=0.01:importance_cap=2",
        "learning_rate": 2e-5,  # in 72 updates, of which rounding changes each
    },
    "problems": {"curriculum": "mopps", "pool_size": 100, "algorithm": "rloo"},
    "ppo": {"algorithm": "ppo:num_minibatches=2"},
    "reinforce": {"algorithm": "reinforce++:kl_coef=0.01"},
}
QUICK = ["plain", "filter", "fsdp"]
SLOW = [name for name in RUNS if name not in QUICK]
EACH = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
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
    weights = [total(weight) for weight in training.policy.parameters()]
    (path / f"weights-{ranks.rank()}.json").write_text(json.dumps(weights))


def total(weight):
    whole = weight.full_tensor() if ranks.is_divided(weight) else weight
    return whole.double().sum().item()


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


def quick(model, folder):
    for name in QUICK:
        train(model, folder / name, **RUNS[name])
    for name in ("plain", "fsdp"):
        path = folder / f"{name}-resumed"
        with closing(begin(config(model, path, **RUNS[name])).steps()) as steps:
            next(steps)
        training = resume(path)
        list(training.steps())
        note(path, training)
    with pytest.raises(ValueError, match="`num_problems` must be a multiple of 2, the number"):
        begin(config(model, folder / "odd", num_problems=3))


def lower(model, path):
    """Train a divided model in bfloat16; note what a rank holds, and how often it is whole."""
    training = begin(config(model, path, sharding="fsdp", dtype="bfloat16"))
    policy, seen = training.policy, set()
    policy.model.lm_head.register_forward_hook(lambda _, __, out: seen.add(str(out.dtype)))
    list(training.steps())
    training.finish()
    parts = [weight.to_local().numel() for weight in policy.parameters()]
    held = {"parts": sum(parts), "all": sum(weight.numel() for weight in policy.parameters())}
    (path / f"held-{ranks.rank()}.json").write_text(json.dumps({**held, "seen": sorted(seen)}))


def slow(model, folder):
    for name in SLOW:
        train(model, folder / name, **RUNS[name])
    begin(config(model, folder / "scored")).score("before.json", lambda score: None)
    lower(model, folder / "lower")
    (folder / f"played-{ranks.rank()}.json").write_text(json.dumps(play(model)))


def work(rank, port, what, model, folder):
    """Do what is asked as one of two ranks; in a process of its own."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with ranks.joined():
        what(model, folder)


def both(what, model, folder):
    """Let two ranks do `what`, and return the folder."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    processes = [
        context.Process(target=work, args=(rank, port, what, model, folder)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    return folder


@pytest.fixture(scope="module")
def two(tiny_model, tmp_path_factory):
    return both(quick, tiny_model, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def two_more(tiny_model, tmp_path_factory):
    return both(slow, tiny_model, tmp_path_factory.mktemp("two"))


@pytest.fixture
def done(request):
    """The folder of the run of two ranks of that name."""
    name = request.getfixturevalue("name")
    return request.getfixturevalue("two" if name in QUICK else "two_more") / name


def lines(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def without_times(record):
    return {name: value for name, value in record.items() if not name.startswith("time/")}


def read(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", EACH)
def test_two_processes_train_as_one(tiny_model, tmp_path, done, name):
    train(tiny_model, tmp_path / "one", **{**RUNS[name], "sharding": "none"})
    for mine, theirs in zip(
        lines(tmp_path / "one", "metrics.jsonl"), lines(done, "metrics.jsonl"), strict=True
    ):
        assert without_times(mine) == pytest.approx(without_times(theirs), rel=1e-4, abs=1e-6)
    groups = [lines(path, "groups.jsonl") for path in (tmp_path / "one", done)]
    assert [g["problem"] for g in groups[0]] == [g["problem"] for g in groups[1]]
    assert [g["rewards"] for g in groups[0]] == [g["rewards"] for g in groups[1]]
    one, two = (
        load_file(path / "checkpoints" / "3" / "model" / "model.safetensors")
        for path in (tmp_path / "one", done)
    )
    torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EACH)
def test_both_ranks_come_to_the_same(done, name):
    first, second = (read(done / f"envs-{rank}.json") for rank in range(2))
    assert first == second
    assert read(done / "weights-0.json") == read(done / "weights-1.json")


def test_groups_were_drawn_again_until_no_rank_had_a_rejected_one(two):
    records = lines(two / "filter", "metrics.jsonl")
    assert sum(record["num_extra_rollouts"] for record in records) > 0


@pytest.mark.parametrize("name", ["plain", "fsdp"])
def test_a_run_continues_bit_for_bit_under_two_processes(two, name):
    paths = [two / name, two / f"{name}-resumed"]
    whole, resumed = (lines(path, "metrics.jsonl") for path in paths)
    assert [*map(without_times, whole)] == [*map(without_times, resumed)]
    assert read(paths[0] / "weights-0.json") == read(paths[1] / "weights-0.json")


@pytest.mark.slow
def test_each_rank_holds_a_part_of_a_divided_model_and_computes_in_its_precision(two_more):
    held = [read(two_more / "lower" / f"held-{rank}.json") for rank in range(2)]
    assert sum(one["parts"] for one in held) == held[0]["all"]
    assert max(one["parts"] for one in held) < 0.6 * held[0]["all"]
    assert held[0]["seen"] == ["torch.bfloat16"]
    saved = load_file(two_more / "lower" / "model" / "model.safetensors")
    assert {weight.dtype for weight in saved.values()} == {torch.float32}
    metrics = lines(two_more / "lower", "metrics.jsonl")
    assert all(record["grad_norm"] > 0 for record in metrics)


def test_a_model_is_divided_among_several_processes_only(tiny_model, tmp_path):
    with pytest.raises(ValueError, match="`sharding` fsdp must have several processes, got 1"):
        begin(config(tiny_model, tmp_path / "run", sharding="fsdp"))
    with pytest.raises(ValueError, match="`lora_rank` must be left out with `sharding` fsdp"):
        config(tiny_model, tmp_path / "run", sharding="fsdp", lora_rank=4)


@pytest.mark.slow
def test_two_processes_score_as_one(tiny_model, tmp_path, two_more):
    training = begin(config(tiny_model, tmp_path / "one"))
    one = training.score("before.json", lambda score: None)
    assert one == read(two_more / "scored" / "before.json")


@pytest.mark.slow
def test_several_turns_are_those_of_one_process(tiny_model, two_more):
    played = [read(two_more / f"played-{rank}.json") for rank in range(2)]
    assert played[0] == played[1] == play(tiny_model)


def test_without_other_processes_nothing_is_exchanged():
    with ranks.joined():
        assert (ranks.rank(), ranks.num_ranks()) == (0, 1)
    assert ranks.gather([1, 2]).tolist() == [1, 2]
    assert torch.equal(ranks.share(torch.arange(3)), torch.arange(3))
    assert ranks.totals({"a": 1.0}) == {"a": 1.0} and ranks.total(2.0) == 2.0


@pytest.mark.slow
def test_the_command_line_runs_under_torchrun(tiny_model, tmp_path):
    flags = f"--agent hf:{tiny_model} --output {tmp_path / 'run'} --preset sec --no-evaluate"
    size = "--num-steps 2 --num-problems 4 --max-tokens 12"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    ran = subprocess.run(
        [*launcher, "--standalone", "-m", "edgewise", "train", *f"{flags} {size}".split()],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("step 2/2") == 1  # one of the two speaks
    assert len(lines(tmp_path / "run", "metrics.jsonl")) == 2
