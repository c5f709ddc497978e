"""What every registered environment owes its users."""

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import fields, replace
from functools import partial
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

import edgewise
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
DESCRIBE = """
import edgewise, gymnasium as gym, hashlib, sys
for env_id, preset, level in {ladders}:
    env = gym.make(env_id, preset=preset, levels=(level,), allow_ood=True).unwrapped
    for seed in range(3):
        prompt, info = env.reset(options=dict(level=level, problem_seed=seed))
        print([prompt, info["problem"], env.task.solve(env.problem)])
"""
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


def make(ladder, **kwargs):
    env_id, preset, level = ladder
    made = gym.make(env_id, preset=preset, levels=(level,), allow_ood=True, **kwargs)
    return made.unwrapped


@pytest.fixture(params=IDS)
def env(request):
    return gym.make(request.param)


@pytest.fixture(params=LADDERS, ids=lambda ladder: "-".join(map(str, ladder)))
def place(request):
    return request.param


@pytest.fixture
def ladder(place):
    return make(place)


DRAWN = {}  # the problems of a split by level and seed, which many tests look at


def draw_once(env, level, seed):
    key = (json.dumps(env.identity), level, seed)
    if key not in DRAWN:
        DRAWN[key] = type(env).draw(env, level, seed)
    return DRAWN[key]


def problems(env, count):
    level = env.levels[0]
    rows = env.task.num_rows(env.split, **env.preset.levels[level])
    for seed in range(count if rows is None else min(count, rows)):
        yield draw_once(env, level, seed)


def is_generated(env):
    return env.task.num_rows(env.split, **env.preset.levels[env.levels[0]]) is None


def is_drafted(env):
    return type(env.task).draft is not Task.draft  # whose problems are slow to finish


def completion(env, problem):
    answer = env.task.solve(problem)
    boxed = env.preset.answer in ("any", "boxed")
    return rf"\boxed{{{answer}}}" if boxed else f"<think>.</think><answer>{answer}</answer>"


def run(code, **variables):
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


# Gymnasium


def test_gymnasium_accepts_it(env):
    check_env(env.unwrapped)


def test_module_is_imported_once(env):
    assert type(env.unwrapped.task).__module__.startswith("edgewise.")


def test_it_is_made_from_its_spec_and_pickles(env):
    env.reset(seed=1)
    copies = [gym.make(env.spec), gym.make(EnvSpec.from_json(env.spec.to_json()))]
    for copy in [*copies, pickle.loads(pickle.dumps(env))]:
        assert copy.reset(seed=2) == env.reset(seed=2)
    again = pickle.loads(pickle.dumps(env))
    assert again.reset() == env.reset()


def test_the_vector_environment_pickles_and_pays_the_same(env):
    envs = gym.make_vec(env.spec.id, num_envs=4, group_size=2)
    envs.reset(seed=1)
    envs = pickle.loads(pickle.dumps(envs))
    prompts, info = envs.reset()
    right = [completion(env.unwrapped, problem) for problem in envs.unwrapped.problems]
    actions = [right[0], "no answer", right[1], r"\boxed{?}"]
    _, rewards, _, _, scored = envs.step(actions)
    for i, action in enumerate(actions):
        options = {key: info[key][i] for key in ("level", "problem_seed")}
        prompt, name = env.reset(options=options)
        assert (prompt, name["problem"]) == (prompts[i], info["problem"][i])
        _, reward, _, _, told = env.step(action)
        assert (reward, told["answer"]) == (rewards[i], scored["answer"][i])


def test_it_is_the_same_in_other_processes():
    code = DESCRIBE.format(ladders=LADDERS)
    assert run(code, PYTHONHASHSEED="1") == run(code, PYTHONHASHSEED="2") != ""


@pytest.fixture(scope="module")
def alone():
    """The first prompt of each environment, made where nothing has imported edgewise."""
    return json.loads(f"[{','.join(run(ALONE.format(ids=IDS)).splitlines())}]")


def test_it_is_made_without_importing_edgewise(env, alone):
    assert alone[IDS.index(env.spec.id)] == env.reset(seed=3)[0]


def test_unknown_keywords_and_options_raise(env):
    with pytest.raises(TypeError, match="bogus"):
        gym.make(env.spec.id, bogus=1)
    with pytest.raises(ValueError, match="bogus"):
        env.reset(options={"bogus": 1})


def test_levels_must_exist(env):
    with pytest.raises(ValueError, match=r"`levels` must be among .* got \(99,\)"):
        gym.make(env.spec.id, levels=(99,))


