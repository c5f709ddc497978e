"""How many completions each problem of a batch gets, at an equal number of completions in all.

`Allotment` carries an allocation out within a batch, `VIP` and `Knapsack` are two of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.catalogue import construct
from edgewise.wrappers.rules.signal import Floats, Groups, Ints

ESTIMATORS = ("rloo", "grpo")
BISECTIONS = 200
CLIP = 1e-6  # of success, before its logit
MOST = 4096  # completions of a problem


class Allocation(ABC):
    """Divide a budget of completions among the problems of a batch.

    A dataclass. What it calls a problem is what a rule chooses: a problem where the rule chooses
    problems, and else an arm, whose problems are seldom posed twice.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(eq=False)
        ... class First(Allocation):
        ...     least: int = 2
        ...     most: int = 64
        ...     def sizes(self, problems, budget):
        ...         sizes = np.full(len(problems), self.least)
        ...         sizes[0] += budget - sizes.sum()
        ...         return sizes
        >>> First().sizes(["a", "b", "c"], budget=24).tolist()
        [20, 2, 2]
    """

    paper: ClassVar[str] = ""  # its arXiv id
    least: int  # completions of a problem; 0 if some may have none
    most: int

    @abstractmethod
    def sizes(self, problems: Sequence[str], budget: int) -> Ints:
        """Return the completions of each problem, (P,), that sum to `budget`; 0 leaves one out.

        Args:
            problems: Their names, of which several may be the same.
            budget: Completions of the batch.

        Raises:
            ValueError: If the bounds of a group do not allow the budget.
        """

    def observe(self, problems: Sequence[str], success: Floats) -> None:  # noqa: B027
        """Learn the share of right completions, `success` in [0, 1], of different problems, (P,)."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `observe` changes, as plain numbers and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Restore a state that `state_dict` returned."""

    def check_bounds(self, smallest: int) -> None:
        """Raise ValueError if `least` is below `smallest`, or `most` is below `least` or too many."""
        if self.least < smallest:
            raise ValueError(f"`least` must be in [{smallest}, {self.most}], got {self.least}")
        if self.most < self.least:
            raise ValueError(f"`most` must be at least `least`, {self.least}, got {self.most}")
        if self.most > MOST:
            raise ValueError(f"`most` must be at most {MOST}, got {self.most}")

    def check_budget(self, count: int, budget: int) -> None:
        """Raise ValueError if `count` groups within the bounds cannot sum to `budget`."""
        if not count * self.least <= budget <= count * self.most:
            raise ValueError(
                f"`budget` must be in [{count * self.least}, {count * self.most}], "
                f"{self.least} to {self.most} completions of {count} problems, got {budget}"
            )


