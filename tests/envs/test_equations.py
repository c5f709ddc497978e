"""Equations: known roots, the forms in which they may be given, and how levels grow."""

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.equations import Equations, Problem
from edgewise.task import Unsolvable

TASK = Equations()
LINEAR = Problem((((1, 3), (10, 0)),))  # 3x + 1 = 10
HALVES = Problem((((5, 4), (2, -2)),))  # 4x + 5 = -2x + 2, x = -1/2
QUADRATIC = Problem((((6, -5, 1), (0, 0, 0)),), quadratic=True)  # (x - 2)(x - 3)
FRACTIONS = Problem((((-1, -1, 6), (0, 0, 0)),), quadratic=True)  # 6x^2 - x - 1: 1/2 and -1/3
DOUBLE = Problem((((9, 0, 1), (0, 6, 0)),), quadratic=True)  # x^2 + 9 = 6x
SQUARE = Problem((((0, 0, 1), (9, 0, 0)),), quadratic=True)  # x^2 = 9
PAIR = Problem((((0, 1, 1), (5, 0, 0)), ((0, 2, -3), (0, 0, 0))))  # x + y = 5, 2x = 3y
TRIPLE = Problem(  # x + y + z = 6, y - z = -1, x - z = -2
    (
        ((0, 1, 1, 1), (6, 0, 0, 0)),
        ((0, 0, 1, -1), (-1, 0, 0, 0)),
        ((0, 1, 0, -1), (-2, 0, 0, 0)),
    )
)


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        *((LINEAR, text) for text in ("3", "x=3", "x = 3", r"\{3\}", "{3}", "$x = 3$", "6/2", "3.0")),
        *((HALVES, text) for text in ("-1/2", "-0.5", r"-\frac{1}{2}", r"x = \frac{-1}{2}", "−1/2")),
        *((QUADRATIC, text) for text in (
            "2, 3", "3,2", "x=2 or x=3", r"x = 3 \text{ or } x = 2", r"\{2, 3\}", "{3; 2}",
            r"x \in \{2,3\}", "x_1 = 2, x_2 = 3", "x_{1}=3, x_{2}=2", "2 and 3", "x = 2, 3",
            r"x=2 \quad x=3", r"x=2 \lor x=3", "2, 3, 2", "4/2, 3.0", r"\left\{2,3\right\}",
        )),
        *((FRACTIONS, text) for text in ("1/2, -1/3", r"-\frac13, \frac12", "0.5 or -1/3")),
        *((DOUBLE, text) for text in ("3", "3, 3", "x=3")),
        *((SQUARE, text) for text in (r"\pm 3", "±3", r"x = \pm 3", "-3, 3")),
        *((PAIR, text) for text in (
            "(3, 2)", "3, 2", "x=3, y=2", "y=2, x=3", "(x, y) = (3, 2)", r"\left(3, 2\right)",
            r"x = 3 \text{ and } y = 2", "x=3; y=2",
        )),
        *((TRIPLE, text) for text in ("(1, 2, 3)", "z=3, x=1, y=2", "(x,y,z)=(1,2,3)")),
    ],
)  # fmt: skip
def test_every_form_of_the_solutions_counts(problem, answer):
    assert TASK.verify(problem, answer)


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        *((LINEAR, text) for text in (
            "", "x", "x=", "3x", "-3", "3, 3", "3, 4", "y=3", "9/3 + 0", "10 - 7", "x=3=3", "(3)",
            "3x + 1 = 10", "(10 - 1)/3", "٣", "x=9**9**9", "((((((3))))))", "__import__('os')",
        )),
        *((HALVES, text) for text in ("-1/3", "-0.49", "1/2", "-1/2 x")),
        *((QUADRATIC, text) for text in (
            "2", "3", "2, 4", "2, 3, 4", "(2, 3)", "[2, 3]", "x=2, y=3", "23", "2 3", "x^2-5x+6=0",
            r"\frac{5 \pm 1}{2}", "(x-2)(x-3)", r"\pm 2",
        )),
        *((PAIR, text) for text in (
            "(2, 3)", "2, 3", "x=2, y=3", "{3, 2}", "(3)", "3", "x=3", "x=3, x=2", "x=3, 2",
            "(3, 2, 0)", "x+y=5", "(x, y, z) = (3, 2)x",
        )),
        *((TRIPLE, text) for text in ("(3, 2, 1)", "(1, 2)", "1, 2, 3, 4")),
    ],
)  # fmt: skip
def test_other_values_and_unsolved_forms_do_not(problem, answer):
    assert not TASK.verify(problem, answer)


