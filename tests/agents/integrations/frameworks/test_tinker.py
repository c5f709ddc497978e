"""The cookbook's own rollouts, training loop and checkpoints, with the seedling in place of its service."""

import asyncio
import pickle
import zlib
from types import SimpleNamespace

import gymnasium as gym
import pytest

pytest.importorskip("tinker")

import tinker
import torch
from tinker_cookbook import checkpoint_utils
from tinker_cookbook.completers import TokenCompleter, TokensWithLogprobs
from tinker_cookbook.rl import train
from tinker_cookbook.rl.rollout_strategy import RetryOnFailure
from tinker_cookbook.rl.rollouts import do_group_rollout
from tinker_cookbook.utils import ml_log

import edgewise
from edgewise.agents import load_policy
from edgewise.agents.integrations import named
from edgewise.agents.integrations import tinker as ours
from edgewise.agents.integrations.tinker import CurriculumBuilder, CurriculumDataset
from edgewise.wrappers import SEC, Random
from edgewise.wrappers.vector import Curriculum

HOSTILE = "\\boxed{1}\\boxed{2} <answer>1</answer> __import__('os') {{7*7}}"
pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]
NUM_BATCHES, SHAPE = 4, (4, 4)


@pytest.fixture(scope="module")
def policy():
    return load_policy("seedling")


def dataset(policy, path, env_id="Countdown-v0", shape=SHAPE, rule=None, **options):
    envs = gym.make_vec(
        env_id, num_envs=shape[0] * shape[1], group_size=shape[1], preset="seedling", **options
    )
    rule = SEC(learning_rate=0.5, temperature=0.2) if rule is None else rule
    return CurriculumDataset(Curriculum(envs, rule), policy.tokenizer, NUM_BATCHES, path, seed=1)


class Told(TokenCompleter):
    """A policy that answers in turn what it is told; a text for each observation's end."""

    def __init__(self, tokenizer, answers):
        self.tokenizer, self.answers, self.counts = tokenizer, answers, {}

    async def __call__(self, model_input, stop, *, max_tokens=None):
        shown = self.tokenizer.decode(model_input.to_ints(), skip_special_tokens=True)
        [end] = [end for end in self.answers if shown.endswith(end)]
        count = self.counts[shown] = self.counts.get(shown, -1) + 1
        text = self.answers[end][count % len(self.answers[end])]
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        return TokensWithLogprobs([*tokens, *stop], [0.0] * (len(tokens) + 1))


def test_rewards_of_its_rollouts_are_ours_row_by_row(policy, tmp_path):
    data = dataset(policy, tmp_path, shape=(60, 3), rule=Random())
    found = {}
    for group in data.get_batch(0):
        env = edgewise.pose(group.problem)
        told = [env.demonstrate(env.problem), "no", HOSTILE]
        prompt = env.frame_of(env.problem).text(env.prompt(env.problem))
        completer = Told(policy.tokenizer, {prompt: told})
        rewards = asyncio.run(do_group_rollout(group, completer)).get_total_rewards()
        said = [policy.tokenizer.decode(policy.tokenizer.encode(text)) for text in told]
        outcomes = named.score([group.problem] * 3, said)
        assert rewards == [one.reward for one in outcomes]
        assert [one.correct for one in outcomes] == [True, False, False]
        found.setdefault(group.level, set()).add(group.problem)
    assert len(found) == 3 and all(len(names) >= 5 for names in found.values())


def test_an_episode_of_several_turns_goes_on_from_its_own_tokens(policy, tmp_path):
    data = dataset(policy, tmp_path, "Blocksworld-v0", (8, 2), interactive=True)
    groups = data.get_batch(0)
    group = max(groups, key=lambda one: one.level)
    env, answers = edgewise.pose(group.problem), {}
    shown = env.frame_of(env.problem).text(env.prompt(env.problem))
    actions = [rf"\boxed{{{part.strip()}}}" for part in env.task.solve(env.problem).split(",")]
    for action in actions:
        answers[shown] = [action]
        shown = env.step(action)[0]
    result = asyncio.run(do_group_rollout(group, Told(policy.tokenizer, answers)))
    assert len(actions) > 1 and result.get_total_rewards() == [1.0, 1.0]
    for trajectory in result.trajectories_G:
        assert len(trajectory.transitions) == len(actions)
        before = []
        for step in trajectory.transitions:
            tokens = step.ob.to_ints()
            assert tokens[: len(before)] == before
            before = [*tokens, *step.ac.tokens]


class Service:
    """What the training loop asks Tinker's service for: samples of the seedling, and no updates."""

    def __init__(self, policy):
        self.policy, self.num_saved, self.batch = policy, 0, -1

    async def result(self, value):
        return value

    async def save_weights_and_get_sampling_client_async(self):
        return self.create_sampling_client(None)

    def create_sampling_client(self, path):
        return Sampler(self.policy)

    async def save_state_async(self, name, ttl_seconds=None):
        return Future(SimpleNamespace(path=f"tinker://state/{name}"))

    async def save_weights_for_sampler_async(self, name, ttl_seconds=None):
        return Future(SimpleNamespace(path=f"tinker://sampler/{name}"))

    async def forward_backward_async(self, data, loss_fn, loss_fn_config=None):
        made = [datum.loss_fn_inputs["target_tokens"].to_torch() for datum in data]
        logprobs = [{"logprobs": tinker.TensorData.from_torch(torch.zeros(len(m)))} for m in made]
        return Future(SimpleNamespace(loss_fn_outputs=logprobs))

    async def optim_step_async(self, parameters):
        return Future(SimpleNamespace(metrics={}))


