"""Throughput: problems, answers and episodes per CPU-second, of every environment and level.

python -m edgewise.benchmarks.speed.throughput --env Countdown-v0

Each figure is the best of several repeats of `time.process_time`. Machines differ, and one machine
differs from minute to minute, so every row has the speed of a fixed loop of plain Python, measured
in between: figures of two rows compare after division by it. Beside them stand the figures of
Reasoning Gym, if it is installed and has the task.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import gymnasium as gym

import edgewise
from edgewise.env import ReasoningEnv, unwrap
from edgewise.problem_set import ProblemSet

Setting = dict[str, Any]  # env, preset, level
Record = dict[str, float]  # calls per CPU-second, of each measure
Work = Callable[[int], object]  # what is done for the index 0, 1, 2, ...

NUM_PROBLEMS = 64  # answered in turn
MIN_SECONDS = 0.1  # of one repeat
NUM_REPEATS = 5
LOOP = 10_000  # iterations of the plain loop
COLUMNS = ("generated", "generated/test", "verified", "episodes", "loop")
PEER_COLUMNS = ("peer generated", "peer verified")


def settings(env_ids: Iterable[str] | None = None) -> Iterator[Setting]:
    """Yield every level of every preset, by default of all environments that generate."""
    single = "edgewise.env:ReasoningEnv"
    known = [
        spec.id
        for spec in gym.registry.values()
        if spec.entry_point == single and spec.namespace is None
    ]
    for env_id in known if env_ids is None else env_ids:
        base = unwrap(gym.make(env_id, requires=None))
        if env_ids is None and isinstance(base.task, ProblemSet):
            continue  # its rows are in files that need not be here
        for preset, ladder in base.task.presets.items():
            for level in ladder.levels:
                yield {"env": env_id, "preset": preset, "level": level}


def run(setting: Setting, num_repeats: int = NUM_REPEATS) -> Record:
    """Measure one level: a record of calls per CPU-second, the best of `num_repeats`."""
    works = {**own_works(setting), **peer_works(setting), "loop": plain_loop}
    best = dict.fromkeys(works, 0.0)
    for _ in range(num_repeats):  # in turn, so that all see the machine at its best
        for name, work in works.items():
            best[name] = max(best[name], rate(work))
    return best


def rate(work: Work) -> float:
    """Return calls per CPU-second, of at least one call and `MIN_SECONDS`."""
    count, start = 0, time.process_time()
    while True:
        work(count)
        count += 1
        if count & (count - 1) == 0 or count % 64 == 0:  # looking at the clock takes time
            seconds = time.process_time() - start
            if seconds >= MIN_SECONDS:
                return count / seconds


def own_works(setting: Setting) -> dict[str, Work]:
    """Return what is measured of an environment."""
    level = setting["level"]
    kwargs = {"preset": setting["preset"], "levels": (level,), "allow_ood": True}
    env: gym.Env[str, str] = gym.make(setting["env"], **kwargs)
    base = unwrap(env)
    test = unwrap(gym.make(setting["env"], split="test", **kwargs))
    draw = draws(base, level)
    problems = [draw(seed) for seed in range(NUM_PROBLEMS)]
    pairs = [(problem, base.task.solve(problem)) for problem in problems]
    actions = [completion(base, answer) for _, answer in pairs]

    def episode(i: int) -> None:
        env.reset(options={"level": level, "problem_seed": i % NUM_PROBLEMS})
        env.step(actions[i % NUM_PROBLEMS])

    return {
        "generated": draw,
        "generated/test": draws(test, level),
        "verified": lambda i: base.task.verify(*pairs[i % NUM_PROBLEMS]),
        "episodes": episode,
    }


def draws(env: ReasoningEnv, level: int) -> Work:
    """Return what draws the problem of a seed; where problems are rows, from the first again."""
    size = env.task.num_rows(env.split, **env.preset.levels[level])
    return lambda i: env.draw(level, i if size is None else i % size)


def completion(env: ReasoningEnv, answer: str) -> str:
    """Return the shortest completion with `answer` in the preset's format."""
    tagged = f"<answer>{answer}</answer>"
    forms = {"think_answer": f"<think>.</think>{tagged}", "answer": tagged}
    return forms.get(env.preset.answer, rf"\boxed{{{answer}}}")


def peer_works(setting: Setting) -> dict[str, Work]:
    """Return what is measured of Reasoning Gym; nothing if it is absent or lacks the task."""
    if setting["env"] not in PEERS or find_spec("reasoning_gym") is None:
        return {}
    import reasoning_gym

    base = unwrap(gym.make(setting["env"], preset=setting["preset"]))
    name, size, configure = PEERS[setting["env"]]
    config = configure(base.preset.levels[setting["level"]])
    if config is None:
        return {}
    dataset = reasoning_gym.create_dataset(name, size=size, seed=0, **config)
    rows = list(dataset)

    def score(row: dict[str, Any]) -> object:
        return dataset.score_answer(row["answer"], row)

    return {
        "peer generated": lambda i: dataset[i % size],
        "peer verified": lambda i: score(rows[i % size]),
    }


def countdown(level: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of Reasoning Gym's countdown for a level of ours."""
    numbers = level["num_numbers"]
    return {
        "min_numbers": numbers,
        "max_numbers": numbers,
        "min_value": 1,
        "max_value": level["max_number"],
        "min_target": max(1, level["min_target"]),
        "max_target": level["max_target"],
    }


def zebra(level: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of Reasoning Gym's zebra_puzzles for a level of ours."""
    attributes = level["num_attributes"]
    return {"num_people": level["num_houses"], "num_characteristics": attributes}


def arc(level: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the configuration of Reasoning Gym's arc_1d, which has no grids below 8 cells."""
    if level["size"] < 8:
        return None
    return {"min_size": level["size"], "max_size": level["size"], "num_train": 3}


# the name there, how many problems are drawn (zebras are slow there), and the configuration
PEERS: dict[str, tuple[str, int, Callable[[Mapping[str, Any]], dict[str, Any] | None]]] = {
    "Countdown-v0": ("countdown", NUM_PROBLEMS, countdown),
    "Zebra-v0": ("zebra_puzzles", 3, zebra),
    "ARC1D-v0": ("arc_1d", NUM_PROBLEMS, arc),
}


def plain_loop(index: int) -> int:
    """Do a fixed piece of plain Python."""
    value = index
    for i in range(LOOP):
        value = (value * 31 + i) % 1_000_003
    return value


def line(setting: Setting, record: Record) -> str:
    """Return a row of the table."""
    place = f"{setting['env']:16}{setting['preset']:>10}{setting['level']:>6}"
    figures = [record.get(name) for name in COLUMNS + PEER_COLUMNS]
    rates = ["-" if figure is None else f"{figure:,.0f}" for figure in figures]
    test_cost = record["generated"] / record["generated/test"]  # in training problems
    return place + "".join(f"{text:>16}" for text in rates) + f"{test_cost:>10.2f}"


def main() -> None:
    """Print one row for each level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--env", nargs="*", help="ids; all environments by default")
    arguments = parser.parse_args()
    names = "".join(f"{name:>16}" for name in COLUMNS + PEER_COLUMNS)
    print(
        f"Edgewise {edgewise.__version__}; per CPU-second; loop: {LOOP} iterations of plain Python"
    )
    print(f"{'environment':16}{'preset':>10}{'level':>6}{names}{'test cost':>10}")
    for setting in settings(arguments.env):
        print(line(setting, run(setting)), flush=True)


if __name__ == "__main__":
    main()
