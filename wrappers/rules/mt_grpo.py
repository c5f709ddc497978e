"""MT-GRPO's weights of tasks: more of what is low and does not improve.

"MT-GRPO" (2026), arXiv 2602.05547, improvement-aware weight updates, and the authors' code. Its other
half, the refill that keeps these weights when groups are rejected, is the filter "rps".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.probability import softmax
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, MeanReward, Signal, Updated

VARIANTS = ("paper", "code")
OPTIMIZERS = ("adam", "gradient")
BETAS = (0.9, 0.999)  # of Adam
EPSILON = 1e-8  # of Adam
RATE = 0.5  # of the code's moving average of rewards


@dataclass(eq=False)
class MTGRPO(Rule):
    """Improvement-aware weight updates, toward the arms that are worst and stand still.

    Arms are drawn with z = softmax(xi), xi = 0 at first. After each update of the policy, with J_k the
    mean reward of arm k and I_k what the update raised on the same batch, clipped to [-c, c],

        s_k = I_k + lambda J_k,    g_k = z_k (s_k - sum_j z_j s_j),    xi <- xi - step of g,

    where the step is that of Adam with learning rate beta, or beta g with `optimizer` "gradient".

    The variant "paper" takes for I_k the mean over the completions of the arm and for J_k that of
    the last batch with the arm, and decays xi apart from the gradient (AdamW). "code" takes the sum,
    which grows with how often the arm is posed, a moving average of rate 1/2, and adds the decay to
    the gradient; there J_k is of accuracy, `signal` "success-rate". In both, J_k counts the groups that
    a filter rejected, and I_k does not. An arm that was not trained on has I_k = 0.

    Departures: I_k is that of advantage times the ratio of the completion, the geometric mean of its
    tokens', not of the clipped surrogate of each token; there is one step of xi in a batch, where the
    code makes one in each minibatch; c is given as it is used, where the code scales it with the
    learning rate of the policy.

    Example:
        >>> rule = MTGRPO()
        >>> rule.start(num_arms=2)
        >>> rule.update(np.array([0, 1]), np.array([0.2, 0.8]))
        >>> advantages = np.array([[1.0, -1.0], [1.0, 1.0]])  # (P, G)
        >>> updated = Updated(advantages, log_ratios=0.01 * advantages, verified=advantages != 0)
        >>> rule.learn_after(np.array([0, 1]), updated)
        >>> rule.probabilities().round(3).tolist()
        [0.512, 0.488]
    """

    name: ClassVar[str] = "mt-grpo"
    order: ClassVar[int] = 220
    paper: ClassVar[str] = "2602.05547"
    cost: ClassVar[str] = "a forward pass of the batch"
    equivariant: ClassVar[bool] = True
    signal: Signal = field(default=MeanReward(), kw_only=True)
    variant: Literal["paper", "code"] = "paper"
    trade: float = 0.25  # lambda, at least 0; larger looks more at the level than at improvement
    learning_rate: float = 0.025  # beta, positive
    clip: float = 0.1  # c, positive; 0.2 in the paper's experiment of nine arms
    weight_decay: float = 1e-5  # at least 0; 1e-4 there
    optimizer: Literal["adam", "gradient"] = "adam"

    def __post_init__(self) -> None:
        """Check the arguments."""
        for name, known in (("variant", VARIANTS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise ValueError(unknown(name, getattr(self, name), known))
        for name in ("learning_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")
        for name in ("trade", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}")

    @property
    def learns_after(self) -> bool:
        """Return True: what it learns from is the update of the policy."""
        return True

    def start(self, num_arms: int) -> None:
        """Weigh all arms alike."""
        super().start(num_arms)
        self.step = 0
        self.logits = np.zeros(num_arms)  # xi, (K,)
        self.moments = np.zeros((2, num_arms))  # of Adam
        self.rewards = np.zeros(num_arms)  # J, (K,)
        self.seen = np.zeros(num_arms, np.bool_)  # which arms have a J, (K,)

    def probabilities(self) -> Floats:
        """Return z, shape (K,)."""
        return softmax(self.logits, 1.0)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Remember the mean reward of each arm posed."""
        super().update(arms, signal)
        for arm in np.unique(arms).tolist():
            reward = float(signal[arms == arm].mean())
            keep = 1 - RATE if self.variant == "code" and self.seen[arm] else 0.0
            self.rewards[arm] = keep * self.rewards[arm] + (1 - keep) * reward
            self.seen[arm] = True

    def learn_after(self, arms: Ints, updated: Updated) -> None:
        """Move the weights by what the update of the policy raised."""
        super().learn_after(arms, updated)
        raised, size = updated.improvements(), updated.verified.sum(axis=1)
        sums = np.bincount(arms, raised * size, self.num_arms)
        counts = np.bincount(arms, size, self.num_arms)
        gains = sums if self.variant == "code" else sums / np.maximum(counts, 1)
        self.move(np.clip(gains, -self.clip, self.clip))

    def move(self, gains: Floats) -> None:
        """Take a step of xi for the clipped improvements, `gains`, (K,)."""
        z, scores = self.probabilities(), gains + self.trade * self.rewards
        gradient = z * (scores - z @ scores)
        if self.optimizer == "gradient":
            self.logits = self.logits - self.learning_rate * gradient
            return
        if self.variant == "code":
            gradient = gradient + self.weight_decay * self.logits
        else:
            self.logits = self.logits * (1 - self.learning_rate * self.weight_decay)
        self.step += 1
        for row, power in enumerate((1, 2)):
            fresh = (1 - BETAS[row]) * gradient**power
            self.moments[row] = BETAS[row] * self.moments[row] + fresh
        first, second = (self.moments[row] / (1 - BETAS[row] ** self.step) for row in range(2))
        self.logits = self.logits - self.learning_rate * first / (np.sqrt(second) + EPSILON)

    def arm_values(self) -> Floats:
        """Return xi, shape (K,)."""
        return self.logits

    def state_dict(self) -> dict[str, Any]:
        """Return the logits, the moments and the rewards."""
        parts = ("logits", "moments", "rewards", "seen")
        return {"step": self.step, **{part: getattr(self, part).tolist() for part in parts}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.step = state["step"]
        self.logits, self.moments = np.array(state["logits"]), np.array(state["moments"])
        self.rewards, self.seen = np.array(state["rewards"]), np.array(state["seen"])
