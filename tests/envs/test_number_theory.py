"""Number theory: textbook results, the forms of an answer, and how levels grow."""

from math import gcd

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.number_theory import NUM_ARGUMENTS, NumberTheory, Problem
from edgewise.task import Unsolvable

TASK = NumberTheory()
SUN_ZI = Problem("congruences", (2, 3, 23 % 5, 5))  # the first two of his three: x = 8


@pytest.mark.parametrize(
    ("kind", "numbers", "answer"),
    [
        ("gcd", (1071, 462), 21),  # Euclid's algorithm: 1071, 462, 147, 21, 0
        ("gcd", (252, 105), 21),
        ("lcm", (21, 6), 42),
        ("lcm", (252, 105), 1260),  # 252 * 105 / 21
        ("inverse", (3, 11), 4),  # 3 * 4 = 12
        ("inverse", (17, 3120), 2753),  # the private key of RSA with 61, 53 and 17
        ("power", (2, 10, 1000), 24),  # 1024
        ("power", (65, 17, 3233), 2790),  # the same RSA: 65 becomes 2790
        ("power", (2790, 2753, 3233), 65),
        ("power", (3, 100, 101), 1),  # Fermat
        ("congruences", (2, 3, 3, 5), 8),
        ("congruences", (8, 15, 2, 7), 23),  # with the third, Sun Zi's 23
        ("congruences", (0, 3, 3, 4), 3),
    ],
)
def test_textbook_results(kind, numbers, answer):
    problem = Problem(kind, numbers)
    assert TASK.solve(problem) == str(answer) and TASK.verify(problem, str(answer))
    assert not TASK.verify(problem, str(answer + 1))
    assert TASK.demonstrate(problem).endswith(rf"\boxed{{{answer}}}")


@pytest.mark.parametrize(
    "answer",
    ["8", "x = 8", "$x=8$", r"x \equiv 8 \pmod{15}", r"8 \pmod{15}", "x \\equiv 8", "8.0", "08"],
)
def test_every_form_counts(answer):
    assert TASK.verify(SUN_ZI, answer)


@pytest.mark.parametrize(
    "answer",
    ["23", "-7", "x = 23", r"x \equiv 8 \pmod{5}", r"x \equiv 8 \pmod{30}", "x", "8 or 23", "4*2",
     "8, 23", "", "٨", "x = x = 8", r"8 \pmod{15} + 1", "9**9**9", "(" * 60 + "8" + ")" * 60,
     "__import__('os')", "x=" * 90 + "8", r"\pmod{15}"],
)  # fmt: skip
def test_other_numbers_and_forms_do_not(answer):
    assert not TASK.verify(SUN_ZI, answer)


def test_a_divisor_has_no_name():
    assert not TASK.verify(Problem("gcd", (84, 36)), "x = 12")


@pytest.mark.parametrize(
    "problem", [Problem("inverse", (6, 9)), Problem("congruences", (1, 4, 0, 6))]
)
def test_without_an_inverse_nothing_is_right(problem):
    assert not TASK.verify(problem, "1")
    with pytest.raises(Unsolvable, match="must have no common divisor"):
        TASK.solve(problem)


