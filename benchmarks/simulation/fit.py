r"""Fit the simulated learner to runs of a real model, and ask whether it ranks curricula alike.

What a run posed and what came of it is known, so the skills of a learner that had lived through it
are known too, up to its parameters: with the gradients g of the groups that the run had,

    theta_t = theta_0 + learning_rate T' (g_0 + ... + g_(t-1)).

The likelihood of all groups is a product over them: r of G completions right have the binomial
probability of p = sigma(theta + d), a mean over d from N(0, spread^2). `fit` finds its maximum over
the first skills, the learning rate, the spread, and a transfer that falls with distance, up^d to
harder arms and down^d to easier ones. Runs under Random tell how fast all is learned together, those
under Ordered what one arm does for the others.

`judge` fits to the runs under those two, predicts all the others, and gives Spearman's correlation
of predicted and real scores beside the reliability of the real ranking itself, which is what could
be reached at best.

Shapes: S steps, K arms, G completions a problem, R groups or cells of them, Q nodes.

Does the simulated learner rank curricula as a real model does?

    python -m edgewise.benchmarks.simulation.fit runs/countdown-*

Takes the folders of runs of one size: those under random and ordered are fitted to, the others are
predicted. Printed are the fitted world, both rankings, their correlation, and how reliable the real
one is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from scipy.optimize import minimize
from scipy.special import expit, gammaln, logsumexp
from scipy.stats import rankdata

from edgewise.agents.training.record_fields import GROUP, checked
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.simulation.compare import Cell, Size, run_world
from edgewise.benchmarks.simulation.skills import ADVANTAGES, NODES, WEIGHTS
from edgewise.benchmarks.simulation.worlds import World, falling
from edgewise.errors import unknown
from edgewise.wrappers.rules.signal import Floats, Ints

FITTED = ("random", "ordered")  # the curricula whose runs are fitted to
NUM_SPLITS = 500  # of the seeds in halves
MAX_RATE, MAX_SPREAD, MAX_SKILL = 1e3, 5.0, 15.0


@dataclass(frozen=True)
class Run:
    """What a run posed, and how many completions of each group were right."""

    curriculum: str  # with "+" and the filter if there is one
    seed: int
    size: Size
    counts: Ints  # of groups with r right, by step and arm, (S, K, G + 1)
    score: float | None = (
        None  # mean accuracy on the test problems of the training arms, at the end
    )


def load_run(path: Path) -> Run:
    """Read the folder of a run of `edgewise train`.

    Raises:
        ValueError: If it is none, or has an algorithm that the simulated learner has not, or groups of
            differing size.
    """
    folder = RunFolder.open(path)
    config, after = folder.config(), folder.read("after.json")
    algorithm = config["algorithm"].split(":")[0]
    if algorithm not in ADVANTAGES:
        raise ValueError(unknown("algorithm", algorithm, ADVANTAGES))
    if config.get("allocation", "none") != "none":
        raise ValueError(f"`allocation` must be none, got {config['allocation']!r} in {path}")
    size = Size(
        num_steps=config["num_steps"],
        num_arms=len(config["arms"]),
        num_problems=config["num_problems"],
        group_size=config["group_size"],
        algorithm=algorithm,
    )
    counts = np.zeros((size.num_steps, size.num_arms, size.group_size + 1), np.int64)
    test = config["hyperparameters"].get("filter", "none")
    name = config["curriculum"] + ("" if test == "none" else f"+{test}")
    if name in FITTED:  # of the others, the arms may be problems of a pool
        for record in folder.lines("groups.jsonl", ("step", "arm", "correct"), checked(GROUP)):
            if all(record.get("verified", ())):  # of others, the right ones are not all known
                counts[record["step"] - 1, record["arm"], sum(record["correct"])] += 1
    return Run(name, config["seed"], size, counts, None if after is None else after["mean"])


def gains(group_size: int, algorithm: str) -> Floats:
    """Return the gradient of a group on its skill, by the number of its right completions, (G + 1,)."""
    rewards = (np.arange(group_size) < np.arange(group_size + 1)[:, None]).astype(np.float64)
    own: Floats = (ADVANTAGES[algorithm](rewards) * rewards).mean(axis=1)  # as A sums to 0
    return own


@dataclass(frozen=True)
class Evidence:
    """The cells of all runs: the groups of one arm in one step, and what was practised before."""

    counts: Ints  # of groups with r right, (R, G + 1)
    arms: Ints  # (R,)
    practice: Floats  # the sum of gradients of all arms before the step, (R, K)


def gather(runs: Sequence[Run]) -> Evidence:
    """Return the cells of `runs` that have groups."""
    counts, arms, practice = [], [], []
    for run in runs:
        num_groups = np.maximum(run.counts.sum(axis=(1, 2)), 1)
        gradient = run.counts @ gains(run.size.group_size, run.size.algorithm)  # (S, K)
        gradient /= num_groups[:, None]
        before = np.cumsum(gradient, axis=0) - gradient
        steps, posed = np.nonzero(run.counts.sum(axis=2))
        counts.append(run.counts[steps, posed])
        arms.append(posed)
        practice.append(before[steps])
    return Evidence(np.concatenate(counts), np.concatenate(arms), np.concatenate(practice))


def loss(parameters: Floats, evidence: Evidence) -> tuple[float, Floats]:
    """Return the mean negative log-likelihood of a group, without its constant, and the gradient.

    Args:
        parameters: The first skills (K,), then learning rate, up, down and spread.
        evidence: The cells of all runs.
    """
    num_arms = evidence.practice.shape[1]
    skills, (rate, up, down, spread) = parameters[:num_arms], parameters[num_arms:]
    distance = np.arange(num_arms) - np.arange(num_arms)[:, None]
    transfer = falling(num_arms, up, down, num_ood=0)

    # The skill of each cell, and the log-likelihood of r right at every node.
    reached = evidence.practice @ transfer  # (R, K)
    cells = np.arange(len(evidence.arms))
    theta = skills[evidence.arms] + rate * reached[cells, evidence.arms]  # (R,)
    z = theta[:, None] + spread * NODES  # (R, Q)
    size = evidence.counts.shape[1] - 1
    right = np.arange(size + 1)
    softplus = np.logaddexp(0.0, z)[..., None]
    choices = gammaln(size + 1) - gammaln(right + 1) - gammaln(size - right + 1)
    joint = np.log(WEIGHTS)[:, None] + choices + right * z[..., None] - size * softplus
    total = logsumexp(joint, axis=1)  # (R, G + 1)

    # The gradient, through the posterior of the nodes.
    posterior = np.exp(joint - total[:, None]) * evidence.counts[:, None]  # (R, Q, G + 1)
    score = (posterior * (right - size * expit(z)[..., None])).sum(axis=2)  # (R, Q)
    of_theta = score.sum(axis=1)  # (R,)
    power = np.maximum(np.abs(distance) - 1, 0)
    slopes = [
        np.where(distance > 0, distance * up**power, 0.0),
        np.where(distance < 0, -distance * down**power, 0.0),
    ]
    gradient = [
        *np.bincount(evidence.arms, of_theta, num_arms),
        of_theta @ reached[cells, evidence.arms],
        *(rate * (of_theta @ (evidence.practice @ s)[cells, evidence.arms]) for s in slopes),
        (score @ NODES).sum(),
    ]
    num_groups = evidence.counts.sum()
    return -float((total * evidence.counts).sum() / num_groups), -np.array(gradient) / num_groups


def fit(runs: Sequence[Run]) -> World:
    """Return the world under which `runs` are most likely; it has no arms out of distribution.

    Raises:
        ValueError: If there is no run, or their numbers of arms or group sizes differ.
    """
    shapes = {run.counts.shape[1:] for run in runs}
    if len(shapes) != 1:
        raise ValueError(f"`runs` must be of one number of arms and group size, got {shapes}")
    evidence = gather(runs)
    num_arms = runs[0].size.num_arms
    bounds = [(-MAX_SKILL, MAX_SKILL)] * num_arms
    bounds += [(1e-6, MAX_RATE), (0.0, 1.0), (0.0, 1.0), (0.0, MAX_SPREAD)]
    first = np.array([*([-1.0] * num_arms), 1.0, 0.3, 0.3, 1.0])
    found = minimize(
        loss, first, args=(evidence,), jac=True, bounds=bounds, method="L-BFGS-B"
    ).x  # of a smooth function with few parameters
    rate, up, down, spread = found[num_arms:].tolist()
    return World(
        found[:num_arms],
        falling(num_arms, up, down, num_ood=0),
        learning_rate=rate,
        spread=spread,
    )


@dataclass(frozen=True)
class Agreement:
    """How well the simulated learner ranks curricula."""

    world: World  # fitted
    predicted: dict[str, float]  # the mean final accuracy of the training arms
    real: dict[str, float]  # the mean score over seeds
    spearman: float  # of the two, over curricula
    reliability: float  # of the real ranking, from halves of the seeds


def predict(world: World, curricula: Sequence[str], size: Size, num_seeds: int) -> dict[str, float]:
    """Return the mean final accuracy of `world` under each curriculum, over seeds."""
    return {
        name: float(
            np.mean(
                [
                    run_world(size, Cell("fitted", name, seed), world).final_id
                    for seed in range(num_seeds)
                ]
            )
        )
        for name in curricula
    }


def reliability(scores: Mapping[str, Sequence[float]], rng: np.random.Generator) -> float:
    """Estimate the split-half reliability of the ranking of mean scores over seeds.

    It is the mean over splits of Spearman's correlation of the means of both halves, and then by
    Spearman and Brown's 2 r / (1 + r) that of means over all seeds; nan with a single seed.
    """
    sizes = [len(values) for values in scores.values()]
    if min(sizes) < 2:
        return float("nan")
    halves = np.empty((2, NUM_SPLITS, len(sizes)))
    for place, values in enumerate(scores.values()):
        orders = rng.permuted(np.tile(values, (NUM_SPLITS, 1)), axis=1)
        middle = len(values) // 2
        halves[0, :, place] = orders[:, :middle].mean(axis=1)
        halves[1, :, place] = orders[:, middle : 2 * middle].mean(axis=1)
    half = float(rank_correlation(*halves).mean())
    return 2 * half / (1 + half) if half > -1 else float("nan")


def rank_correlation(one: Floats, two: Floats) -> Floats:
    """Return Spearman's correlation over the last axis; nan if either is constant or below three."""
    ranks = np.stack([rankdata(one, axis=-1), rankdata(two, axis=-1)])
    ranks -= ranks.mean(axis=-1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=-1).prod(axis=0))
    known = (spread > 0) & (one.shape[-1] >= 3)
    product = ranks.prod(axis=0).sum(axis=-1)
    correlation: Floats = np.where(known, product / np.where(known, spread, 1.0), np.nan)
    return correlation


