"""A completion of a named problem has the outcome that its environment gives it."""

import gymnasium as gym
import pytest

from edgewise.env import unwrap
from edgewise.executor import LOST
from edgewise.pool import Pool, WorkerError
from edgewise.scoring import MEMORY, SCORE, outcome_of, score

TEXTS = (r"\boxed{1}", "", "nothing", "<answer>1</answer>", "\ud800", r"\boxed{" * 9)


@pytest.mark.parametrize("preset", ["sec", "e2h"])
def test_the_outcome_is_that_of_the_environment(preset):
    env = unwrap(gym.make("Countdown-v0", preset=preset, split="test"))
    for seed in range(4):
        problem, info = env.pose({"level": 1, "params": {}, "problem_seed": seed})
        for text in (env.demonstrate(problem), *TEXTS):
            (outcome,) = env.score([problem], [()], [text])
            assert outcome_of(env, (text,), score(info["problem"], text)) == outcome


def test_turns_are_scored_as_they_are_played():
    env = unwrap(gym.make("Blocksworld-v0", interactive=True, split="test"))
    problem, info = env.pose({"level": 3, "params": {}, "problem_seed": 0})
    lines = env.task.solve(problem).splitlines()
    assert len(lines) > 1
    solving = [f"<think>.</think> <answer>{line}</answer>" for line in lines]
    for texts in (solving, ["<think>.</think> <answer>none</answer>"], [""]):
        env.reset(options={"level": 3, "params": {}, "problem_seed": 0})
        rewards, right = [], False
        for text in texts:
            _, reward, _, _, told = env.step(text)
            rewards.append(reward)
            right |= told["correct"]
        found = score(info["problem"], *texts)
        assert (found["correct"], found["reward"]) == (right, sum(rewards))
        assert right == (texts is solving)
        outcome = outcome_of(env, texts, found)
        assert (outcome.correct, outcome.answer) == (right, env.extract(texts[-1]))


def test_a_completion_that_breaks_its_verifier_is_wrong_and_one_that_is_lost_has_no_verdict():
    env = unwrap(gym.make("Countdown-v0", preset="e2h"))
    assert outcome_of(env, ("<think>.</think> <answer>1</answer>",), None)[1:6] == (
        *(0.1, True, False, True, "1"),  # e2h pays .1 for the format
    )
    assert outcome_of(env, ("no answer",), None)[1:6] == (0.0, True, False, False, None)
    assert outcome_of(env, ("<think>.</think> <answer>1</answer>",), LOST)[1:6] == (
        *(0.0, True, None, True, "1"),
    )


def test_what_cannot_be_scored_where_it_is_asked_is_no_verdict_but_an_error():
    env = unwrap(gym.make("Countdown-v0"))
    _, info = env.pose({"level": 1, "params": {}, "problem_seed": 0})
    name, other = info["problem"], info["problem"].replace('"problem_seed": 0', '"problem_seed": 1')
    with Pool(SCORE, num_workers=1, seconds=60.0, memory=MEMORY, strict=True) as pool:
        assert pool.map([(name, "")]) == [score(name, "")]
        with pytest.raises(WorkerError, match="`key` must be of this version of Countdown-v0"):
            pool.map([(other, "")])
        absent = name.replace("Countdown-v0", "Absent-v0")
        with pytest.raises(WorkerError, match="`env` must be one of"):
            pool.map([(absent, "")])
