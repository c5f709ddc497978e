"""The gradient from what sampling computed, against that of a forward pass of its own."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import gymnasium as gym  # noqa: E402

import edgewise.envs.countdown.task  # noqa: E402, F401
from edgewise.agents.algorithms import grpo  # noqa: E402
from edgewise.agents.policies import fast_read  # noqa: E402
from edgewise.agents.policies.fast_layout import (  # noqa: E402
    attention_gradient,
    float_mask,
    grouped_attention,
)
from edgewise.agents.policies.fast_network import Network  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import append  # noqa: E402
from edgewise.agents.training.evaluation import ask  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16 in \\boxed{}: ", "?", "1 + 1 = "] * 8
SAMPLING = Sampling(max_tokens=24)


@pytest.fixture
def recalling(build):
    """What makes a policy that keeps what sampling computes."""

    def make(*arguments):
        policy = build(*arguments)
        policy.recalls = True
        return policy

    return make


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def passes(monkeypatch):
    """Which networks compute a forward pass from now on."""
    calls, hidden = [], Network.hidden

    def counted(self, *arguments, **options):
        calls.append(self)
        return hidden(self, *arguments, **options)

    monkeypatch.setattr(Network, "hidden", counted)
    return calls


def gradients(policy, completions, valued=False):
    """Log-probabilities, and the gradient of a sum in which each token has another weight."""
    policy.model.zero_grad()
    policy.value_head.zero_grad()
    logprobs, values = policy.read(completions, valued)
    weights = torch.linspace(-1, 1, logprobs.numel()).view_as(logprobs)
    (logprobs * weights + values.square()).sum().backward()
    weights = [*policy.parameters(), *policy.value_head.parameters()]
    return [
        logprobs.detach(),
        values.detach(),
        *(weight.grad.clone() for weight in weights if weight.grad is not None),
    ]


def assert_near(found, wanted):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        scale = max(1.0, theirs.abs().max().item())
        torch.testing.assert_close(ours / scale, theirs / scale, atol=1e-5, rtol=0)


def forgetful(policy, completions, valued=False):
    """The same without a tape, which stays for the next."""
    tape, policy.tape = policy.tape, None
    found = gradients(policy, completions, valued)
    policy.tape = tape
    return found


@pytest.mark.parametrize("valued", [False, True])
def test_the_gradient_is_that_of_a_forward_pass(recalling, kind, valued, monkeypatch):
    policy = recalling(kind)
    policy.value_head.weight.data.normal_()
    completions = policy.generate(PROMPTS, SAMPLING, seeded())
    assert len(completions.mask.sum(dim=1).unique()) > 5  # rows were dropped on the way
    wanted = forgetful(policy, completions, valued)
    calls = passes(monkeypatch)
    assert_near(gradients(policy, completions, valued), wanted)
    assert not calls
    assert policy.tape is None  # it is used once, and freed
    again = policy.generate(PROMPTS, SAMPLING, seeded())
    some = again.select(torch.tensor([30, 2, 2, 17, 5]))
    calls.clear()
    assert_near(gradients(policy, some, valued), forgetful(policy, some, valued))
    assert len(calls) == 1  # of the other way


def test_groups_of_one_size_with_a_temperature(recalling, monkeypatch):
    policy = recalling("qwen2 tied")
    prompts = [prompt for prompt in PROMPTS[:3] for _ in range(4)]
    sampling = Sampling(max_tokens=9, temperature=0.7)
    completions = policy.generate(prompts, sampling, seeded())
    wanted = forgetful(policy, completions)
    calls = passes(monkeypatch)
    assert_near(gradients(policy, completions), wanted)
    assert not calls


def test_one_token_has_only_the_state_of_its_prompt(recalling):
    policy = recalling()
    completions = policy.generate(PROMPTS, Sampling(max_tokens=1), seeded())
    assert policy.tape is not None
    assert_near(gradients(policy, completions), forgetful(policy, completions))


def test_a_graph_may_be_walked_twice(recalling):
    policy = recalling()
    completions = policy.generate(PROMPTS, SAMPLING, seeded())
    loss = policy.logprobs(completions).sum()
    found = [torch.autograd.grad(loss, list(policy.parameters()), retain_graph=True)]
    found.append(torch.autograd.grad(loss, list(policy.parameters())))
    assert all(map(torch.equal, *found))


def test_prompts_of_another_batch_are_computed_and_the_others_recalled(recalling, monkeypatch):
    policy = recalling()
    many = [f"{number} + 1 = " for number in range(12) for _ in range(2)]
    other = policy.generate(["ab = "] * 2, SAMPLING, seeded(1))
    completions = policy.generate(many, SAMPLING, seeded())
    both = completions.replace(torch.tensor([0, 1]).numpy(), other)
    wanted = forgetful(policy, both)
    calls = passes(monkeypatch)
    assert_near(gradients(policy, both), wanted)
    assert len(calls) == 1 and fast_read.PROMPTS < 12  # the part with other prompts, of two


@pytest.mark.parametrize(
    "change", [None, "weights", "loaded", "no gradient", "slow", "longer", "new batch"]
)
def test_it_is_not_used_for_other_weights_or_tokens(recalling, change, monkeypatch):
    policy = recalling()
    completions = policy.generate(PROMPTS, SAMPLING, seeded())
    calls = passes(monkeypatch)
    if change == "weights":
        with torch.no_grad():
            policy.model.model.norm.weight.mul_(1.5)
    elif change == "loaded":
        policy.load_state_dict(policy.state_dict())
    elif change == "slow":
        policy.fast = False
    elif change == "longer":
        more = torch.full((len(PROMPTS), 2), 40)
        ones = torch.ones(more.shape)
        completions = append(completions, more, ones.long(), ones, 0 * ones)
    elif change == "new batch":
        policy.generate(PROMPTS[:4], SAMPLING, seeded(2))
        calls.clear()
    with torch.set_grad_enabled(change != "no gradient"):
        found = policy.logprobs(completions)
    assert len(calls) == (change not in (None, "slow"))
    policy.tape = None
    torch.testing.assert_close(found, policy.logprobs(completions), atol=1e-5, rtol=0)


def test_a_tape_is_kept_only_where_a_gradient_may_follow_and_a_pass_holds_it(build):
    policy = build()
    policy.generate(PROMPTS, SAMPLING, seeded())
    assert policy.tape is None  # nobody asked
    policy.recalls = True
    with torch.no_grad():
        policy.generate(PROMPTS, SAMPLING, seeded())
    assert policy.tape is None
    first = policy.generate(PROMPTS, SAMPLING, seeded())
    assert policy.tape is not None and policy.frozen().tape is None
    policy.extend(first, ["again"] * len(PROMPTS), SAMPLING, seeded())
    policy.budget.tokens = len(PROMPTS) * SAMPLING.max_tokens
    policy.generate(PROMPTS, SAMPLING, seeded())
    assert policy.tape is None
    policy.budget.tokens *= 10
    policy.decode_dtype = torch.bfloat16
    policy.generate(PROMPTS, SAMPLING, seeded())
    assert policy.tape is None


def test_of_a_batch_sampled_in_parts_the_last_is_recalled(recalling, monkeypatch):
    policy = recalling()
    policy.parts.size = 24
    completions = policy.generate(PROMPTS, SAMPLING, seeded())
    wanted = forgetful(policy, completions)
    calls = passes(monkeypatch)
    assert_near(gradients(policy, completions), wanted)
    completions = policy.generate(PROMPTS, SAMPLING, seeded())
    last = completions.select(torch.arange(24, len(PROMPTS)))
    wanted = forgetful(policy, last)
    calls.clear()
    assert_near(gradients(policy, last), wanted)
    assert not calls


def test_further_turns_are_computed(recalling):
    policy = recalling()
    first = policy.generate(PROMPTS, SAMPLING, seeded())
    episodes = policy.extend(first, ["no, 12", "", "again", "?"] * 8, Sampling(8), seeded())
    assert_near(gradients(policy, episodes), forgetful(policy, episodes))


def test_samples_are_the_same_with_a_tape(recalling):
    policy = recalling()
    taped = policy.generate(PROMPTS, SAMPLING, seeded())
    policy.recalls = False
    plain = policy.generate(PROMPTS, SAMPLING, seeded())
    assert torch.equal(taped.logprobs, plain.logprobs)
    assert replace(taped, logprobs=plain.logprobs).texts == plain.texts


def train(policy, recalls=True, **options):
    """Two steps of GRPO on Countdown, whose rewards fall with the length."""
    envs = gym.make_vec("Countdown-v0", num_envs=16, group_size=4, preset="seedling")
    envs.reset(seed=0)
    config = grpo.GRPOConfig(
        num_steps=2, sampling=Sampling(12), overlong_buffer=11, learning_rate=1e-6, **options
    )
    state = grpo.start(policy, config)
    policy.recalls &= recalls
    return list(grpo.train(envs, policy, config, state))


def test_a_step_of_one_update_computes_no_forward_pass_and_learns_the_same(build, monkeypatch):
    wanted = train(build(), recalls=False)
    calls, hidden = [], Network.hidden

    def counted(self, *arguments, **options):
        calls.append(torch.is_grad_enabled())
        return hidden(self, *arguments, **options)

    monkeypatch.setattr(Network, "hidden", counted)
    found = train(build())
    assert calls and not any(calls)  # all of them sample
    for ours, theirs in zip(found, wanted, strict=True):
        assert theirs["grad_norm"] > 0
        for name in ("reward", "loss", "grad_norm", "num_tokens"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("options", [{"num_minibatches": 2}, {"num_epochs": 2}])
def test_steps_of_more_updates_keep_no_tape(build, options):
    policy = build()
    train(policy, **options)
    assert not policy.recalls and policy.tape is None


def test_evaluation_keeps_no_tape(build):
    policy = build()
    policy.recalls = True
    problems = [{"level": 1, "problem_seed": seed} for seed in range(2)]

    def pose(part, num_samples):
        envs = gym.make_vec("Countdown-v0", num_envs=4, group_size=2, preset="seedling")
        return envs, list(part)

    assert len(list(ask(policy, problems, 2, SAMPLING, seeded(), pose))) == 1
    assert policy.tape is None and torch.is_grad_enabled()


@pytest.mark.parametrize("groups", [1, 2])
def test_the_gradient_of_attention(groups):
    torch.manual_seed(0)
    queries = torch.randn(6, 4, 5, 3, requires_grad=True)
    memory = torch.randn(6, 2 * groups, 7, 3, requires_grad=True)
    seen = torch.rand(6, 5, 7) < 0.7
    seen[:, :, 0] = True
    mask = float_mask(seen).repeat(1, 4 // groups, 1)[:, None]
    of_read = torch.randn(6, 4, 5, 3)
    read = grouped_attention(queries, memory, mask)
    wanted = torch.autograd.grad(read, (queries, memory), of_read)
    with torch.no_grad():
        found = attention_gradient(queries, memory, mask, of_read)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