class Future:
    def __init__(self, value):
        self.value = value

    async def result_async(self):
        return self.value


class Sampler:
    """Samples the seedling; the n-th answer to a prompt is the same in every run."""

    def __init__(self, policy):
        self.policy, self.counts = policy, {}

    async def sample_async(self, prompt, num_samples, sampling_params):
        tokens = prompt.to_ints()
        count = self.counts[str(tokens)] = self.counts.get(str(tokens), 0) + 1
        torch.manual_seed(zlib.crc32(f"{tokens} {count}".encode()))
        given = torch.tensor([tokens])
        made = self.policy.model.generate(
            given,
            attention_mask=torch.ones_like(given),
            do_sample=True,
            top_k=0,
            max_new_tokens=sampling_params.max_tokens,
            eos_token_id=sampling_params.stop,
            pad_token_id=sampling_params.stop[0],
        )[0, len(tokens) :].tolist()
        sequence = SimpleNamespace(tokens=made, logprobs=[-1.0] * len(made), stop_reason="stop")
        return SimpleNamespace(sequences=[sequence])


def trained(policy, data, path, start, end, **config):
    """Run the cookbook's own synchronous loop from one batch to another."""
    builder = CurriculumBuilder(env="Countdown-v0", model_name="seedling", log_path=str(path))
    config = train.Config(
        learning_rate=1e-4, dataset_builder=builder, model_name="seedling", recipe_name="tests",
        max_tokens=48, log_path=str(path), eval_every=0, save_every=1, **config,
    )  # fmt: skip
    service = Service(policy)
    manager = checkpoint_utils.CheckpointManager(service, None, str(path), save_every=1)
    logger = ml_log.setup_logging(log_dir=str(path), config=config)
    asyncio.run(
        train.do_sync_training(
            start, end, NUM_BATCHES, config, service, None, [], data, logger, policy.tokenizer,
            strategy=config.effective_rollout_strategy(), checkpoint_mgr=manager,
        )
    )  # fmt: skip


def drawn(data):
    """Record the problems and the rule's probabilities at every draw."""
    seen, draw = [], data.get_batch

    def get_batch(index):
        groups = draw(index)
        chances = data.curriculum.lesson.rule.probabilities().tolist()
        seen.append((index, data.lag, [group.problem for group in groups], chances))
        return groups

    data.get_batch = get_batch
    return seen


def test_its_training_loop_teaches_the_rule_without_lag_and_resumes_exactly(policy, tmp_path):
    data = dataset(policy, tmp_path / "whole")
    (tmp_path / "whole").mkdir(exist_ok=True)
    (tmp_path / "parts").mkdir()
    whole = drawn(data)
    trained(policy, data, tmp_path / "whole", 0, NUM_BATCHES)
    assert [lag for _, lag, _, _ in whole] == [0] * NUM_BATCHES
    assert whole[0][3] != whole[-1][3]  # it has learned

    first = dataset(policy, tmp_path / "parts")
    before = drawn(first)
    trained(policy, first, tmp_path / "parts", 0, 2)
    place = checkpoint_utils.get_last_checkpoint(str(tmp_path / "parts")).batch
    assert place == 2
    second = dataset(policy, tmp_path / "parts")
    after = drawn(second)
    trained(policy, second, tmp_path / "parts", place, NUM_BATCHES)
    assert [*before, *after] == whole
    states = [one.curriculum.state_dict() for one in (data, second)]
    assert states[0] == states[1]


def test_a_group_that_fails_is_not_heard_of_and_the_batch_goes_on(policy, tmp_path):
    data = dataset(policy, tmp_path)
    groups = data.get_batch(0)

    class Broken(TokenCompleter):
        async def __call__(self, model_input, stop, *, max_tokens=None):
            raise ValueError("the service is away")

    for group in groups[:-1]:
        with pytest.raises(Exception, match=r"away|failed"):
            asyncio.run(do_group_rollout(group, Broken(), RetryOnFailure(max_retries=0)))
    with pytest.raises(RuntimeError, match="must be synchronous"):
        data.get_batch(1)
    env = edgewise.pose(groups[-1].problem)
    prompt = env.frame_of(env.problem).text(env.prompt(env.problem))
    told = Told(policy.tokenizer, {prompt: [env.demonstrate(env.problem), "no"]})
    asyncio.run(do_group_rollout(groups[-1], told))
    assert data.num_taught == 1 and len(data.get_batch(1)) == SHAPE[0]
    [record] = [one for one in data.curriculum.records() if any(one.get("verified", [True]))]
    assert record["problem"] == groups[-1].problem


def test_what_cannot_be_resumed_or_copied_is_refused(policy, tmp_path):
    data = dataset(policy, tmp_path)
    with pytest.raises(edgewise.files.FileError, match=r"000007\.json"):
        data.get_batch(7)
    [group, *_] = data.get_batch(0)
    with pytest.raises(TypeError, match="without executor"):
        pickle.dumps(group)


def test_the_builder_makes_the_dataset_of_a_config(policy, tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "get_tokenizer", lambda name: policy.tokenizer)
    builder = CurriculumBuilder(
        env="Countdown-v0", model_name="mine", log_path=str(tmp_path), preset="seedling",
        num_problems=3, group_size=2, num_batches=5,
    )  # fmt: skip
    data, test = asyncio.run(builder())
    assert len(data) == 5 and test is None
    groups = data.get_batch(0)
    assert len(groups) == 3
    members = asyncio.run(groups[0].make_envs())
    prompts = [asyncio.run(member.initial_observation())[0].to_ints() for member in members]
    assert len(prompts) == 2 and prompts[0] == prompts[1]