def test_two_numbers_are_not_joined():
    twelve = Problem((((0, 1), (12, 0)),))
    assert TASK.verify(twelve, "12")
    assert not any(TASK.verify(twelve, text) for text in ("1 2", "1$2", r"1\,2", "1\n2"))


@pytest.mark.parametrize(
    "problem",
    [
        Problem((((-2, 0, 1), (0, 0, 0)),), quadratic=True),  # x^2 = 2
        Problem((((1, 0, 1), (0, 0, 0)),), quadratic=True),  # x^2 = -1
        Problem((((0, 1, 1), (2, 0, 0)), ((0, 2, 2), (4, 0, 0)))),  # the same line
    ],
)
def test_without_rational_solutions_nothing_is_right(problem):
    assert not TASK.verify(problem, "0")
    with pytest.raises(Unsolvable, match="`equations` must have"):
        TASK.solve(problem)


def test_the_prompts():
    natural, compact = (preset.template for preset in TASK.presets.values())
    assert [TASK.prompt(problem, natural) for problem in (HALVES, DOUBLE, PAIR)] == [
        r"Solve $4x + 5 = -2x + 2$ for $x$. Give the exact solution, as integers or fractions, in "
        r"\boxed{}.",
        r"Solve $x^2 + 9 = 6x$ for $x$. Give the exact solutions, separated by commas, as integers "
        r"or fractions, in \boxed{}.",
        r"Solve $x + y = 5$ and $2x - 3y = 0$ for $x$ and $y$. Give the exact solution as $(x, y)$, "
        r"as integers or fractions, in \boxed{}.",
    ]
    assert TASK.prompt(PAIR, compact) == r"x+y=5;2x-3y=0 \boxed{}:"


def test_the_traces():
    assert [TASK.demonstrate(problem) for problem in (LINEAR, DOUBLE, PAIR)] == [
        r"3x=9,x=3,\boxed{3}",
        r"x^2-6x+9=0,D=36-36=0,s=0,x=(6+0)/2=3,x=(6-0)/2=3,\boxed{3}",
        r"y=2,x=3,\boxed{(3, 2)}",
    ]


def test_order_of_sides_equations_and_unknowns_is_forgotten():
    swapped = Problem((((10, 0), (1, 3)),))
    assert TASK.canonical(LINEAR) == TASK.canonical(swapped)
    renamed = Problem((((0, -3, 2), (0, 0, 0)), ((5, 0, 0), (0, 1, 1))))  # y = 3, x = 2
    assert TASK.canonical(PAIR) == TASK.canonical(renamed)
    assert TASK.canonical(PAIR) != TASK.canonical(
        Problem((PAIR.equations[0], ((0, 3, 2), (0, 0, 0))))
    )


@pytest.mark.parametrize("preset", ["plain", "seedling"])
def test_every_level_has_more_coefficients(preset):
    counts = []
    for level in (1, 2, 3, 4, 5):
        env = gym.make("Equations-v0", preset=preset, levels=(level,), allow_ood=True).unwrapped
        posed = [env.draw(level, seed) for seed in range(50)]
        sides = [[side for pair in problem.equations for side in pair] for problem in posed]
        counts.append(np.mean([sum(bool(a) for side in some for a in side) for some in sides]))
    assert counts == sorted(counts) and np.diff(counts).min() > 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "cubic"}, "`kind` must be one of"),
        ({"num_unknowns": 4}, r"`num_unknowns` must be in \[1, 3\], got 4"),
    ],
)
def test_wrong_parameters_raise(wrong, message):
    params = {"kind": "system", "max_root": 5, "max_coefficient": 5, "num_unknowns": 2, **wrong}
    with pytest.raises(ValueError, match=message):
        TASK.generate(np.random.default_rng(0), **params)