def test_training_on_ood_levels_must_be_allowed(env):
    ood = env.unwrapped.preset.ood
    if not ood:
        pytest.skip("no level is kept out of training")
    with pytest.raises(ValueError, match="`levels` must be among"):
        gym.make(env.spec.id, levels=ood)
    with pytest.raises(ValueError, match="`level` must be in"):
        env.reset(options={"level": ood[0]})
    assert gym.make(env.spec.id, levels=ood, split="test").reset(seed=0)


# Problems


def test_tasks_and_problems_are_frozen_and_pickle(ladder):
    hash(ladder.task)
    for problem in problems(ladder, 20):
        assert pickle.loads(pickle.dumps(problem)) == problem
        hash(problem)


def test_prompts_state_the_answer_format(ladder):
    tags = {"boxed": [r"\boxed{"], "answer": ["<answer>"], "think_answer": ["<think>", "<answer>"]}
    for problem in problems(ladder, 20):
        text = ladder.frame_of(problem).text(ladder.prompt(problem))
        assert all(tag in text for tag in tags.get(ladder.preset.answer, []))
        assert any(tag in text for tag in (r"\boxed{", "<answer>"))


def test_name_replays_the_problem(ladder):
    ladder.reset(seed=0)
    prompt, info = ladder.reset()
    assert edgewise.pose(info["problem"]).render() == prompt
    name = json.loads(info["problem"])
    options = {key: name[key] for key in ("level", "params", "problem_seed")}
    assert ladder.reset(options=options) == (prompt, info)


def test_name_of_another_version_raises(ladder):
    name = json.loads(ladder.reset(seed=0)[1]["problem"])
    with pytest.raises(ValueError, match="must be of this version"):
        edgewise.pose(json.dumps({**name, "key": "0" * 16}))


@pytest.mark.parametrize("count", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_splits_share_no_problem(place, count):
    canonical = {}
    for split in SPLITS:
        env = make(place, split=split)
        few = count // 2 if is_drafted(env) else count
        found = list(problems(env, few if is_generated(env) else 20_000))
        if is_generated(env):  # the splits of a data set are those of its source
            assert {env.task.split_of(problem) for problem in found} == {split}
        canonical[split] = {env.task.canonical(problem) for problem in found}
    assert not canonical["train"] & canonical["test"]
    assert not canonical["validation"] & (canonical["train"] | canonical["test"])


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


DRAFTED = [place for place in LADDERS if is_drafted(make(place))]


@pytest.mark.parametrize("place", DRAFTED)
def test_finished_problems_lie_in_the_split_of_their_draft(ladder):
    task, params = ladder.task, ladder.preset.levels[ladder.levels[0]]
    rng = np.random.default_rng(0)
    for _ in range(20):
        draft = task.draft(rng, **params)
        problem = task.generate(rng, draft, **params)
        assert task.split_of(problem) == split_of_key(task.draft_key(draft))


@pytest.mark.parametrize("count", [100, pytest.param(200, marks=pytest.mark.slow)])
def test_few_problems_are_drawn_twice(place, ladder, count):
    drawn = list(problems(ladder, count // 4 if is_drafted(ladder) else count))
    distinct = {ladder.task.canonical(problem) for problem in drawn}
    share = 0.25 if place in GUESSED else 0.5 if place in FEW else 0.99
    assert len(distinct) >= share * len(drawn)


def digest(env_id, preset, level, size=200):
    env = gym.make(env_id, preset=preset, levels=(level,), split="test").unwrapped
    env.draw = partial(draw_once, env)
    chosen = edgewise.evaluation_set(env, level, size)
    assert len(chosen) == size or not is_generated(env) or (env_id, preset, level) in GUESSED
    texts = [env.task.canonical(env.draw(level, options["problem_seed"])) for options in chosen]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def frozen(env_id, preset, level):
    return FROZEN.get(env_id, {}).get(preset, {}).get(str(level))


@pytest.mark.parametrize("place", DRAFTED, ids=lambda place: "-".join(map(str, place)))
def test_the_first_problems_of_the_test_set_are_frozen(place):
    assert digest(*place, FIRST) == (frozen(*place) or {}).get("first")


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=[pytest.mark.slow] * (place in DRAFTED)) for place in LADDERS],
    ids=lambda place: "-".join(map(str, place)),
)
def test_the_test_set_has_200_problems_and_is_frozen(place):
    """A level that is not in problem_hashes.json is only counted. This adds all of an env's:

    python tests/envs/test_contract.py Countdown-v0 sec e2h
    """
    found, known = digest(*place), frozen(*place)
    assert found == (known["all"] if place in DRAFTED and known else known or found)


