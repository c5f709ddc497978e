r"""SOAR: a teacher writes problems and is paid by what its students learn from them.

Algorithm 1 of arXiv 2601.18778. In each outer step the teacher phi writes g data sets of n problems.
On each, r students start from the baseline theta and take some steps of RLOO; the reward of data set
k is the mean over its students j of what they gained on hard problems Q_R that the teacher never sees,

    R_kj = accuracy(theta'_kj, Q_R) - accuracy(theta, Q_R),    R_k = mean_j R_kj.

The teacher takes one step of RLOO with R_k for every problem of data set k, and the median student of
the best data set becomes the baseline when rewards have been high enough: see `promotion`.

Nothing here knows of models, prompts or files: a teacher and a student are whatever answers to the
two protocols, such as `PolicyTeacher` and `PolicyStudent`, or tables.

Where the paper leaves a choice:
    - After a promotion it trains "slightly longer (we use +5 steps)", and elsewhere says 10 to 20
      steps: 5 more after each promotion, up to 20.
    - Accuracies are of greedy answers, on M problems drawn anew in each outer step, without
      replacement; the baseline answers the same ones.
    - PS, the promoted student that is kept, is the one with the best greedy accuracy on all hard
      training problems, the later one of equal ones.
    - `reward` "learnability" is Intrinsic-T: r_i = 1 - s_i, or 0 where no answer is right, with s_i
      the success of the baseline in `num_samples` answers; R_k is the mean over its problems. There
      are no promotions, since nothing is trained but the teacher.
    - A student that crashes (memory, numbers that are not finite) is left out of its data set's
      mean; a data set without any student gets the mean of the others, so no advantage.
    - A teacher whose attempts run out ends the run, with a message and without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.players import Student, Teacher, Weights, train_each
from edgewise.agents.soar.posing import Posed, TooFewProblems
from edgewise.agents.soar.presets import SOARConfig
from edgewise.agents.soar.promotion import Floats, Promotions, dataset_rewards

Progress = Callable[[int, int], None]  # how many are done, and of how many


@dataclass
class State:
    """All that changes from one outer step to the next, but for the teacher."""

    baseline: Weights  # theta
    promotions: Promotions
    step: int = 0  # outer steps done
    num_promoted: int = 0
    best: list[Pair] = field(default_factory=list)  # D_best
    champion: Weights | None = None  # PS
    champion_accuracy: float = -1.0  # on all hard training problems
    stopped: str = ""  # why the run ended early
    written: list[Pair] = field(default_factory=list)  # in the last step, with rewards

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and lists."""
        return {
            **{name: getattr(self, name) for name in KEPT},
            "baseline": dict(self.baseline),
            "champion": None if self.champion is None else dict(self.champion),
            "window": list(self.promotions.rewards),
            "best": [asdict(pair) for pair in self.best],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        for name in (*KEPT, "baseline", "champion"):
            setattr(self, name, state[name])
        self.promotions.rewards = list(state["window"])
        self.best = [Pair(**pair) for pair in state["best"]]


KEPT = ("step", "num_promoted", "champion_accuracy", "stopped")
STATE = {*KEPT, "baseline", "champion", "window", "best"}  # of `State.state_dict`


def start(student: Student, config: SOARConfig) -> State:
    """Return the state of a run that has done no step, with `student` as the baseline."""
    return State(student.snapshot(), Promotions(config.threshold, config.window))


def play(
    teacher: Teacher,
    student: Student,
    hard: Sequence[Pair],
    config: SOARConfig,
    state: State,
    progress: Progress = lambda done, total: None,
) -> Iterator[dict[str, Any]]:
    r"""Train `teacher`, and promote students, yielding the metrics of each outer step.

    Example:
        >>> from edgewise.agents.soar.posing import FORMATS, gather_problems
        >>> class Writer:
        ...     def write(self, count):
        ...         form = FORMATS["compact"]
        ...         return gather_problems(lambda n: [r"1+1?\boxed{2}"] * n, form, count, count)
        ...     def learn(self, rewards):
        ...         return {}
        >>> class Learner:
        ...     skill = 0.0
        ...     def snapshot(self):
        ...         return {"skill": self.skill}
        ...     def restore(self, weights):
        ...         self.skill = weights["skill"]
        ...     def train(self, problems, num_steps, seed):
        ...         self.skill += 0.1
        ...     def accuracy(self, problems):
        ...         return self.skill
        >>> hard, student = [Pair("2+2?", "4")], Learner()
        >>> config = SOARConfig(num_steps=2, num_datasets=2, dataset_size=1)
        >>> games = play(Writer(), student, hard, config, start(student, config))
        >>> [round(metrics["reward"], 2) for metrics in games]
        [0.1, 0.1]

    Args:
        teacher: Never sees any of `hard`.
        student: Any weights; those of `state.baseline` are taken up.
        hard: The hard training problems.
        config: Sizes and seed.
        state: Is changed by each step; from a checkpoint of it and of `teacher`, taken between two
            steps, the run goes on as if it had not been stopped.
        progress: Called with how many students of an outer step are done, and of how many.
    """
    while state.step < config.num_steps and not state.stopped:
        try:
            posed = teacher.write(config.num_datasets * config.dataset_size)
        except TooFewProblems as error:
            state.stopped = f"outer step {state.step + 1}: {error}"
            return
        yield outer_step(teacher, student, hard, config, state, posed, progress)


def outer_step(
    teacher: Teacher,
    student: Student,
    hard: Sequence[Pair],
    config: SOARConfig,
    state: State,
    posed: Posed,
    progress: Progress,
) -> dict[str, Any]:
    """Train students on the problems in `posed` and the teacher on their gains; return metrics."""
    datasets = divide(posed.pairs, config, state.step + 1)
    if config.reward == "learnability":
        rewards, metrics = learnability(student, datasets, config, state)
    else:
        rewards, metrics = grounded(student, datasets, hard, config, state, progress)
    earned = filled(dataset_rewards(rewards))
    metrics |= {f"teacher/{name}": value for name, value in teacher.learn(earned).items()}
    state.written = [
        replace(pair, reward=float(reward))
        for dataset, reward in zip(datasets, earned, strict=True)
        for pair in dataset
    ]
    state.step += 1
    return {
        "step": state.step,
        "reward": float(earned.mean()),
        "best_reward": float(earned.max()),
        "reward_std": float(earned.std()),
        "crashed": int(np.isnan(rewards).sum()),
        "accepted_ratio": posed.accepted_ratio,
        "rejected": posed.rejected,
        "num_promoted": state.num_promoted,
        "best_size": len(state.best),
        **metrics,
    }


def divide(pairs: Sequence[Pair], config: SOARConfig, step: int) -> list[list[Pair]]:
    """Return the g data sets of n problems, in the order they were written."""
    size = config.dataset_size
    return [
        [replace(pair, step=step, dataset=k) for pair in pairs[k * size : (k + 1) * size]]
        for k in range(config.num_datasets)
    ]


def grounded(
    student: Student,
    datasets: Sequence[Sequence[Pair]],
    hard: Sequence[Pair],
    config: SOARConfig,
    state: State,
    progress: Progress = lambda done, total: None,
) -> tuple[Floats, dict[str, Any]]:
    """Train r students on each data set and return their gains, (g, r); promote one if it is time.

    The baseline and the problems depend on the seed and the step alone.
    """
    rng = np.random.default_rng([config.seed, state.step])
    rows = rng.choice(len(hard), size=min(config.num_hard, len(hard)), replace=False).tolist()
    asked = [hard[row] for row in rows]
    num_steps = min(
        config.inner_steps + config.more_steps * state.num_promoted, config.max_inner_steps
    )
    student.restore(state.baseline)
    before = student.accuracy(asked)
    rewards = np.full((config.num_datasets, config.num_students), np.nan)
    kept: list[Weights | None] = []  # the students of the best data set so far
    seeds = [
        [seed_of(config.seed, state.step, k, j) for j in range(config.num_students)]
        for k in range(config.num_datasets)
    ]
    everyone = train_each(student, state.baseline, datasets, asked, num_steps, seeds)
    for k, (gains, trained) in enumerate(everyone):
        progress((k + 1) * config.num_students, config.num_datasets * config.num_students)
        rewards[k] = np.array(gains) - before
        means = dataset_rewards(rewards[: k + 1])
        if not np.isnan(means[k]) and int(np.nanargmax(means)) == k:
            kept = trained
    metrics = {
        "baseline_accuracy": before,
        "inner_steps": num_steps,
        "rewards": [[None if np.isnan(x) else float(x) for x in row] for row in rewards],
        "promoted": 0,
    }
    chosen = state.promotions.update(rewards) if config.promote else None
    if chosen is not None and (weights := kept[chosen[1]]) is not None:
        reward = float(dataset_rewards(rewards)[chosen[0]])
        dataset = [replace(pair, reward=reward) for pair in datasets[chosen[0]]]
        promote(student, weights, dataset, hard, state)
        metrics |= {"promoted": 1, "promoted_dataset": chosen[0], "promoted_student": chosen[1]}
    student.restore(state.baseline)
    return rewards, metrics


def promote(
    student: Student, weights: Weights, dataset: Sequence[Pair], hard: Sequence[Pair], state: State
) -> None:
    """Make `weights` the baseline, and keep them as PS if they are the best so far."""
    state.baseline = weights
    state.best = [*state.best, *dataset]
    state.num_promoted += 1
    student.restore(weights)
    accuracy = student.accuracy(hard)
    if accuracy >= state.champion_accuracy:
        state.champion, state.champion_accuracy = weights, accuracy


def learnability(
    student: Student, datasets: Sequence[Sequence[Pair]], config: SOARConfig, state: State
) -> tuple[Floats, dict[str, Any]]:
    """Return how learnable each data set is for the baseline, (g, 1)."""
    student.restore(state.baseline)
    rewards = []
    for k, dataset in enumerate(datasets):
        seed = seed_of(config.seed, state.step, k, 0)
        success = student.success(dataset, config.num_samples, seed)
        rewards.append([float(np.where(success > 0, 1 - success, 0.0).mean())])
    return np.array(rewards), {}


def filled(rewards: Floats) -> Floats:
    """Return rewards, (g,), with the mean of the others where there is none; 0 if there is none."""
    if np.isnan(rewards).all():
        return np.zeros(len(rewards))
    return np.where(np.isnan(rewards), np.nanmean(rewards), rewards)


def seed_of(*entropy: int) -> int:
    """Return a seed of 63 bits for a student; equal entropy gives an equal one."""
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
