"""What every registered environment owes its users."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import edgewise
from edgewise.contract import Level, attacks, environment, guessing, levels_of, problems
from edgewise.envs.taught import Taught
from edgewise.problem_set import ProblemSet
from edgewise.registration import task_of
from edgewise.task import SPLITS, Task, split_of_key

HAS_MATH = find_spec("flint") is not None
SPECS = [
    spec
    for spec in gym.registry.values()
    if str(spec.entry_point) == "edgewise.env:ReasoningEnv"
    and spec.namespace is None  # Reasoning Gym has tests of its own
    and task_of(spec.id) is not Taught  # whose problems are the user's, and no split of them
    and (HAS_MATH or spec.kwargs.get("requires") != "math")
]
IDS = [spec.id for spec in SPECS]
LADDERS = [
    (spec.id, preset, level)
    for spec in SPECS
    for preset, ladder in gym.make(spec.id).unwrapped.task.presets.items()
    for level in ladder.levels
]
ENDS = {  # the easiest and the hardest level of each preset; what is between has the same code
    place
    for places in (
        [place for place in LADDERS if place[:2] == ladder]
        for ladder in {place[:2] for place in LADDERS}
    )
    for place in (places[0], places[-1])
}
HASHES = Path(__file__).with_name("problem_hashes.json")
FROZEN = json.loads(HASHES.read_text())
FIRST = 20  # of the problems of a test set, which are frozen on their own where all take long
FEW = {  # levels that have so few problems that one in a hundred is drawn twice
    *(("Arithmetic-v0", name, level) for name in ("sums", "ladder") for level in (1, 2, 3)),
    *(("Arithmetic-v0", "crowd", level) for level in (*range(1, 8), 13, 14, 15)),  # of one digit
    *(("Arithmetic-v0", "pair", level) for level in (1, 2, 3, 7, 8, 9)),
    *(("Arithmetic-v0", "crowd-pair", level) for level in (*range(1, 8), 15, 16, 17)),
    *(("Countdown-v0", *level) for level in (("e2h", 1), ("seedling", 1), ("seedling", 2))),
    *(("Blocksworld-v0", "e2h", level) for level in (1, 2, 3, 4, 5)),
}
GUESSED = {  # what one answer may earn of some 128 problems
    **{("Arithmetic-v0", name, 1): 0.2 for name in ("sums", "ladder")},
    **{
        ("Arithmetic-v0", name, level): 0.2
        for name in ("crowd", "crowd-pair")
        for level in (1, 2, 3)
    },
    **{("Arithmetic-v0", "pair", level): 0.2 for level in (1, 7, 8)},
}
ALONE = """
import gymnasium as gym, json, os, sys
assert "edgewise" not in sys.modules
for env_id in {ids}:
    if os.fork() == 0:  # a process for each, as none has imported edgewise for the next
        print(json.dumps(gym.make("edgewise:" + env_id).reset(seed=3)[0]), flush=True)
        os._exit(0)
    _, status = os.wait()
    assert status == 0
