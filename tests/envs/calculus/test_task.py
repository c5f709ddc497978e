"""Calculus: known derivatives, equal forms, up to a constant, and SymPy as an independent judge."""

from fractions import Fraction

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.calculus.functions import derive, same
from edgewise.envs.calculus.reader import read_function
from edgewise.envs.calculus.task import Calculus, Problem, Term, differentiate

TASK = Calculus()
ONE = Fraction(1)
CUBE = (Term(ONE, power=3),)
MIXED = (Term(ONE, power=2, wave=("sin", 1, 1)),)  # x^2 sin x
SQUARE = (Term(Fraction(1, 2), power=2), Term(ONE, power=1))  # x^2 / 2 + x
LOG = (Term(ONE, log=1),)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        ("x^3", "3x^2"),
        ("7", "0"),
        ("1/x", "-1/x^2"),
        ("sin(x)", "cos(x)"),
        ("cos(2x)", "-2sin(2x)"),
        ("tan(x)", "sec(x)^2"),
        ("tan(x)", "1 + tan^2(x)"),
        ("e^(3x)", "3e^(3x)"),
        ("e^{-x^2}", "-2x e^{-x^2}"),
        ("ln(x)", "1/x"),
        ("ln(5x^2)", "2/x"),
        ("x ln(x) - x", "ln(x)"),
        ("x sin(x)", "sin(x) + x cos(x)"),
        ("ln(x)^3", "3ln(x)^2/x"),
        ("sin(x)/x", r"\frac{x\cos x - \sin x}{x^2}"),
        ("1/(1+x^2)", "-2x/(1+x^2)^2"),
        ("(2x+1)^5", "10(2x+1)^4"),
        ("e^x/(1+e^x)", r"\frac{e^x}{(1+e^x)^2}"),
        ("csc(x)", "-csc(x)cot(x)"),
    ],
)
def test_known_derivatives(function, slope):
    found, right = read_function(function), read_function(slope)
    assert same(derive(found), right) and not same(derive(found), read_function(f"{slope} + 1"))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"\sin^2 x + \cos^2 x", "1"),
        ("2 sin(x) cos(x)", r"\sin 2x"),
        ("cos(2x)", "1 - 2sin(x)^2"),
        ("e^(2x) e^x", "exp(3x)"),
        ("e^{x+1}", r"e \cdot e^x"),
        ("(x+1)^2", "x^2+2x+1"),
        ("(x^2-1)/(x-1)", "x+1"),
        (r"\frac{1}{2}x", "0.5x"),
        (r"\frac12 x", "x/2"),
        ("ln(6x)", "ln(2) + ln(3) + ln|x|"),
        (r"\ln\left(|x|\right)", "log(x)"),
        ("ln(1/x)", "-ln(x)"),
        ("ln(e^(2x))", "2x"),
        ("x**2", "x^{2}"),
        (r"\mathrm{e}^{x}", "e^x"),
        ("x^-2", r"\frac{1}{x^{2}}"),
        ("e^x^2", "e^(x^2)"),
        ("-x^2", "-(x^2)"),
        (r"f'(x) = 2\,x", "2x"),
        ("−x", "-x"),
        ("sin(-x)", "-sin(x)"),
        ("cos(0)", "sin(0) + 1"),
    ],
)
def test_equal_functions_are_equal(left, right):
    assert same(read_function(left), read_function(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sin(x)^2", "sin(x^2)"),
        ("e^(2x)", "e^2 x"),
        ("x^2", "2x"),
        ("ln(x^2)", "ln(x)^2"),
        ("e", "2.718281828459045"),
        ("x", "x + 0.000000000001"),
        ("ln(2)", "0.6931471805599453"),
        ("1/2x", "1/(2x)"),
    ],
)
def test_others_are_not(left, right):
    assert not same(read_function(left), read_function(right))


