"""Arithmetic: what counts as the value, which problems are the same, and how levels grow."""

import ast
from fractions import Fraction

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.arithmetic import COMPACT, Arithmetic, Problem, evaluate, write
from edgewise.task import Unsolvable

TASK = Arithmetic()
HALF = Problem(("/", ("-", 7, 4), 6))  # (7 - 4) / 6


def exact(node):
    """The value of an expression as Python reads it."""
    if isinstance(node, ast.Constant):
        return Fraction(node.value)
    left, right = exact(node.left), exact(node.right)
    kinds = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__"}
    return getattr(left, kinds[type(node.op)])(right)


@pytest.mark.parametrize("answer", ["1/2", "0.5", ".5", r"\frac{1}{2}", r"\frac{3}{6}", "$1/2$"])
def test_every_exact_form_counts(answer):
    assert TASK.verify(HALF, answer)


@pytest.mark.parametrize(
    "answer",
    ["(7 - 4) / 6", "3/6 + 0", "1/2 = 0.5", "x = 1/2", "-1/2", "2", "1/2 or 1/3", "", "½", "٣/٦",
     "0.5000000000000001", "9**9**9", "(" * 50 + "1/2" + ")" * 50, "__import__('os')", "1/0"],
)  # fmt: skip
def test_an_expression_or_another_value_does_not(answer):
    assert not TASK.verify(HALF, answer)


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        (("-", ("+", 57, 57), 93), 21),
        (("*", ("+", 81, ("*", 45, 31)), 61), 90036),  # 45 * 31 = 1395, 1476 * 61
        (("/", ("/", 15, ("/", 72, 66)), 91), Fraction(55, 364)),  # 15 * 11 / 12 = 55 / 4
        (("-", 3, ("-", 5, 9)), 7),
    ],
)
def test_values_worked_by_hand(tree, value):
    assert TASK.verify(Problem(tree), str(value))


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_python_reads_the_expression_alike(level):
    env = gym.make("Arithmetic-v0", levels=(level,), allow_ood=True).unwrapped
    for seed in range(100):
        tree = env.draw(level, seed).tree
        assert exact(ast.parse(write(tree, COMPACT), mode="eval").body) == evaluate(tree, [])


def test_division_by_0_has_no_value():
    problem = Problem(("/", 1, ("-", 2, 2)))
    assert not TASK.verify(problem, "0")
    with pytest.raises(Unsolvable, match="must not divide by 0"):
        TASK.solve(problem)


def test_brackets_stand_only_where_they_are_needed():
    trees = [
        ("-", 1, ("+", 2, 3)),
        ("-", ("+", 1, 2), 3),
        ("/", 8, ("*", 2, 2)),
        ("+", ("*", 2, 3), 4),
    ]
    assert [write(tree, COMPACT) for tree in trees] == ["1-(2+3)", "1+2-3", "8/(2*2)", "2*3+4"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("+", 2, ("*", 3, 4)), ("+", ("*", 4, 3), 2)),
        (("-", ("+", 5, 6), 7), ("-", 5, ("-", 7, 6))),  # 5 + 6 - 7 = 5 - (7 - 6)
        (("/", ("*", 2, 9), 3), ("*", 2, ("/", 9, 3))),
    ],
)
def test_order_of_terms_and_factors_is_forgotten(left, right):
    assert TASK.canonical(Problem(left)) == TASK.canonical(Problem(right))


def test_other_operations_are_another_problem():
    texts = {TASK.canonical(Problem((operation, 8, 4))) for operation in "+-*/"}
    assert len(texts) == 4 and TASK.canonical(Problem(("-", 4, 8))) not in texts


def test_the_prompts():
    problem = Problem(("/", ("*", 12, ("-", 7, 4)), 6))
    assert [TASK.prompt(problem, preset.template) for preset in TASK.presets.values()] == [
        r"Calculate $12 \times (7 - 4) \div 6$. Give the exact value, an integer or a fraction, in "
        r"\boxed{}.",
        *[r"12*(7-4)/6 \boxed{}:"] * 6,
    ]


def test_the_trace_shows_partial_products():
    assert TASK.demonstrate(Problem(("*", ("-", 12, 47), 203))) == (
        r"12-47=-35,-35*203=-7105,\boxed{-7105}"
    )
    assert TASK.demonstrate(Problem(("*", 35, 203))) == r"35*203=7000+105=7105,\boxed{7105}"


@pytest.mark.parametrize("preset", ["plain", "seedling", "sums", "ladder"])
def test_every_level_has_more_operations_and_a_longer_trace(preset):
    lengths = []
    for level in (1, 2, 3, 4, 5):
        env = gym.make("Arithmetic-v0", preset=preset, levels=(level,), allow_ood=True).unwrapped
        lengths.append(np.mean([len(env.demonstrate(env.draw(level, s))) for s in range(200)]))
    operations = [level["num_operations"] for level in TASK.presets[preset].levels.values()]
    assert operations == sorted(set(operations)) and lengths == sorted(lengths)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_operations": 0}, "`num_operations` must be at least 1, got 0"),
        ({"operations": "^"}, "`operations` must be some of"),
        ({"operations": ""}, "`operations` must be some of"),
    ],
)
def test_wrong_parameters_raise(wrong, message):
    params = {"num_operations": 2, "operations": "+-", "max_number": 9, **wrong}
    with pytest.raises(ValueError, match=message):
        TASK.generate(np.random.default_rng(0), **params)


@pytest.mark.parametrize("preset", ["plain", "seedling", "sums", "ladder"])
def test_what_is_written_is_read_again(preset):
    env = gym.make("Arithmetic-v0", preset=preset, template="{compact}").unwrapped
    latex = gym.make("Arithmetic-v0", preset=preset, template="{latex}").unwrapped
    for seed in range(50):
        env.reset(seed=seed)
        for text in (env.prompt(env.problem), latex.prompt(env.problem)):
            read = TASK.parse(text, "")
            assert read is not None and TASK.canonical(read) == TASK.canonical(env.problem)
            assert TASK.solve(read) == TASK.solve(env.problem)


@pytest.mark.parametrize(
    "text",
    ["", " ", "()", "1+", "+1", "1++2", "(1", "1)", "1 2", "2(3)", "x+1", "1.5+2", "٣+1", "1" * 10,
     "(" * 150 + "1", "1+" * 150 + "1", "9**9", "{}{0}%s", "\udcff", "1;2"],
)  # fmt: skip
def test_what_is_no_expression_is_not_read(text):
    assert TASK.parse(text, "1") is None
