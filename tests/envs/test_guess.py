"""Guess: what is told of a guess, and that it must be asked for."""

from itertools import product

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.guess import Guess, Problem, compare, read_code

CODE = Problem("BAB", "ABCD", num_guesses=3)


@pytest.mark.parametrize(
    ("code", "guess", "told"),
    [
        ("AABC", "AABC", (4, 0)),
        ("AABC", "ACAA", (1, 2)),
        ("AABB", "BBAA", (0, 4)),
        ("AAAA", "ABBB", (1, 0)),
        ("ABCD", "EFEF", (0, 0)),
    ],
)
def test_letters_in_place_count_once_and_before_those_elsewhere(code, guess, told):
    assert compare(code, guess) == told


def test_a_guess_is_a_code_whatever_its_case_and_spaces():
    right = ["BAB", "b a b", " bab\n"]
    assert all(Guess().verify(CODE, text) for text in right)
    wrong = ["", "BA", "BABB", "BAE", "BAB.", "ÀAB", "\uff22AB", "BAB" * 50, "B\0AB"]
    assert not any(Guess().verify(CODE, text) for text in wrong)
    assert read_code(CODE, "B" * 1_000_000) is None


def test_an_episode_ends_at_the_code_or_at_the_last_guess():
    env = gym.make("Guess-v0", levels=(1,))
    prompt, _ = env.reset(seed=0)
    code = env.unwrapped.problem.code
    assert code not in prompt and "5 guesses" in prompt
    assert env.step(r"\boxed{nothing}")[:3] == ("This is no code.", 0.0, False)
    assert env.step(rf"\boxed{{{code}}}")[:4] == ("", 1.0, True, False)
    env.reset()
    letters = next(x for x in env.unwrapped.problem.letters if x not in env.unwrapped.problem.code)
    steps = [env.step(rf"\boxed{{{letters * 2}}}") for _ in range(5)]
    assert [step[0] for step in steps] == ["0 in place, 0 elsewhere."] * 4 + [""]
    assert steps[-1][1:4] == (0.0, True, False)


def worst(candidates):
    """The guesses that the first candidate, again and again, takes at most."""
    first, parts = candidates[0], {}
    for code in candidates:
        parts.setdefault(compare(code, first), []).append(code)
    length = len(first)
    return 1 + max((worst(part) for told, part in parts.items() if told != (length, 0)), default=0)


@pytest.mark.parametrize("level", [1, 2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_guesses_that_agree_with_what_was_told_find_every_code_and_others_few(level):
    shape = Guess.presets["plain"].levels[level]
    letters = "ABCDEF"[: shape["num_letters"]]
    codes = ["".join(code) for code in product(letters, repeat=shape["length"])]
    assert worst(codes) == shape["num_guesses"]
    assert shape["num_guesses"] / len(codes) < 0.32  # what guessing without a look finds


def test_levels_have_more_codes_and_problems_of_many_letters():
    task, rng = Guess(), np.random.default_rng(0)
    sizes = [
        task.num_answers(task.generate(rng, **level))
        for level in task.presets["plain"].levels.values()
    ]
    assert sizes == [16, 64, 216, 625, 1296]
    problems = [task.generate(rng, **task.presets["plain"].levels[1]) for _ in range(200)]
    assert len(set(problems)) > 190


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"length": 2, "num_letters": 27, "num_guesses": 1}, "num_letters"),
        ({"length": 9, "num_letters": 9, "num_guesses": 1}, "length"),
        ({"length": 0, "num_letters": 9, "num_guesses": 1}, "length"),
        ({"length": 2, "num_letters": 2, "num_guesses": 0}, "num_guesses"),
    ],
)
def test_sizes_out_of_range_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        Guess().generate(np.random.default_rng(0), **params)