def judge(paths: Sequence[Path], num_seeds: int = 20, seed: int = 0) -> Agreement:
    """Fit to the runs under Random and Ordered in `paths`, and predict the others.

    Those with a filter are predicted for the budget of completions of the others.

    Args:
        paths: Folders of runs of one size, each scored after training.
        num_seeds: Simulated learners for each curriculum.
        seed: Of the splits in halves.

    Raises:
        ValueError: If there are no runs to fit to or to predict, sizes differ, or a score is missing.
    """
    runs = [load_run(path) for path in paths]
    if len({run.size for run in runs}) != 1:
        raise ValueError(f"`paths` must be runs of one size, got {[run.size for run in runs]}")
    if unscored := [path for path, run in zip(paths, runs, strict=True) if run.score is None]:
        raise ValueError(f"`paths` must be runs scored after training, got {unscored[0]}")
    fitted = [run for run in runs if run.curriculum in FITTED]
    scores: dict[str, list[float]] = {}
    for run in runs:
        if run.curriculum not in FITTED and run.score is not None:
            scores.setdefault(run.curriculum, []).append(run.score)
    if not fitted or not scores:
        raise ValueError(f"`paths` must have runs under {FITTED} and under others, got {paths}")
    world = fit(fitted)
    predicted = predict(world, list(scores), runs[0].size, num_seeds)
    real = {name: float(np.mean(values)) for name, values in scores.items()}
    both = (np.array(list(values.values())) for values in (predicted, real))
    rng = np.random.default_rng(seed)
    correlation = float(rank_correlation(*both))
    return Agreement(world, predicted, real, correlation, reliability(scores, rng))


