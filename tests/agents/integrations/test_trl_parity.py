"""Losses and gradients on one batch equal those that TRL's trainers compute, on the same weights."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

from edgewise.agents.algorithms import grpo, rloo  # noqa: E402
from edgewise.agents.algorithms.token_rewards import penalize  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of TRL and what it imports
PROMPTS = ["1 + 1 =", "7, 9, 2 make 5:", "x"]
GROUP_SIZE, MAX_TOKENS = 4, 8
REWARDS = torch.tensor([[1.0, 0.0, 0.0, 0.1], [0.1, 0.1, 0.1, 0.1], [0.0, 1.0, 1.0, 0.1]])
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


@pytest.fixture
def batch(tiny_model):
    """A policy, its state when it sampled, what it sampled, and its weights moved since."""
    policy = TransformersPolicy.load(tiny_model)
    generator = torch.Generator().manual_seed(0)
    prompts = [prompt for prompt in PROMPTS for _ in range(GROUP_SIZE)]
    completions = policy.generate(prompts, Sampling(MAX_TOKENS), generator)
    lengths = completions.mask.sum(dim=1)
    assert len(lengths.unique()) > 3 and not completions.ended.all() and completions.ended.any()
    noise = 0.2 * torch.randn(completions.mask.shape, generator=generator) * completions.mask

    def move():
        for weight in policy.parameters():
            weight.data += 0.02 * torch.randn(weight.shape, generator=generator)

    old = replace(completions, logprobs=completions.logprobs + noise)
    return SimpleNamespace(
        policy=policy, prompts=prompts, completions=completions, old=old, move=move
    )


def trainer_of(name, batch, folder, **options):
    """TRL's trainer `name` of the policy's model, whose completions are those of the batch."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import trl

    tokens, mask = batch.completions.tokens, batch.completions.mask.bool()
    ids = [row[kept].tolist() for row, kept in zip(tokens, mask, strict=True)]

    class Fixed(getattr(trl, f"{name}Trainer")):
        def _generate_single_turn(self, *_, **__):
            return (ids, None) if name == "GRPO" else ids

    config = getattr(trl, f"{name}Config")(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=len(batch.prompts),
        num_generations=GROUP_SIZE,
        max_completion_length=MAX_TOKENS,
        report_to=[],
        **options,
    )
    trainer = Fixed(
        model=batch.policy.model,
        reward_funcs=lambda completions, **_: REWARDS.flatten().tolist(),
        args=config,
        train_dataset=datasets.Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=batch.policy.tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1  # which `train` sets
    trainer.model.train()
    return trainer


def scored(trainer, batch):
    """What TRL's loss is given: the tokens, and the advantages that TRL computes."""
    inputs = trainer._generate_and_score_completions([{"prompt": text} for text in batch.prompts])
    first = inputs["prompt_ids"].shape[1]
    both = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    assert torch.equal(both, batch.completions.tokens)
    assert torch.equal(inputs["completion_mask"], batch.completions.mask[:, first:].long())
    return inputs, batch.old.logprobs[:, first:]


def descent(trainer, inputs, policy):
    """TRL's loss and its gradient."""
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    gradient = [weight.grad.clone() for weight in policy.parameters()]
    policy.model.zero_grad()
    policy.model.eval()
    return loss.item(), gradient


def check(metrics, policy, loss, gradient):
    """Compare what `improve` did, whose gradients are left on the weights."""
    assert metrics["loss"] == pytest.approx(loss, abs=1e-5, rel=0)
    assert 0.05 < metrics["clip_ratio"] < 0.9 and max(map(torch.Tensor.max, gradient)) > 1e-3
    for weight, expected in zip(policy.parameters(), gradient, strict=True):
        torch.testing.assert_close(weight.grad, expected, **TOLERANCE)


GRPO_FORMS = {  # our arguments, TRL's
    "grpo": ({"loss_mean": "sequence"}, {"loss_type": "grpo"}),
    "dapo": (
        {"loss_mean": "token", "clip_eps_high": 0.28},
        {"loss_type": "dapo", "epsilon_high": 0.28},
    ),
    "dr_grpo": ({"loss_mean": "constant"}, {"loss_type": "dr_grpo"}),
    "gspo": (
        {"loss_mean": "sequence", "ratio": "sequence", "clip_eps": 0.05, "clip_eps_high": 0.06},
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon": 0.05,
            "epsilon_high": 0.06,
        },
    ),
}


@pytest.mark.parametrize("kl_coef", [0.0, 0.3])
@pytest.mark.parametrize("form", GRPO_FORMS)
def test_grpo(form, kl_coef, batch, tmp_path):
    ours, theirs = GRPO_FORMS[form]
    policy, sampling = batch.policy, Sampling(MAX_TOKENS)
    config = grpo.GRPOConfig(kl_coef=kl_coef, sampling=sampling, max_grad_norm=1e9, **ours)
    state = grpo.start(policy, config)  # whose reference is the policy that sampled
    batch.move()
    # by default TRL weights the divergence by the ratio
    theirs = {**theirs, "beta": kl_coef, "use_bias_correction_kl": False}
    trainer = trainer_of("GRPO", batch, tmp_path, **theirs)
    inputs, old = scored(trainer, batch)
    loss, gradient = descent(trainer, {**inputs, "old_per_token_logps": old}, policy)
    metrics = grpo.improve(policy, batch.old, inputs["advantages"], config, state)
    check(metrics, policy, loss, gradient)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_advantages_of_grpo(scale, batch, tmp_path):
    trainer = trainer_of("GRPO", batch, tmp_path, scale_rewards=scale)
    theirs = scored(trainer, batch)[0]["advantages"].view_as(REWARDS)
    ours = grpo.group_advantages(REWARDS, scale)
    if scale != "none":  # theirs have another epsilon
        std = REWARDS.std(dim=1, keepdim=True) if scale == "group" else REWARDS.std()
        theirs = theirs * (std + 1e-4) / (std + 1e-6)
    torch.testing.assert_close(ours, theirs, **TOLERANCE)


@pytest.mark.parametrize("kl_coef", [0.0, 0.3])
def test_rloo(kl_coef, batch, tmp_path):
    policy, sampling = batch.policy, Sampling(MAX_TOKENS)
    config = rloo.RLOOConfig(kl_coef=kl_coef, sampling=sampling, max_grad_norm=1e9)
    state = rloo.start(policy, config)
    batch.move()
    trainer = trainer_of("RLOO", batch, tmp_path, beta=kl_coef)
    inputs, old = scored(trainer, batch)  # the divergence is that of the weights as they are now
    with torch.no_grad():
        now = replace(batch.completions, logprobs=policy.logprobs(batch.completions))
    paid = penalize(state.reference, now, kl_coef)[0].sum(dim=1).view_as(REWARDS)
    advantages = rloo.leave_one_out(REWARDS - paid).flatten()
    torch.testing.assert_close(advantages, inputs["advantages"], **TOLERANCE)
    loss, gradient = descent(trainer, {**inputs, "old_logps": old.sum(dim=1)}, policy)
    check(rloo.improve(policy, batch.old, advantages, config, state), policy, loss, gradient)