"""
many = pytest.param(500, marks=pytest.mark.slow)


@cache
def level_of(place):
    return Level(*place)


@pytest.fixture(params=IDS)
def env_id(request):
    return request.param


def name_of(place):
    return "-".join(map(str, place))


def of_levels(places, slow=()):
    """Parameters of a test of each level, slow but for the ends of each preset that are not in `slow`."""
    quick = ENDS - {*slow}
    return [
        pytest.param(place, marks=[pytest.mark.slow] * (place not in quick)) for place in places
    ]


@pytest.fixture(params=of_levels(LADDERS), ids=name_of)
def place(request):
    return request.param


@pytest.fixture
def level(place):
    return level_of(place)


def run(code, **variables):
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


# Gymnasium


def test_gymnasium_accepts_it_and_it_is_made_from_its_spec_and_pickles(env_id):
    assert not list(environment.gymnasium(env_id))


def test_module_is_imported_once(env_id):
    assert type(gym.make(env_id).unwrapped.task).__module__.startswith("edgewise.")


def test_the_vector_environment_pickles_and_pays_the_same(env_id):
    assert not list(environment.vector(env_id))


def test_it_is_the_same_in_other_processes():
    assert not list(environment.processes([level_of(place) for place in ENDS]))


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_it_is_made_without_importing_edgewise(step):
    ids = list({task_of(env_id): env_id for env_id in IDS}.values())[::step]  # of each task one
    alone = [json.loads(line) for line in run(ALONE.format(ids=ids)).splitlines()]
    assert alone == [gym.make(env_id).reset(seed=3)[0] for env_id in ids]


def test_mistakes_and_training_on_ood_levels_are_refused(env_id):
    assert not list(environment.refusals(env_id))


# Problems


def test_tasks_and_problems_are_frozen_and_pickle(level):
    assert not list(problems.values(level, 20))


def test_prompts_state_the_answer_format(level):
    assert not list(problems.prompts(level, 20))


def test_name_replays_the_problem(level):
    assert not list(problems.names(level))


@pytest.mark.parametrize("count", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_splits_share_no_problem(level, count):
    assert not list(problems.splits(level, count))


def draft_spaces():
    """Yield an id and preset for each ladder of problems that are generated at once, none twice."""
    known = set()
    for env_id, preset in dict.fromkeys(place[:2] for place in LADDERS):
        env = gym.make(env_id, preset=preset).unwrapped
        space = json.dumps([env_id, *env.preset.levels.values()])
        at_once = type(env.task).draft is Task.draft and not isinstance(env.task, ProblemSet)
        if at_once and space not in known:
            known.add(space)
            yield env_id, preset


@pytest.mark.slow
@pytest.mark.parametrize("env_id, preset", list(draft_spaces()))
def test_no_problem_lies_in_two_splits(env_id, preset):
    """Of 20,000 in each split, of all levels in turn, so not in one of a level and one of another."""
    env = gym.make(env_id, preset=preset).unwrapped
    rng, count, known = np.random.default_rng(0), Counter(), {}
    for params in cycle(env.preset.levels.values()):
        problem = env.task.generate(rng, **params)
        split = env.task.split_of(problem)
        assert known.setdefault(env.task.canonical(problem), split) == split
        count[split] += 1
        if min(count[split] for split in SPLITS) == 20_000:
            break


DRAFTED = [place for place in LADDERS if level_of(place).is_drafted]


@pytest.mark.parametrize("place", of_levels(DRAFTED), ids=name_of)
def test_finished_problems_lie_in_the_split_of_their_draft(level):
    env = level.env()
    task, params = env.task, env.preset.levels[level.number]
    rng = np.random.default_rng(0)
    for _ in range(5):
        draft = task.draft(rng, **params)
        problem = task.generate(rng, draft, **params)
        assert task.split_of(problem) == split_of_key(task.draft_key(draft))


@pytest.mark.parametrize("count", [100, pytest.param(200, marks=pytest.mark.slow)])
def test_few_problems_are_drawn_twice(place, level, count):
    share = 25 / count if place in GUESSED else 0.5 if place in FEW else 0.99
    assert not list(problems.variety(level, count, share))


def digest(env_id, preset, number, size=200):
    level = level_of((env_id, preset, number))
    env = gym.make(env_id, preset=preset, levels=(number,), split="test").unwrapped
    env.draw = lambda _, seed, params=None: level.problem(seed, "test")
    chosen = edgewise.evaluation_set(env, number, size)
    generated = level.num_rows("test") is None
    assert len(chosen) == size or not generated or (env_id, preset, number) in GUESSED
    texts = [env.task.canonical(env.draw(number, options["problem_seed"])) for options in chosen]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def frozen(env_id, preset, level):
    return FROZEN.get(env_id, {}).get(preset, {}).get(str(level))


@pytest.mark.parametrize("place", of_levels(DRAFTED), ids=name_of)
def test_the_first_problems_of_the_test_set_are_frozen(place):
    assert digest(*place, FIRST) == (frozen(*place) or {}).get("first")


@pytest.mark.parametrize(
    "place",
    of_levels(LADDERS, slow={*DRAFTED, *GUESSED}),
    ids=name_of,
)
def test_the_test_set_has_200_problems_and_is_frozen(place):
    """A level that is not in problem_hashes.json is only counted. This adds all of an env's:

    python tests/envs/test_contract.py Countdown-v0 sec e2h
    """
    found, known = digest(*place), frozen(*place)
    assert found == (known["all"] if place in DRAFTED and known else known or found)


# Answers


@pytest.mark.parametrize("count", [20, many])
def test_the_reference_solver_is_right(level, count):
    assert not list(problems.solver(level, count))


@pytest.mark.parametrize("count", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_problems_are_solved_without_the_hint_of_their_generator(level, count):
    task = level.env().task
    for problem in level.problems(count if level.is_generated else 0):
        if "solution" in {field.name for field in fields(problem)}:
            problem = replace(problem, solution=None)
        assert task.verify(problem, task.solve(problem)) is True


def test_demonstration_earns_the_full_reward(level):
    assert not list(problems.demonstrations(level, 20))


@pytest.mark.parametrize("count", [25, many])
def test_guessing_does_not_pay(place, level, count):
    assert not list(guessing.guessing(level, count, GUESSED.get(place, guessing.BOUND)))


@pytest.mark.parametrize("count", [30, pytest.param(1_000, marks=pytest.mark.slow)])
def test_hostile_answers_are_wrong_and_harmless(env_id, count, tmp_path, monkeypatch):
    verify = task_of(env_id).verify
    same = [other for other in IDS if task_of(other).verify is verify]
    if same[0] != env_id:
        pytest.skip(f"{same[0]} verifies as it does")
    monkeypatch.chdir(tmp_path)
    assert not list(attacks.hostile(levels_of(env_id)[0], count))
    assert not list(tmp_path.iterdir())


def hashes_of(*place):
    """What is kept of a level: the hash of its test set, and that of the first where all take long."""
    if place in DRAFTED:
        return {"first": digest(*place, FIRST), "all": digest(*place)}
    return digest(*place)


if __name__ == "__main__":
    env_id, *presets = sys.argv[1:]
    for preset in presets:
        levels = gym.make(env_id, preset=preset).unwrapped.preset.levels
        hashes = {str(level): hashes_of(env_id, preset, level) for level in levels}
        FROZEN.setdefault(env_id, {})[preset] = hashes
    HASHES.write_text(json.dumps(FROZEN, indent=2, sort_keys=True) + "\n")
