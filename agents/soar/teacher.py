r"""The teacher of SOAR as a language model: one prompt, and RLOO over its data sets.

arXiv 2601.18778. The i-th problems of the g data sets are a group of RLOO: its advantages sum to 0, so
those of all that was accepted do, as Proposition 1 of the paper asks (see `posing`), also with the
divergence from the first teacher in the rewards,

    r_ki = R_k - beta log (pi / pi_0)(z_ki),    A_ki = r_ki - 1/(g - 1) sum over j other than k of r_ji.

Where the paper leaves a choice:
    - One update of AdamW in each outer step, over all g n problems; "batch 2, group 4" may mean more.
    - The schedule is over the outer steps: 20 of warm-up, then half a cosine.
    - The KL term is in the reward, Schulman's k1 summed over the tokens, as elsewhere in `rloo`.

Shapes: g data sets of n problems, B = g n completions, T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from edgewise.agents.algorithms import rloo
from edgewise.agents.algorithms.token_rewards import penalize
from edgewise.agents.policies.policy import Completions, Policy, blank
from edgewise.agents.soar.posing import Format, Posed, gather_problems
from edgewise.agents.soar.presets import TeacherConfig
from edgewise.agents.soar.promotion import Floats


class PolicyTeacher:
    """Samples problems from a policy, and trains it."""

    def __init__(self, policy: Policy, prompt: str, form: Format, config: TeacherConfig) -> None:
        """Take the policy to train; `prompt` is that of `form`, in the model's own markup."""
        self.policy, self.prompt, self.form, self.config = policy, prompt, form, config
        self.rloo_config = rloo.RLOOConfig(
            num_steps=max(config.num_steps, config.num_warmup_steps),  # a game may end in it
            learning_rate=config.learning_rate,
            lr_schedule="cosine",
            warmup_steps=config.num_warmup_steps,
            num_minibatches=config.num_minibatches,
            importance_cap=config.importance_cap,
            kl_coef=config.kl_coef,
            sampling=config.sampling,
            seed=config.seed,
        )
        self.state = rloo.start(policy, self.rloo_config)
        self.attempts: list[Completions] = []  # of the last data sets
        self.posed: Posed | None = None

    def write(self, count: int) -> Posed:
        """Return `count` problems.

        Raises:
            TooFewProblems: If the attempts run out.
        """
        self.attempts = []
        most = self.config.attempts_per_problem * count
        self.posed = gather_problems(self.ask, self.form, count, most)
        return self.posed

    def ask(self, count: int) -> Sequence[str]:
        """Sample `count` completions of the prompt, of one turn or two, and keep them."""
        sampling, generator = self.config.sampling, self.state.generator
        first = replace(sampling, stop=self.form.stop)
        fresh = self.policy.generate([self.prompt] * count, first, generator)
        texts = fresh.texts
        if then := self.form.then:
            fresh = self.policy.extend(fresh, [then] * count, sampling, generator)
            texts = [then.join(turns) for turns in zip(texts, fresh.texts, strict=True)]
        self.attempts.append(fresh)
        return texts

    def learn(self, rewards: Floats) -> dict[str, float]:
        """Take a step of RLOO with the rewards of the g parts of what was written last, (g,)."""
        assert self.posed is not None
        completions = accepted(self.attempts, self.posed.places)
        penalty, metrics = penalize(self.state.reference, completions, self.config.kl_coef)
        paid = penalty.sum(dim=1).cpu().view(len(rewards), -1)  # (g, n)
        earned = torch.as_tensor(rewards, dtype=torch.float32)[:, None] - paid
        advantages = rloo.leave_one_out(earned.T).T.flatten()  # (B,)
        updates = rloo.improve(self.policy, completions, advantages, self.rloo_config, self.state)
        self.state.step += 1
        return {**metrics, **updates}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the algorithm; the weights are the policy's to save."""
        return self.state.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.state.load_state_dict(state)


def accepted(attempts: Sequence[Completions], places: Sequence[int]) -> Completions:
    """Return the completions at `places` among all attempts, (B, T), padded to the longest."""
    ends = np.cumsum([len(part.texts) for part in attempts])
    everything, first = blank(int(ends[-1]), attempts[0]), 0
    for part, end in zip(attempts, ends.tolist(), strict=True):
        everything = everything.replace(np.arange(first, end), part)
        first = end
    return everything.select(torch.tensor(places))