@dataclass(frozen=True)
class SimulatorConfig:
    """Fit the simulated learner to real runs, and compare its ranking of curricula with theirs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs, scored after training."""
    seeds: int = 20
    """Simulated learners for each curriculum."""


def table(found: Agreement) -> list[str]:
    """Return Markdown."""
    world = found.world
    skills = ", ".join(f"{skill:.2f}" for skill in world.skills.tolist())
    up, down = world.transfer[0, 1], world.transfer[1, 0]
    rows = [
        [name, f"{found.predicted[name]:.3f}", f"{found.real[name]:.3f}"]
        for name in sorted(found.real, key=lambda name: -found.real[name])
    ]
    return [
        f"first skills {skills}; learning rate {world.learning_rate:.3g}; spread {world.spread:.2f}; "
        f"transfer {up:.2f} to harder arms, {down:.2f} to easier",
        "",
        *Sheet("", ["curriculum", "predicted", "real"], rows).markdown(),
        "",
        f"Spearman's correlation {found.spearman:.2f}; reliability of the real ranking "
        f"{found.reliability:.2f}",
    ]


def main() -> None:
    """Fit, predict and print."""
    config = tyro.cli(SimulatorConfig)
    print("\n".join(table(judge(config.runs, config.seeds))))


if __name__ == "__main__":
    main()
