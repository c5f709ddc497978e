"""Two processes train as one does: the same problems, rules, rewards, and weights but for rounding."""

import hashlib
import json
import os
import socket
from collections import Counter
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from edgewise import Preset, ReasoningVectorEnv, Task  # noqa: E402
from edgewise.agents import distributed  # noqa: E402
from edgewise.agents.algorithms.filters import FILTERS  # noqa: E402
from edgewise.agents.algorithms.grpo import group_advantages  # noqa: E402
from edgewise.agents.algorithms.rollout import collect  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import Completions  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.flags import EvaluationPlan  # noqa: E402
from edgewise.agents.training.parts import Batch  # noqa: E402
from edgewise.agents.training.replay import replay  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.wrappers import SEC, Updated, make_rule, vector  # noqa: E402

RUNS = {
    "plain": {"num_steps": 2},
    "filter": {"algorithm": "grpo:filter=dapo:num_minibatches=2:kl_coef=0.01"},
    "sized": {"allocation": "knapsack:most=12", "algorithm": "grpo:filter=dapo"},
    "screen": {"algorithm": "grpo:filter=speed:loss_mean=sequence"},
    "fsdp": {"sharding": "fsdp", "num_steps": 2},
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
QUICK = ["plain", "fsdp"]
SLOW = [name for name in RUNS if name not in QUICK]
EACH = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
# a rule over arms, one over problems, one that learns after an update; filters and groups of any size
QUICK_RULES = ["thompson", "actor-curator-problems", "mopps+rps+vip:least=2:most=9"]
SLOW_RULES = ["plr", "sec+dapo+knapsack:most=8", "sec", "e2h-gaussian", "pac", "mopps"]
SLOW_RULES += ["adarft-problems", "marin-learnability", "mt-grpo+rps", "frontier+rps"]
NUM_STEPS = {"two": 4, "two_more": 6}  # of a curriculum, by the fixture of two ranks
ROUNDED = {"abs_advantages", "arm_probability"}  # in records of groups
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
    (path / f"envs-{distributed.rank()}.json").write_text(json.dumps(state))
    weights = [total(weight) for weight in training.policy.parameters()]
    (path / f"weights-{distributed.rank()}.json").write_text(json.dumps(weights))


def total(weight):
    whole = weight.full_tensor() if distributed.is_sharded(weight) else weight
    return whole.double().sum().item()


def play(model):
    """Answer interactive problems, of which some take more turns than others."""
    count = distributed.num_ranks()
    base = gym.make_vec("Blocksworld-v0", num_envs=8 // count, group_size=2, interactive=True)
    gather = distributed.all_gather if count > 1 else None
    envs = vector.Curriculum(base, SEC(), distributed.rank(), gather)
    envs.reset(seed=0)
    envs.lesson.forget()
    policy = TransformersPolicy.load(model)
    rollout = collect(envs, policy, Sampling(max_tokens=16), torch.Generator().manual_seed(1))
    tokens, problems = rollout.completions.tokens, rollout.infos["problem"]
    parts = {"tokens": tokens, "rewards": rollout.rewards, "problems": problems}
    return {name: part.tolist() for name, part in parts.items()}


class Digits(Task[int]):
    """The answer is the number in the prompt, modulo 4."""

    presets = {"toy": Preset("{}", {level: {"high": 10**level} for level in (1, 2, 3)})}

    def generate(self, rng, *, high):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == self.solve(problem)

    def solve(self, problem):
        return str(problem % 4)


class Dice:
    """Answers rightly by lot, the more often the shorter the prompt; the lots are the prompts'."""

    def generate(self, prompts, sampling, generator):
        count, texts = Counter(), []
        for prompt in prompts:
            count[prompt] += 1
            lot = hashlib.sha256(f"{prompt} {count[prompt]}".encode()).digest()[0]
            said = int(prompt) % 4 if lot < 240 / len(prompt) else "?"
            texts.append(f"<answer>{said}</answer>")
        zeros, ones = (torch.full((len(prompts), 1), number) for number in (0, 1))
        ended = torch.ones(len(prompts), dtype=torch.bool)
        return Completions(texts, zeros, ones, ones.float(), zeros.float(), ended)


def lesson(name, num_steps):
    """What a curriculum comes to in some steps with `Dice`, some groups being drawn again."""
    count = distributed.num_ranks()
    given = name.split("+")
    rule, test, allocation = [*given, *["", "dapo", "none"][len(given) :]]
    size = Batch(6, 6, 4, allocation)
    base = ReasoningVectorEnv(6 // count * size.most, task=Digits, group_size=size.most)
    gather = distributed.all_gather if count > 1 else None
    rule, rank = make_rule(rule, 6), distributed.rank()
    envs = vector.with_rule(base, rule, 40, rank, gather, size.allotment)
    envs.reset(seed=0)
    envs.lesson.forget()
    told = []
    for _ in range(num_steps):
        keep, generator = FILTERS[test](), torch.Generator()
        rollout = collect(envs, Dice(), Sampling(), generator, filter=keep)
        verified = rollout.verified
        advantages = group_advantages(rollout.rewards, verified=verified).double().numpy()
        metrics = vector.teach(envs, np.abs(advantages))
        if vector.asks_after(envs):
            vector.tell_after(envs, Updated(advantages, 0.1 * advantages, verified.numpy()))
        state = envs.state_dict()
        told.append({"problems": rollout.infos["problem"].tolist(), "metrics": metrics})
        told[-1] |= {"arms": rollout.infos["arm"].tolist(), "state": state}
        told[-1] |= {"sizes": rollout.made.sum(dim=1).tolist()}
        told[-1] |= {"extra": rollout.num_extra_rollouts, "rewards": rollout.rewards.tolist()}
    return told


def train_seedling(path):
    size = {"num_steps": 8, "num_problems": 8, "group_size": 8, "curriculum": "sec:temperature=0.2"}
    list(begin(TrainConfig(output=path, learning_rate=2e-4, **size)).steps())


def teach(folder, rules, num_steps):
    for name in rules:
        found = json.dumps(lesson(name, num_steps))
        (folder / f"{name}-{distributed.rank()}.json").write_text(found)


def stop_and_resume(model, folder, name):
    """Train for a step, and then from the checkpoint to the end."""
    path = folder / f"{name}-resumed"
    with closing(begin(config(model, path, **RUNS[name])).steps()) as steps:
        next(steps)
    training = resume(path)
    list(training.steps())
    note(path, training)


def quick(model, folder):
    teach(folder, QUICK_RULES, NUM_STEPS["two"])
    for name in QUICK:
        train(model, folder / name, **RUNS[name])
    stop_and_resume(model, folder, "fsdp")
    with pytest.raises(ValueError, match="`num_problems` must be a multiple of 2, the number"):
        begin(config(model, folder / "odd", num_problems=3))


def lower(model, path):
    """Train a divided model in bfloat16; note what a rank holds, and how often it is whole."""
    training = begin(config(model, path, sharding="fsdp", dtype="bfloat16"))
    policy, seen = training.policy, set()
    last = policy.model.model.layers[-1].mlp
    last.register_forward_hook(lambda _, __, out: seen.add(str(out.dtype)))
    list(training.steps())
    training.finish()
    parts = [weight.to_local().numel() for weight in policy.parameters()]
    held = {"parts": sum(parts), "all": sum(weight.numel() for weight in policy.parameters())}
    (path / f"held-{distributed.rank()}.json").write_text(
        json.dumps({**held, "seen": sorted(seen)})
    )


def slow(model, folder):
    teach(folder, SLOW_RULES, NUM_STEPS["two_more"])
    train(model, folder / "plain", **RUNS["plain"])
    stop_and_resume(model, folder, "plain")
    for name in SLOW:
        train(model, folder / name, **RUNS[name])
    begin(config(model, folder / "scored")).score("before.json", lambda score: None)
    lower(model, folder / "lower")
    train_seedling(folder / "seedling")
    (folder / f"played-{distributed.rank()}.json").write_text(json.dumps(play(model)))


def work(rank, port, what, model, folder):
    """Do what is asked as one of two ranks; in a process of its own."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with distributed.process_group():
        what(model, folder)


def both(context, what, model, folder):
    """Let two ranks do `what`, and return the folder."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = [
        context.Process(target=work, args=(rank, port, what, model, folder)) for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0]
    return folder


@pytest.fixture(scope="module")
def two(processes, tiny_model, tmp_path_factory):
    return both(processes, quick, tiny_model, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def two_more(processes, tiny_model, tmp_path_factory):
    return both(processes, slow, tiny_model, tmp_path_factory.mktemp("two"))


@pytest.fixture
def done(request):
    """The folder of the run of two ranks of that name."""
    name = request.getfixturevalue("name")
    return request.getfixturevalue("two" if name in QUICK else "two_more") / name


def num_steps(name):
    return RUNS[name].get("num_steps", 3)


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
    for mine, theirs in zip(*groups, strict=True):
        for key in ROUNDED & mine.keys():
            assert mine.pop(key) == pytest.approx(theirs.pop(key), rel=1e-4, abs=1e-6)
        assert mine == theirs
    one, two = (
        load_file(path / "checkpoints" / str(num_steps(name)) / "model" / "model.safetensors")
        for path in (tmp_path / "one", done)
    )
    torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EACH)
def test_the_records_of_two_processes_are_enough_to_recompute_the_curriculum(done, name):
    told = replay(RunFolder.open(done))
    metrics = lines(done, "metrics.jsonl")
    assert (told.num_steps, told.state_step) == (num_steps(name), num_steps(name))
    assert told.num_groups - told.num_rejected == num_steps(name) * 4
    assert (told.num_rejected > 0) is any(record["num_extra_rollouts"] for record in metrics)


@pytest.mark.parametrize("name", EACH)
def test_both_ranks_come_to_the_same(done, name):
    first, second = (read(done / f"envs-{rank}.json") for rank in range(2))
    assert first == second
    assert read(done / "weights-0.json") == read(done / "weights-1.json")


@pytest.mark.slow
def test_groups_were_drawn_again_until_no_rank_had_a_rejected_one(two_more):
    records = lines(two_more / "filter", "metrics.jsonl")
    assert sum(record["num_extra_rollouts"] for record in records) > 0


@pytest.mark.parametrize("name", ["fsdp", pytest.param("plain", marks=pytest.mark.slow)])
def test_a_run_continues_bit_for_bit_under_two_processes(request, name):
    folder = request.getfixturevalue("two" if name == "fsdp" else "two_more")
    paths = [folder / name, folder / f"{name}-resumed"]
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


@pytest.mark.parametrize(
    ("folder", "rules"),
    [("two", QUICK_RULES), pytest.param("two_more", SLOW_RULES, marks=pytest.mark.slow)],
)
def test_a_scripted_policy_teaches_two_processes_exactly_what_it_teaches_one(
    request, folder, rules
):
    path = request.getfixturevalue(folder)
    for name in rules:
        own = json.loads(json.dumps(lesson(name, NUM_STEPS[folder])))
        assert own == read(path / f"{name}-0.json") == read(path / f"{name}-1.json")
        sizes = {size for step in own for size in step["sizes"]}
        assert (len(sizes) > 1) is (name.count("+") == 2)
        posed = [problem for step in own for problem in step["problems"]]
        assert len({*posed}) > len(posed) / 3


@pytest.mark.slow
def test_the_seedling_begins_the_same_and_learns_alike(tmp_path, two_more):
    train_seedling(tmp_path / "seedling")
    paths = [tmp_path / "seedling", two_more / "seedling"]
    first = [lines(path, "metrics.jsonl")[0] for path in paths]
    assert without_times(first[0]) == pytest.approx(without_times(first[1]), rel=1e-3, abs=1e-5)
    groups = [lines(path, "groups.jsonl") for path in paths]
    means = [np.array([np.mean(g["rewards"]) for g in each if g["step"] > 1]) for each in groups]
    noise = np.sqrt(sum(each.var() / len(each) for each in means))
    assert abs(means[0].mean() - means[1].mean()) < 3 * noise
    assert replay(RunFolder.open(paths[1])).num_steps == 8


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
    with distributed.process_group():
        assert (distributed.rank(), distributed.num_ranks()) == (0, 1)
    assert distributed.all_gather([1, 2]).tolist() == [1, 2]
    assert torch.equal(distributed.shard(torch.arange(3)), torch.arange(3))
    assert (
        distributed.all_reduce_dict({"a": 1.0}) == {"a": 1.0} and distributed.all_reduce(2.0) == 2.0
    )
