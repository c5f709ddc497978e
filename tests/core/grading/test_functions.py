"""Functions and values with names: which value belongs to which name, and for which arguments."""

import pytest

pytest.importorskip("flint")

from edgewise.grading.grade import compare

RIGHT = [
    (r"$f(n)=n$, $g(n)=1$", r"(f(n), g(n)) = (n, 1) \text{ for all positive integers } n"),
    ("f(x)=2x, g(x)=3x", "g(x)=3x, f(x)=2x"),
    ("f(x)=2x, g(x)=3x", "2x, 3x"),
    ("f(x)=2x, g(y)=3y", "(f(t), g(t)) = (2t, 3t)"),
    ("f(x)=0, f(x)=x", "f(x)=x, f(x)=0"),
    ("x=1, y=2", "(y, x) = (2, 1)"),
    ("(x, y) = (1, 2)", "y = 2, x = 1"),
    ("(x, y) = (1, 2)", "(1, 2)"),
    ("(x, y) = (1, 2)", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ("f(x) = 2x", r"f(x) = 2x \text{ for all real } x"),
    ("f(x) = 2x", r"$f(x)=2x$ for every $x \in \mathbb{R}$"),
    ("f(x) = 2x", r"f(x) = 2x, \forall x \in \mathbb{R}"),
    ("f(x) = 2x", "f(x) = 2x for all x"),
    ("2x", "f(x) = 2x for all real numbers x"),
]
WRONG = [
    ("f(x)=2x, g(x)=3x", "g(x)=2x, f(x)=3x"),
    ("f(x)=2x, g(x)=3x", "3x, 2x"),
    ("f(x)=2x, g(x)=3x", "(g(x), f(x)) = (2x, 3x)"),
    ("x=1, y=2", "(y, x) = (1, 2)"),
    ("(x, y) = (1, 2)", "y = 1, x = 2"),
    ("(x, y) = (1, 2)", "(a, b) = (1, 2)"),
    ("(x, y) = (1, 2)", "[1, 2]"),
    ("1, 2", "(x, y) = (1, 2)"),
    ("f(x) = 2x", "f(x) = 2x for all x > 1"),
    ("f(x) = 2x", "f(x) = 2x for some x"),
    ("f(x) = 2x", "f(x) = 2x for all y"),
    ("f(x) = 2x", r"f(x) = 2x \text{ for all } x, 3x"),
    ("7", "7 for all x"),
    ("x = 7", r"x = 7 \text{ for all } x"),
]


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_each_name_has_its_value(gold, answer):
    assert compare(gold, answer) is True


@pytest.mark.parametrize(("gold", "answer"), WRONG)
def test_another_order_name_or_argument_is_wrong(gold, answer):
    assert compare(gold, answer) is False