@pytest.mark.parametrize("kind", NUM_ARGUMENTS)
@pytest.mark.parametrize("level", [1, 5])
def test_answers_have_the_property_that_is_asked_for(kind, level):
    env = gym.make("NumberTheory-v0", levels=(level,), allow_ood=True).unwrapped
    for seed in range(20):
        problem = env.draw(level, seed, {"kind": kind})
        found, (first, second, *rest) = int(TASK.solve(problem)), problem.numbers
        if kind == "gcd":
            assert (
                first % found == second % found == 0 and gcd(first // found, second // found) == 1
            )
        elif kind == "lcm":
            assert (
                found % first == found % second == 0 and gcd(found // first, found // second) == 1
            )
        elif kind == "inverse":
            assert first * found % second == 1 and 0 <= found < second
        elif kind == "power":
            assert (first**second - found) % rest[0] == 0 and 0 <= found < rest[0]
        else:
            assert found % second == first and found % rest[1] == rest[0]
            assert 0 <= found < second * rest[1]


def test_the_prompts():
    numbers = (8, 15, 2, 7)
    problems = [Problem(kind, numbers[:count]) for kind, count in NUM_ARGUMENTS.items()]
    natural, compact = (preset.template for preset in TASK.presets.values())
    assert [TASK.prompt(problem, natural) for problem in problems] == [
        text + r" Give the integer in \boxed{}."
        for text in (
            "Find the greatest common divisor of $8$ and $15$.",
            "Find the least common multiple of $8$ and $15$.",
            r"Find the integer $x$ from $0$ to $14$ with $8 x \equiv 1 \pmod{15}$.",
            "Find the remainder of $8^{15}$ divided by $2$.",
            r"Find the least integer $x \ge 0$ with $x \equiv 8 \pmod{15}$ and $x \equiv 2 \pmod{7}$.",
        )
    ]
    assert [TASK.prompt(problem, compact).split()[0] for problem in problems] == [
        "gcd(8,15)", "lcm(8,15)", "8x%15=1", "8^15%2", "x%15=8,x%7=2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "trace"),
    [
        (Problem("gcd", (36, 84)), r"84%36=12,36%12=0,\boxed{12}"),
        (Problem("lcm", (84, 36)), r"84%36=12,36%12=0,84/12=7,7*36=252,\boxed{252}"),
        (Problem("inverse", (3, 11)), r"11-3*3=2:0-3*1=-3,3-1*2=1:1-1*-3=4,\boxed{4}"),
        (Problem("power", (7, 5, 11)), r"7*7%11=5,5*5%11=3,3*7%11=10,\boxed{10}"),
        (
            Problem("congruences", (2, 3, 3, 5)),
            r"5-1*3=2:0-1*1=-1,3-1*2=1:1-1*-1=2,(3-2)%5=1,1*2%5=2,2+3*2=8,\boxed{8}",
        ),
    ],
)
def test_the_traces(problem, trace):
    assert TASK.demonstrate(problem) == trace


@pytest.mark.parametrize("kind", NUM_ARGUMENTS)
def test_every_step_of_a_trace_is_true(kind):
    env = gym.make("NumberTheory-v0", preset="seedling", levels=(3,)).unwrapped
    for seed in range(30):
        steps = env.task.demonstrate(env.draw(3, seed, {"kind": kind})).split(",")[:-1]
        for step in (part for text in steps for part in text.split(":")):
            left, right = step.split("=")
            assert eval(left) == int(right), step


def test_order_of_numbers_and_congruences_is_forgotten():
    pairs = [
        (Problem("gcd", (84, 36)), Problem("gcd", (36, 84))),
        (Problem("congruences", (2, 3, 4, 5)), Problem("congruences", (4, 5, 2, 3))),
    ]
    assert all(TASK.canonical(left) == TASK.canonical(right) for left, right in pairs)
    assert TASK.canonical(Problem("inverse", (3, 5))) != TASK.canonical(Problem("inverse", (5, 3)))


def test_there_is_an_arm_for_each_kind():
    env = gym.make("NumberTheory-v0", levels=(1, 2), arms="kind").unwrapped
    assert len(env.arms) == 2 * len(NUM_ARGUMENTS)
    assert {env.pose(env.choose(env.np_random, arm))[0].kind for arm in env.arms} == set(
        NUM_ARGUMENTS
    )
    with pytest.raises(ValueError, match="`arms` must be None, a list or 'kind', got 'subject'"):
        gym.make("NumberTheory-v0", arms="subject")


@pytest.mark.parametrize("preset", ["plain", "seedling"])
def test_every_level_takes_more_steps(preset):
    lengths = []
    for level in (1, 2, 3, 4, 5):
        env = gym.make("NumberTheory-v0", preset=preset, levels=(level,), allow_ood=True).unwrapped
        drawn = [env.draw(level, seed) for seed in range(300)]
        lengths.append(np.mean([env.demonstrate(problem).count("=") for problem in drawn]))
    assert lengths == sorted(lengths)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "prime"}, "`kind` must be one of"),
        ({"max_number": 39}, "`max_number` must be at least 40, got 39"),
    ],
)
def test_wrong_parameters_raise(wrong, message):
    with pytest.raises(ValueError, match=message):
        TASK.generate(np.random.default_rng(0), **{"max_number": 100, **wrong})
