"""What the algorithms share: the clipped surrogate, and the check of what a config declares."""

from dataclasses import dataclass

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.config import Count, Fraction, Positive  # noqa: E402
from edgewise.agents.algorithms.hyperparameters import OnPolicyConfig  # noqa: E402
from edgewise.agents.algorithms.losses import token_weights  # noqa: E402
from edgewise.agents.algorithms.on_policy import clipped_surrogate  # noqa: E402


def test_the_loss_is_clipped_per_token():
    ratio = torch.tensor([[2.0, 0.5], [2.0, 9.0]])
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    weights = token_weights(mask, "token", max_tokens=2)
    advantages = torch.tensor([[1.0, -1.0], [-3.0, 9.0]])
    loss, metrics = clipped_surrogate(ratio.log(), advantages, weights, 0.2, 0.2)
    # min(2, 1.2) 1, max(0.5, 0.8) (-1), 2 (-3)
    torch.testing.assert_close(loss, torch.tensor(-(1.2 - 0.8 - 6.0) / 3))
    assert metrics["clip_ratio"] == 1.0


def test_the_clipped_loss_of_actor_curator():
    # the same surrogate, of a utility u and the ratio of probabilities of a problem: -min(r u, clip(r) u)
    for ratio, utility, expected in ((1.5, 0.06, -0.072), (0.5, -0.06, 0.048)):
        weights, u = torch.ones(1, 1), torch.full((1, 1), utility)
        loss, _ = clipped_surrogate(torch.tensor([[ratio]]).log(), u, weights, 0.2, 0.2)
        assert loss.item() == pytest.approx(expected)


def test_the_upper_end_of_the_clip_range_may_differ():
    ratio, weights = torch.tensor([[1.25, 1.4, 0.7]]), torch.full((1, 3), 1 / 3)
    loss, metrics = clipped_surrogate(ratio.log(), torch.ones(1, 1), weights, 0.2, 0.3)
    torch.testing.assert_close(loss, torch.tensor(-(1.25 + 1.3 + 0.7) / 3))
    assert metrics["clip_ratio"] == pytest.approx(2 / 3)


@dataclass(frozen=True, kw_only=True)
class Config(OnPolicyConfig):
    """A config of a new algorithm, whose fields no table knows."""

    num_critics: Count = 2
    decay: Fraction | None = None
    temperature: Positive = 1.0
    nested: bool = False


@pytest.mark.parametrize(
    ("field", "value", "condition"),
    [
        ("num_critics", 0, "at least 1"),
        ("num_critics", True, "a whole number"),
        ("decay", 1.5, r"in \[0, 1\]"),
        ("decay", float("nan"), r"in \[0, 1\]"),
        ("temperature", None, "a number"),
        ("temperature", "hot", "a number"),
        ("temperature", float("inf"), "finite"),
        ("nested", 1, "true or false"),
        ("learning_rate", -1e-6, "positive"),  # of the base
        ("warmup_steps", 1.5, "a whole number of at most 240 steps, or a fraction .* below 1"),
        ("warmup_steps", 241, "a whole number of at most 240 steps, or a fraction .* below 1"),
        ("overlong_penalty", 0.5, "left out without `overlong_buffer`"),
    ],
)
def test_a_field_is_checked_by_the_type_that_it_declares(field, value, condition):
    assert Config(num_critics=1, decay=0.0, temperature=0.1, nested=True).decay == 0.0
    assert Config(warmup_steps=240, overlong_buffer=2, overlong_penalty=0.5).warmup_steps == 240
    with pytest.raises(ValueError, match=rf"^`{field}` must be {condition}, got "):
        Config(**{field: value})
