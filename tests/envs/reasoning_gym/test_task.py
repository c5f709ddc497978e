"""The data sets of Reasoning Gym: problems, splits and scorers, in worker processes."""

import json
import os
import pickle
import subprocess
import sys
from collections import Counter

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("reasoning_gym")

import edgewise
from edgewise.contract.attacks import hostile_texts
from edgewise.envs.reasoning_gym import task as reasoning_gym
from edgewise.envs.reasoning_gym.task import TABLE

SAMPLE = ("chain_sum", "graph_color", "number_sorting")  # theirs, theirs, ours
EVERY = [
    pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in sorted(TABLE)
]
every = pytest.mark.parametrize("name", EVERY)
DRAW = """
import edgewise, gymnasium as gym
for name in {names}:
    env = gym.make(f"edgewise:ReasoningGym/{{name}}-v0")
    print([env.reset(options=dict(level=1, problem_seed=seed)) for seed in range(3)])
"""


def make(name, **kwargs):
    return gym.make(f"ReasoningGym/{name}-v0", **kwargs).unwrapped


def test_the_table_names_data_sets_that_are_there():
    from reasoning_gym.factory import DATASETS

    assert set(TABLE) <= set(DATASETS) and len(TABLE) >= 80


def test_they_are_registered_without_their_package():
    code = (
        "import sys; sys.modules['reasoning_gym'] = None; import edgewise, gymnasium as gym;"
        "assert 'edgewise.envs.reasoning_gym.task' not in sys.modules;"
        "print(len(gym.make('ReasoningGym/ab-v0', requires=None).unwrapped.levels))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(TABLE["ab"]["levels"])


def wrong_forms(answer):
    yield from ("", "banana", "nan", "[NaN]", "Infinity", "-1", "None", f"{answer[:-1]}?")
    yield from (f"{answer} or not", f"{answer}\n{answer}", f"{answer}7{answer}")


@every
def test_each_level_is_solved(name):
    env = make(name)
    for level in env.preset.levels:
        posed = [env.draw(level, seed) for seed in range(10)]
        answers = [env.task.solve(problem) for problem in posed]
        assert all(env.task.verify_many(posed, answers))
        assert all(env.task.verify_many(posed, [f"  {answer}\n" for answer in answers]))


@every
def test_constant_answers_pay_what_the_table_says(name):
    """On many sets that is a lot: their answers are few."""
    env = make(name)
    for level in env.preset.levels:
        posed = [env.draw(level, seed) for seed in range(10, 20)]
        common = Counter(env.task.solve(env.draw(level, seed)) for seed in range(10))
        bound = max(TABLE[name]["constant"], 0.05)
        noise = 3 * np.sqrt(bound * (1 - bound) / len(posed))
        for text in [
            "0",
            "1",
            "2",
            "yes",
            "no",
            "[]",
            *(text for text, _ in common.most_common(2)),
        ]:
            rate = np.mean(env.task.verify_many(posed, [text] * len(posed)))
            assert rate <= bound + noise, (level, text)


@every
def test_hostile_answers_are_wrong_and_bounded(name, tmp_path):
    env = make(name)
    problem = env.draw(1, 0)
    known = env.task.solve(problem)
    attacks = list(hostile_texts(known, tmp_path / "made", 1_000))
    texts = [text for text in attacks if known not in text]
    right = env.task.verify_many([problem] * len(texts), texts)
    assert not [text[:50] for text, verdict in zip(texts, right, strict=True) if verdict]
    outcomes = env.score([problem] * len(texts), [()] * len(texts), texts)
    assert not any(outcome.correct for outcome in outcomes)
    assert not list(tmp_path.iterdir())


@every
def test_near_misses_are_wrong(name):
    env = make(name)
    for level in env.preset.levels:
        problem = env.draw(level, 0)
        texts = [text for text in wrong_forms(env.task.solve(problem)) if text != problem.answer]
        right = env.task.verify_many([problem] * len(texts), texts)
        assert not [text for text, verdict in zip(texts, right, strict=True) if verdict]


@every
def test_splits_share_no_problem(name):
    drawn = {}
    for split in ("train", "validation", "test"):
        env = make(name, split=split)
        drawn[split] = {env.task.canonical(env.draw(1, seed)) for seed in range(4)}
    assert not drawn["train"] & drawn["test"]
    assert not drawn["validation"] & (drawn["train"] | drawn["test"])


@pytest.mark.parametrize("names", [SAMPLE, pytest.param(sorted(TABLE), marks=pytest.mark.slow)])
def test_the_same_problems_come_in_other_processes(names):
    code = DRAW.format(names=names)
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        env = make(name)
        here = [env.reset(options={"level": 1, "problem_seed": seed}) for seed in range(3)]
        assert line == repr(here)


def test_a_generator_that_refuses_everything_is_told():
    task = make("chain_sum").task
    with pytest.raises(RuntimeError, match=r"chain_sum refused 100 problems of .*no_such_field"):
        task.generate(np.random.default_rng(0), no_such_field=1)


def test_near_seeds_share_no_problem():
    env = make("countdown")
    few, more = (
        {env.draw(1, seed).index for seed in seeds} for seeds in (range(20), range(20, 40))
    )
    assert len(few | more) == 40


def test_names_replay_and_tasks_pickle():
    env = make("chain_sum")
    prompt, info = env.reset(seed=1)
    assert edgewise.pose(info["problem"]).render() == prompt
    assert json.loads(info["problem"])["overrides"] == {"preset": "plain"}
    copy = pickle.loads(pickle.dumps(env))
    assert copy.reset() == env.reset()
    with pytest.raises(AttributeError):
        getattr(reasoning_gym, "no_such" + "_set")


def test_answers_that_are_code_are_not_run(tmp_path):
    """Of the data sets whose scorers execute answers, none does so here."""
    path = tmp_path / "made"
    payloads = [
        f"__import__('os').system('touch {path}')",
        f"open({str(path)!r}, 'w')",
        f"[open({str(path)!r}, 'w')]",
        f"exec(\"open({str(path)!r}, 'w')\")",
    ]
    for name in (
        "countdown", "puzzle24", "n_queens", "polynomial_multiplication", "simple_integration",
        "intermediate_integration", "spiral_matrix", "binary_matrix", "string_insertion",
    ):  # fmt: skip
        if name in TABLE:
            env = make(name)
            posed = [env.draw(1, 0)] * len(payloads)
            assert not any(env.task.verify_many(posed, payloads))
    assert not list(tmp_path.iterdir())


def test_a_worker_refuses_to_write_and_to_start_processes(tmp_path):
    code = """
import os
from edgewise.envs.reasoning_gym.worker import lock
lock()
path, there = {paths}
acts = [lambda: os.system("true"), lambda: open(path, "w"), lambda: open(there, "r+")]
for flags in (os.O_WRONLY | os.O_CREAT, os.O_CREAT, os.O_RDWR, os.O_TRUNC, os.O_APPEND):
    acts.append(lambda flags=flags: os.open(path if flags & os.O_CREAT else there, flags))
for act in acts:
    try:
        act()
    except PermissionError:
        print("refused")
print(open(there).read(), os.read(os.open(there, os.O_RDONLY), 9).decode())
"""
    (tmp_path / "there").write_text("kept")
    code = code.format(paths=(str(tmp_path / "made"), str(tmp_path / "there")))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n" * 8 + "kept kept\n"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_countdown_takes_no_tricks():
    env = make("countdown")
    problem = env.draw(1, 0)
    tricks = [f"0e0*({problem.answer})+5e0", f"{problem.answer} // 1", f"({problem.answer})**1"]
    assert env.task.verify(problem, f"({problem.answer})")
    assert not any(env.task.verify_many([problem] * 4, [*tricks, f"({problem.answer})+1"]))
