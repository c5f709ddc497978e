"""Several attempts at a problem: what is told, what is paid, and when it ends."""

from dataclasses import dataclass

import pytest
from gymnasium.error import ResetNeeded

from edgewise import Preset, ReasoningEnv, Task, Turn, pose, register
from edgewise.scoring import score


@dataclass(frozen=True)
class Digit(Task[int]):
    """Name a number from 0 to 99; "?" cannot be verified."""

    presets = {"toy": Preset("{}", {1: {}}, rewards=(3.0, 1.0, -1.0))}

    def generate(self, rng):
        return int(rng.integers(100))

    def prompt(self, problem, template):
        return template.format("Which number?")

    def verify(self, problem, answer):
        return None if answer == "?" else answer == str(problem)

    def solve(self, problem):
        return str(problem)

    def explain(self, problem, answer):
        return "It is too high." if answer.isdigit() and int(answer) > problem else ""


@dataclass(frozen=True)
class Path(Digit):
    """Say left as often as the number has tens, at most three times."""

    def turn(self, problem, answers):
        if answers[-1] == "right":
            return Turn(False, 0.0, truncated=True)
        done = len(answers) == 2
        return Turn(done, float(done), f"{len(answers)}", done)


def box(answer):
    return rf"\boxed{{{answer}}}"


def begun(task=Digit, **options):
    env = ReasoningEnv(task, env_id=None, **options)
    env.reset(options={"level": 1, "problem_seed": 0})
    return env, str(env.problem)


def test_a_right_answer_after_wrong_ones_is_discounted_above_what_a_wrong_one_earns():
    env, right = begun(attempts={"most": 3, "discount": 0.5})
    assert env.step("hm")[:4] == (
        r"No answer was found. Put the answer in \boxed{}. Try again.", 0.0, False, False,
    )  # fmt: skip
    assert env.step(box("x"))[:4] == ("Wrong. Try again.", 0.0, False, False)
    observation, reward, terminated, truncated, info = env.step(box(right))
    assert (observation, terminated, truncated, info["correct"]) == ("", True, False, True)
    assert reward == 1.0 + (3.0 - 1.0) * 0.5**2
    with pytest.raises(ResetNeeded):
        env.step(box(right))


@pytest.mark.parametrize(("last", "earned"), [(box("x"), 1.0), ("hm", -1.0)])
def test_the_last_wrong_answer_earns_what_one_alone_does(last, earned):
    env, _ = begun(attempts=2)
    env.step(box("x"))
    assert env.step(last)[1:4] == (earned, True, False)


def test_the_reason_of_the_task_is_told_where_it_is_asked_for():
    env, _ = begun(attempts={"most": 3, "explain": True})
    assert env.step(box("999"))[0] == "Wrong. It is too high. Try again."
    assert env.step(box("-1"))[0] == "Wrong. Try again."
    assert begun(attempts=2)[0].step(box("999"))[0] == "Wrong. Try again."


def test_an_answer_without_a_verdict_ends_the_episode_unpaid():
    env, _ = begun(attempts=3)
    env.step(box("x"))
    _, reward, terminated, _, info = env.step(box("?"))
    assert (reward, terminated, info["verified"]) == (0.0, True, False)


def test_attempts_at_a_task_with_turns_begin_at_its_start_and_a_limit_truncates_the_last_alone():
    env, _ = begun(Path, attempts=2)
    assert env.step(box("left"))[0] == "1"
    assert env.step(box("right"))[:4] == ("Wrong. Try again.", 0.0, False, False)
    assert env.step(box("left"))[:3] == ("1", 0.0, False)
    assert env.step(box("left"))[1:4] == (3.0, True, False)
    env.reset()
    env.step(box("right"))
    assert env.step(box("right"))[1:4] == (1.0, False, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "`attempts` must be in"),
        (101, "`attempts` must be in"),
        ({"most": 2, "discount": 0.0}, "`discount` must be in"),
        ({"most": 2, "bogus": 1}, "attempts field"),
        ({"discount": 0.5}, "most` must be given"),
        (True, "must be an integer"),
    ],
)
def test_rules_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        ReasoningEnv(Digit, attempts=given)


def test_a_name_has_the_rules_and_a_name_with_others_is_another():
    import gymnasium as gym

    register("Digit-v0", f"{__name__}:Digit")
    try:
        env = gym.make("Digit-v0", attempts={"most": 2, "discount": 0.5})
        _, info = env.reset(seed=0)
        right = box(env.unwrapped.problem)
        again = pose(info["problem"])
        assert [again.step(text)[1:3] for text in ("hm", right)] == [(0.0, False), (2.0, True)]
        assert score(info["problem"], "hm", right, right)["reward"] == 2.0
        assert score(info["problem"], right)["reward"] == 3.0
        with pytest.raises(ValueError, match="attempts"):
            pose(info["problem"].replace('"most": 2', '"most": 1000'))
    finally:
        del gym.registry["Digit-v0"]