@pytest.mark.parametrize(
    "text",
    ["", "()", "x +", "* x", "(x", "x)", "{x]", "x 2 3", "1 2", "sin", r"\sin^{-1} x", "x^x", "x^(1/2)",
     "x^0.5", "sqrt(x)", r"\frac{d}{dx} x^2", r"\int x dx", "y", "pi", "1/0", "1/(x-x)", "ln(0)",
     "ln(x+1)", "sin(sin(x))", "e^(e^x)", "sin(1/(x+1))", "9^9^9", "x^999999", "e^(x^61)", "(x+1)^61",
     "(((x+1)^30+1)^30+1)^30", "9^60" * 40, "(x+e^x+sin(x)+ln(x)+1)^20", "(" * 300 + "x" + ")" * 300,
     "((((((((((((((((((((((x))))))))))))))))))))))", "^".join("x" * 40), "e^" * 40 + "x", "-" * 900,
     "ln(99999999999999)", "٣", "x2", "²", "x²", "__import__('os')", "1e5x", "|x|", "x = 3", "f(x) =",
     "x; x", "\ud800", "\0", "0x10", "1_0", "x" * 1001, "x" * 900],
)  # fmt: skip
def test_what_is_no_function_of_this_kind_is_not_read(text):
    assert read_function(text) is None


@pytest.mark.parametrize(
    ("kind", "terms", "answer"),
    [
        *(("derivative", CUBE, text) for text in (
            "3x^2", "3 x^{2}", r"3 \cdot x^2", "3*x**2", "f'(x) = 3x^2", "y' = 3x^2", "x^2 + 2x^2",
            r"\frac{6x^3}{2x}", "3xx",
        )),
        *(("derivative", MIXED, text) for text in (
            r"2x\sin(x) + x^2\cos(x)", r"x(2\sin x + x\cos x)", "x^2cos(x)+2x sin(x)",
        )),
        *(("antiderivative", SQUARE, text) for text in (
            "x^2/2 + x", "x^2/2 + x + C", r"\frac{x^2}{2} + x + 5", r"\frac{(x+1)^2}{2}",
            "F(x) = 0.5x^2 + x + C", "C + x + x^2/2", "x^2/2 + x - 2C", "x^2/2 + x + c",
        )),
        *(("antiderivative", LOG, text) for text in (
            r"\ln|x| + C", "ln(x)", r"\ln(3x)", r"\ln\left|x\right|+C", "-ln(1/x)",
        )),
    ],
)  # fmt: skip
def test_every_equal_form_counts(kind, terms, answer):
    assert TASK.verify(Problem(kind, terms), answer)


@pytest.mark.parametrize(
    ("kind", "terms", "answer"),
    [
        *(("derivative", CUBE, text) for text in (
            "3x^2 + C", "3x^2 + 1", "3x", "x^3", "2x^2", r"\frac{d}{dx}x^3", "3x^2 or 2x", "(x^3)'",
            "f'(x) = f'(x) = 3x^2", "3x^2 = 3x^2",
        )),
        *(("antiderivative", SQUARE, text) for text in (
            "x + 1", "x^2 + x", "x^2/2 + x + C x", "C", r"\int (x+1) dx", "x^2/2 + x + K",
        )),
        *(("antiderivative", LOG, text) for text in ("1/x", "x ln(3x)", "ln(x)^2", "ln(x + C)")),
    ],
)  # fmt: skip
def test_other_functions_and_the_question_itself_do_not(kind, terms, answer):
    assert not TASK.verify(Problem(kind, terms), answer)


def test_derivatives_of_terms_worked_by_hand():
    # (3 x^2 ln(x) e^(-x) cos(2x))'
    term = Term(Fraction(3), 2, 1, (-1, 1), ("cos", 2, 1))
    assert set(differentiate([term])) == {
        Term(Fraction(6), 1, 1, (-1, 1), ("cos", 2, 1)),
        Term(Fraction(3), 1, 0, (-1, 1), ("cos", 2, 1)),
        Term(Fraction(-3), 2, 1, (-1, 1), ("cos", 2, 1)),
        Term(Fraction(-6), 2, 1, (-1, 1), ("sin", 2, 1)),
    }