# Answers


@pytest.mark.parametrize("count", [50, many])
def test_the_reference_solver_is_right(place, count):
    env = make(place, split="test")
    for problem in problems(env, count):
        answer = env.task.solve(problem)
        assert env.task.verify(problem, answer) is True
        assert env.task.credit(problem, answer) == 1.0


@pytest.mark.parametrize("count", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_problems_are_solved_without_the_hint_of_their_generator(ladder, count):
    for problem in problems(ladder, count if is_generated(ladder) else 0):
        if "solution" in {field.name for field in fields(problem)}:
            problem = replace(problem, solution=None)
        assert ladder.task.verify(problem, ladder.task.solve(problem)) is True


def test_demonstration_earns_the_full_reward(ladder):
    if type(ladder.task).demonstrate is Task.demonstrate:
        return  # it has no worked traces
    posed = list(problems(ladder, 20))
    texts = [ladder.demonstrate(problem) for problem in posed]
    outcomes = ladder.score(posed, [()] * len(posed), texts)
    assert {outcome.reward for outcome in outcomes} == {ladder.preset.rewards[0]}


def guesses(place, env, posed):
    """Yield lists of an answer for each problem: constants, and parts of the prompt."""
    prompts = [env.prompt(problem) for problem in posed]
    words = [re.findall(r"\w+", prompt) for prompt in prompts]
    answers = Counter(env.task.solve(problem) for problem in problems(make(place), len(posed)))
    common = Counter(word for text in words for word in set(text))
    for constant in ["", *(text for text, _ in answers.most_common(5) + common.most_common(40))]:
        yield [constant] * len(posed)
    yield prompts
    yield [" ".join(text) for text in words]
    yield [" ".join(word for word in text if word.isdigit()) for text in words]
    for i in range(-20, 20):
        yield [text[i % len(text)] for text in words]


@pytest.mark.parametrize("count", [40, many])
def test_guessing_does_not_pay(place, count):
    env = make(place, split="test")
    posed = list(problems(env, count))
    sizes = [env.task.num_answers(problem) or np.inf for problem in posed]
    bound = max(GUESSED.get(place, 0.05), float(np.mean([1 / size for size in sizes])) + 0.02)
    noise = 3 * np.sqrt(bound * (1 - bound) / len(posed))
    for answers in guesses(place, env, posed):
        rate = np.mean(env.task.verify_many(posed, answers))
        assert rate <= bound + noise, answers[0]


@pytest.fixture
def watch():
    """Note what reaches the machine, and count the lines of Python that a call runs."""
    seen = {"events": set(), "on": True}
    forbidden = ("exec", "open", "import", "os.", "subprocess.", "socket.", "ctypes.")

    def lines_of(function, *arguments):
        seen["lines"], before = 0, sys.gettrace()
        sys.settrace(trace)
        try:
            return function(*arguments), seen["lines"]
        finally:
            sys.settrace(before)

    def trace(frame, event, argument):
        seen["lines"] += event == "line"
        return trace

    def audit(event, arguments):
        here = threading.current_thread() is threading.main_thread()  # others renew the workers
        if seen["on"] and here and event.startswith(forbidden):
            seen["events"].add(event)

    sys.addaudithook(audit)  # for good, so it is switched off below
    yield seen, lines_of
    seen["on"] = False


@pytest.mark.parametrize("count", [30, pytest.param(1_000, marks=pytest.mark.slow)])
def test_hostile_answers_are_wrong_and_harmless(env, count, hostile_answers, tmp_path, watch):
    base = env.unwrapped
    verify = type(base.task).verify
    same = [env_id for env_id in IDS if type(gym.make(env_id).unwrapped.task).verify is verify]
    if same[0] != env.spec.id:
        pytest.skip(f"{same[0]} verifies as it does")
    env.reset(seed=0)
    solution = base.task.solve(base.problem)
    base.task.verify(base.problem, solution)  # whatever is imported late is imported now
    seen, lines_of = watch
    seen["events"].clear()
    length = 100 * min(1_000, 5 * count)  # of the longest
    for answer in hostile_answers(solution, tmp_path / "made", count, length):
        verdict, num_lines = lines_of(base.task.verify, base.problem, answer)
        assert verdict is False and num_lines <= 10_000 + 20 * len(answer)
        outcome = base.score(
            [base.problem], [()], [rf"<answer>{answer}</answer>\boxed{{{answer}}}"]
        )
        assert outcome[0].correct is False
    assert not seen["events"] and not list(tmp_path.iterdir())


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
