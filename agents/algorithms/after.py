"""What rules may learn after the updates of a step: the policy's ratio to the one before."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.agents.algorithms.hyperparameters import OnPolicyConfig
from edgewise.agents.algorithms.losses import masked, sequence_mean
from edgewise.agents.algorithms.on_policy import State
from edgewise.agents.algorithms.rollout import Envs, Rollout
from edgewise.agents.policies.policy import Policy
from edgewise.wrappers.rules.signal import Updated
from edgewise.wrappers.vector import asks_after, tell_after


def teach_after(
    envs: Envs,
    policy: Policy,
    rollout: Rollout,
    advantages: Tensor,
    config: OnPolicyConfig,
    state: State,
) -> dict[str, float]:
    """Tell a curriculum that asks what the updates of a step did to its batch; return the cost.

    The completions whose advantage is not 0 are scored once more, by every rank. Nothing happens if
    no curriculum asks.

    Args:
        envs: The environments of this rank.
        policy: After the updates.
        rollout: The batch.
        advantages: Of its completions, in the mean over tokens, (P, G).
        config: Says in how many parts the batch is scored.
        state: Of the run, after `update`.
    """
    if not asks_after(envs):
        return {}
    assert state.scored is not None
    used = (advantages[rollout.verified] != 0).nonzero()[:, 0]
    log_ratios, num_tokens = torch.zeros(len(state.scored.texts)), 0.0
    for rows in used.tensor_split(config.num_minibatches) if len(used) else ():
        batch = state.scored.select(rows)
        with torch.no_grad():
            change = masked(policy.logprobs(batch) - batch.logprobs, batch.mask)
        log_ratios[rows] = sequence_mean(change, batch.mask).float().cpu()
        num_tokens += batch.mask.sum().item()
    parts = (advantages.double(), rollout.in_groups(log_ratios).double(), rollout.verified)
    tell_after(envs, Updated(*(part.cpu().numpy() for part in parts)))
    return {"num_scored_tokens": num_tokens}