def test_the_prompts():
    natural, compact = (preset.template for preset in TASK.presets.values())
    terms = (Term(Fraction(-3), 2, 0, (-1, 2)), Term(Fraction(5, 2), 0, 1, wave=("cos", 1, 1)))
    problem = Problem("derivative", terms)
    assert TASK.prompt(problem, natural) == (
        r"Find the derivative of $f(x) = -3 x^2 e^{-x^2} + \frac{5}{2} \ln(x) \cos(x)$ with respect "
        r"to $x$, for $x > 0$. Give it as a function of $x$ in \boxed{}."
    )
    assert TASK.prompt(problem, compact) == r"d -3x^2e^(-x^2)+5ln(x)cos(x)/2 \boxed{}:"
    inverse = Problem("antiderivative", SQUARE)
    assert TASK.prompt(inverse, natural).startswith("Find an antiderivative of $f(x) = x + 1$ with")
    assert TASK.demonstrate(inverse) == r"(x^2/2)'=x,(x)'=1,\boxed{x^2/2+x}"


def test_order_of_terms_is_forgotten_and_the_kind_is_not():
    assert TASK.canonical(Problem("derivative", SQUARE)) == TASK.canonical(
        Problem("derivative", SQUARE[::-1])
    )
    assert TASK.canonical(Problem("derivative", CUBE)) != TASK.canonical(
        Problem("antiderivative", CUBE)
    )


def test_there_is_an_arm_for_each_kind():
    env = gym.make("Calculus-v0", levels=(1, 2), arms="kind").unwrapped
    kinds = [env.pose(env.choose(env.np_random, arm))[0].kind for arm in env.arms]
    assert kinds == ["derivative", "antiderivative"] * 2


def test_every_level_has_more_factors():
    counts = []
    for level in (1, 2, 3, 4, 5):
        env = gym.make("Calculus-v0", levels=(level,), allow_ood=True).unwrapped
        drawn = [env.draw(level, seed).terms for seed in range(50)]
        filled = [
            [bool(part) for t in terms for part in (t[1], t[2], t[3][0], t[4][0])]
            for terms in drawn
        ]
        assert len({sum(some) for some in filled}) == 1
        counts.append(sum(filled[0]))
    assert counts == [2, 3, 4, 6, 8]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "limit"}, "`kind` must be one of"),
        ({"num_terms": 0}, "`num_terms` must be at least 1, got 0"),
        ({"num_factors": 3}, "`num_factors` must be 0, 1 or 2, got 3"),
    ],
)
def test_wrong_parameters_raise(wrong, message):
    params = {"num_terms": 2, "num_factors": 1, "max_coefficient": 9, "max_inner": 1, **wrong}
    with pytest.raises(ValueError, match=message):
        TASK.generate(np.random.default_rng(0), **params)


def as_sympy(sympy, terms, x):
    """The terms as SymPy's own objects, made without any text."""
    total = sympy.Integer(0)
    for value, power, log, (a, k), (name, b, j) in terms:
        term = sympy.Rational(value.numerator, value.denominator) * x**power * sympy.log(x) ** log
        wave = getattr(sympy, name)(b * x**j) if name else 1
        total += term * sympy.exp(a * x**k if a else 0) * wave
    return total


@pytest.mark.parametrize(
    "level", [1, 5, *(pytest.param(level, marks=pytest.mark.slow) for level in (2, 3, 4))]
)
def test_sympy_finds_the_same_and_its_forms_count(level):
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x", positive=True)
    env = gym.make("Calculus-v0", levels=(level,), allow_ood=True).unwrapped
    for seed in range(5):
        problem = env.draw(level, seed)
        function = as_sympy(sympy, problem.terms, x)
        slope = sympy.diff(function, x)
        assert sympy.expand(slope - as_sympy(sympy, differentiate(problem.terms), x)) == 0
        answer = slope if problem.kind == "derivative" else function
        for form in (answer, sympy.factor(answer)):
            for text in (str(form), sympy.latex(form)):
                assert env.task.verify(problem, text), text
                assert not env.task.verify(problem, f"{text} + x"), text