@dataclass(eq=False)
class VIP(Allocation):
    """The sizes that make the variance of the gradient least, by what is known of success.

    Nguyen et al. (2026), arXiv 2602.01601, and the authors' code.

    With p the success of a problem and a = 4 p (1 - p), the gradient of its group of n has variance
    proportional to a / (n - 1) for "rloo" and a (n - 1) / n^2 for "grpo" without the division by the
    standard deviation. The sum over problems is least, for least <= n <= most and a given sum of n,
    where n = 1 + sqrt(a / lambda), or where a (n - 2) / n^3 = lambda; lambda is found by bisection,
    and the rounding gives what is left of the budget one by one to the largest decrease.

    p is the logistic function of a Gaussian process over `features` of the problems, here with a
    kernel exp(-|x - y|^2 / (2 l^2)); after a step the mean m of it becomes logit(p) at the problems
    posed, and moves at the others by K K^-1 (logit(p) - m). Problems without features know of none
    but themselves.

    Departures: features are given, not those of a sentence encoder; the released code's allocator
    has a term of ln p that its paper has not, and solves by another method; it is not followed. Arms
    take the place of problems where the rule chooses arms. The variance is that of groups which weigh
    alike; losses are means over tokens or completions, in which a larger group weighs more.

    Example:
        >>> allocation = VIP()
        >>> allocation.observe(["even", "hard", "easy"], np.array([0.5, 0.1, 0.9]))
        >>> allocation.sizes(["even", "hard", "easy"], budget=24).tolist()
        [10, 7, 7]
    """

    paper: ClassVar[str] = "2602.01601"
    estimator: Literal["rloo", "grpo"] = "rloo"
    least: int = 4  # completions of a problem; at least 2, at least 3 for "grpo"
    most: int = 32
    prior: float = 0.0  # the first m; -1 in the released code
    length: float = 0.4  # l, positive, as in the released code; the paper takes it from the data
    jitter: float = 1e-4  # on the diagonal of K, positive
    features: dict[str, Sequence[float]] = field(default_factory=dict)  # of problems, by name

    def __post_init__(self) -> None:
        """Check the arguments and forget all groups."""
        if self.estimator not in ESTIMATORS:
            raise ValueError(unknown("estimator", self.estimator, ESTIMATORS))
        self.check_bounds(3 if self.estimator == "grpo" else 2)
        for name in ("length", "jitter"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")
        self.means: dict[str, float] = {name: self.prior for name in self.features}  # m

    def success(self, problems: Sequence[str]) -> Floats:
        """Return p of each problem, (P,)."""
        means = np.array([self.means.get(name, self.prior) for name in problems])
        success: Floats = 1 / (1 + np.exp(-means))
        return success

    def observe(self, problems: Sequence[str], success: Floats) -> None:
        """Learn the success of different problems, (P,)."""
        clipped = np.clip(success, CLIP, 1 - CLIP)
        new = np.log(clipped / (1 - clipped))
        now = np.array([self.means.get(name, self.prior) for name in problems])
        posed = [place for place, name in enumerate(problems) if name in self.features]
        others = [name for name in self.features if name not in set(problems)]
        if posed and others:
            x = np.array([self.features[problems[place]] for place in posed])
            y = np.array([self.features[name] for name in others])
            inner = self.kernel(x, x) + self.jitter * np.eye(len(x))
            moved = self.kernel(y, x) @ np.linalg.solve(inner, (new - now)[posed])
            for name, by in zip(others, moved.tolist(), strict=True):
                self.means[name] += by
        self.means.update(zip(problems, new.tolist(), strict=True))

    def kernel(self, x: Floats, y: Floats) -> Floats:
        """Return the kernel of features x, (M, D), and y, (N, D), of shape (M, N)."""
        distances = ((x[:, None] - y[None]) ** 2).sum(axis=2)
        kernel: Floats = np.exp(-distances / (2 * self.length**2))
        return kernel

    def sizes(self, problems: Sequence[str], budget: int) -> Ints:
        """Return the completions of each problem, (P,)."""
        self.check_budget(len(problems), budget)
        p = self.success(problems)
        return self.rounded(4 * p * (1 - p), budget)

    def real_sizes(self, scales: Floats, budget: int) -> Floats:
        """Return sizes that are no whole numbers, (P,), for a of each problem, `scales`, (P,)."""
        low, high = -80.0, 40.0  # ln lambda
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.at(scales, middle).sum() > budget else (low, middle)
        return self.at(scales, (low + high) / 2)

    def at(self, scales: Floats, log_price: float) -> Floats:
        """Return the best sizes for `scales`, both (P,), where a completion costs exp(log_price)."""
        price = np.exp(log_price)
        if self.estimator == "rloo":
            sizes: Floats = np.clip(1 + np.sqrt(scales / price), self.least, self.most)
            return sizes
        low = np.full(len(scales), float(self.least))
        high = np.full(len(scales), float(self.most))
        for _ in range(60):  # a (n - 2) / n^3 falls for n above 3
            middle = (low + high) / 2
            worth = scales * (middle - 2) / middle**3 > price
            low, high = np.where(worth, middle, low), np.where(worth, high, middle)
        best: Floats = (low + high) / 2
        return best

    def variances(self, scales: Floats, sizes: Floats | Ints) -> Floats:
        """Return the variance of the gradient of each problem, (P,), for a of each, `scales`."""
        variances: Floats = (
            scales / (sizes - 1)
            if self.estimator == "rloo"
            else scales * (sizes - 1) / sizes.astype(np.float64) ** 2
        )
        return variances

    def rounded(self, scales: Floats, budget: int) -> Ints:
        """Return whole sizes for `scales`, both (P,), from the real ones rounded down."""
        sizes = np.floor(self.real_sizes(scales, budget) + CLIP).astype(np.int64)
        sizes = np.clip(sizes, self.least, self.most)
        return filled(
            sizes,
            self.most,
            budget,
            lambda now: self.variances(scales, now) - self.variances(scales, now + 1),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the mean of each problem."""
        return {"means": dict(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.means = dict(state["means"])


@dataclass(eq=False)
class Knapsack(Allocation):
    """The sizes of the most value: the chance that a group is informative, times what it can gain.

    "Knapsack RL" (2025), arXiv 2509.25849. With p the last success of a problem, n completions are
    worth (1 - p^n - (1 - p)^n) p (1 - p)^2. That is concave in n, so giving the completions one by one
    to the largest increase, as here, is as good as the paper's dynamic programme. What no other problem
    can take goes to those that nobody solved, and last to those that all did.

    Departures: the paper knows p from the last epoch; here it is that of the last batch with the
    problem, or with the arm where the rule chooses arms, and `prior`, which is ours, before.

    Example:
        >>> allocation = Knapsack(most=16)
        >>> allocation.observe(["a", "b", "c", "d"], np.array([0.5, 0.1, 0.9, 0.02]))
        >>> allocation.sizes(["a", "b", "c", "d"], budget=32).tolist()
        [8, 16, 6, 2]
    """

    paper: ClassVar[str] = "2509.25849"
    least: int = 2  # completions of a problem, at least 1
    most: int = 128
    prior: float = 0.5  # p of what was never posed, in [0, 1]

    def __post_init__(self) -> None:
        """Check the arguments and forget all groups."""
        self.check_bounds(1)
        if not 0 <= self.prior <= 1:
            raise ValueError(f"`prior` must be in [0, 1], got {self.prior}")
        self.last: dict[str, float] = {}  # p

    def observe(self, problems: Sequence[str], success: Floats) -> None:
        """Remember the success of different problems, (P,)."""
        self.last.update(zip(problems, success.tolist(), strict=True))

    def sizes(self, problems: Sequence[str], budget: int) -> Ints:
        """Return the completions of each problem, (P,)."""
        self.check_budget(len(problems), budget)
        p = np.array([self.last.get(name, self.prior) for name in problems], np.float64)
        start = np.full(len(problems), self.least)

        def gains(now: Ints) -> Floats:
            more = (p**now * (1 - p) + (1 - p) ** now * p) * p * (1 - p) ** 2
            return np.where(more > 0, more, -p)  # of those that gain nothing, the unsolved first

        return filled(start, self.most, budget, gains)

    @staticmethod
    def values(p: Floats, sizes: Ints) -> Floats:
        """Return what `sizes` completions of problems of success p are worth, (P,) all."""
        values: Floats = (1 - p**sizes - (1 - p) ** sizes) * p * (1 - p) ** 2
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return the last success of each problem."""
        return {"last": dict(self.last)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.last = dict(state["last"])


def filled(sizes: Ints, most: int, budget: int, gains: Callable[[Ints], Floats]) -> Ints:
    """Give completions one by one to the largest gain until `sizes`, (P,), sum to `budget`.

    Args:
        sizes: The first.
        most: No size is larger.
        budget: At most P times `most`.
        gains: Of one more completion of each, by the sizes, (P,).
    """
    sizes = sizes.astype(np.int64)
    while sizes.sum() < budget:
        sizes[np.argmax(np.where(sizes < most, gains(sizes), -np.inf))] += 1
    return sizes


ALLOCATIONS: dict[str, type[Allocation]] = {"vip": VIP, "knapsack": Knapsack}


@dataclass(frozen=True)
class Allotment:
    """An allocation, and how many completions a group has on average.

    Environments under it have groups of the largest size that there may be.

    Example:
        >>> import gymnasium as gym
        >>> from edgewise.wrappers import SEC, VIP
        >>> from edgewise.wrappers.vector import Curriculum
        >>> envs = gym.make_vec("Countdown-v0", num_envs=3 * 16, group_size=16)
        >>> envs = Curriculum(envs, SEC())
        >>> envs.allocate(Allotment(VIP(most=16), group_size=8))
        >>> _, infos = envs.reset(seed=0)
        >>> infos["size"][::16].tolist()  # of three problems, of which nothing is known
        [8, 8, 8]
    """

    allocation: Allocation
    group_size: int  # G, the budget of a batch of P problems being P G

    def __post_init__(self) -> None:
        """Check that the average lies within the bounds of the allocation."""
        least, most = self.allocation.least, self.allocation.most
        if not least <= self.group_size <= most:
            raise ValueError(
                f"`group_size` must be in [{least}, {most}], the bounds of the allocation, "
                f"got {self.group_size}"
            )

    def sizes(self, names: Sequence[str], budget: int) -> Ints:
        """Return the completions of each problem or arm of `names`, (P,), that sum to `budget`.

        Raises:
            ValueError: If the allocation returns anything else.
        """
        sizes = np.asarray(self.allocation.sizes(names, budget))
        if sizes.shape != (len(names),) or not np.issubdtype(sizes.dtype, np.integer):
            raise ValueError(
                f"`sizes` must be {len(names)} integers, got {sizes.dtype} {sizes.shape}"
            )
        if sizes.min(initial=0) < 0 or sizes.max(initial=0) > self.allocation.most:
            raise ValueError(
                f"`sizes` must be in [0, {self.allocation.most}], got {sizes.tolist()}"
            )
        if sizes.sum() != budget:
            raise ValueError(f"`sizes` must sum to {budget}, got {sizes.sum()}")
        return sizes.astype(np.int64)

    def observe(self, names: Sequence[str], groups: Groups) -> None:
        """Tell the allocation what share of the verified completions of each name was right.

        Args:
            names: Of the problem or arm of each group, in which one may occur several times.
            groups: What they earned.
        """
        made: dict[str, int] = {}
        right: dict[str, int] = {}
        counts = groups.verified.sum(axis=1).tolist()
        correct = (groups.correct & groups.verified).sum(axis=1).tolist()
        for name, count, solved in zip(names, counts, correct, strict=True):
            made[name], right[name] = made.get(name, 0) + count, right.get(name, 0) + solved
        known = [name for name, count in made.items() if count]
        success = np.array([right[name] / made[name] for name in known])
        self.allocation.observe(known, success)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the allocation."""
        return self.allocation.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of the allocation."""
        self.allocation.load_state_dict(state)


def make_allocation(text: str) -> Allocation | None:
    """Return the allocation that `text` names, with its arguments; None for "none".

    >>> make_allocation("vip:most=16")
    VIP(estimator='rloo', least=4, most=16, prior=0.0, length=0.4, jitter=0.0001, features={})
    >>> make_allocation("none") is None
    True

    Raises:
        ValueError: If there is no such allocation or argument, or its value is refused.
    """
    if text == "none":
        return None
    if (name := text.split(":")[0]) not in ALLOCATIONS:
        raise ValueError(unknown("allocation", name, ["none", *ALLOCATIONS]))
    allocation: Allocation = construct("allocation", text, ALLOCATIONS)
    return allocation
