"""Equality of typed values is an equivalence relation, and no text is right for two values."""

from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("flint")

from edgewise.grading.grade import compare
from edgewise.grading.reader import read

small = st.integers(-12, 12)
positive = st.integers(1, 12)


@st.composite
def numbers(draw):
    """A number in one of the notations there are."""
    top, bottom = draw(small), draw(positive)
    form = draw(st.integers(0, 6))
    value = Fraction(top, bottom)
    if form == 0:
        return rf"\frac{{{top}}}{{{bottom}}}"
    if form == 1:
        return f"{top}/{bottom}"
    if form == 2:
        return f"{top}"
    if form == 3:
        return rf"{top}\sqrt{{{bottom}}}"
    if form == 4:
        return f"{float(Fraction(top, 8))}"
    if form == 5:
        return rf"{abs(top)}\frac{{{bottom}}}{{{bottom + 1}}}"
    return rf"{value.numerator} \cdot \dfrac{{1}}{{{value.denominator}}}"


@st.composite
def values(draw):
    """A value of one of the types."""
    one, two = draw(numbers()), draw(numbers())
    forms = [
        one, rf"{one}\%", rf"{one}\text{{ cm}}", rf"\${one}", rf"{{{one}}}^\circ", f"x={one}",
        f"({one}, {two})", rf"\{{{one}, {two}\}}", f"{one}, {two}", rf"x < {one}", rf"x \ge {one}",
        rf"\begin{{pmatrix}} {one} \\ {two} \end{{pmatrix}}", f"y = {one}x + {two}", f"{one}x + {two}",
        f"{draw(positive)}:{draw(positive)}", rf"{one} \pm {two}", f"{draw(positive)}_{{13}}",
        f"f(x) = {one}x", r"\text{red}", "B", rf"(-\infty, {one}) \cup [{two}, \infty)",
    ]  # fmt: skip
    return draw(st.sampled_from(forms))


def same(left, right):
    return compare(left, right) is True


@settings(max_examples=80, deadline=None)
@given(values())
def test_reflexive(text):
    assume(read(text) is not None)
    assert same(text, text) and same(text, f"$ {text} $") and same(text, rf"so \boxed{{{text}}}")


@settings(max_examples=60, deadline=None)
@given(st.lists(values(), min_size=3, max_size=8))
def test_symmetric_and_transitive_within_a_type(texts):
    groups = {}
    for text in texts:
        groups.setdefault(type(read(text)), []).append(text)
    for kind, group in groups.items():
        if kind is type(None):
            continue
        for a in group:
            for b in group:
                assert same(a, b) == same(b, a), (a, b)
                for c in group:
                    assert not (same(a, b) and same(b, c)) or same(a, c), (a, b, c)


JOINS = [" ", ",", ", ", " or ", "=", r"\ne ", r"\approx ", "|", r"\;", r"\,", "~", "$", "$ $", r"\$", r"\(", "?",
         "!", ":", "; ", r"\\", "&", r"\to ", r"\land ", "{}", "_{}", "^{}", r"\pm ", "/", "+", "-", r"\text{ and }",
         r"\text{not }", r"\overline{", "}", r"\boxed{", r"\phantom{", "\n", "\n\n", "%", "(", ")", "[", "]"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 99), min_size=2, max_size=3, unique=True),
    st.lists(st.sampled_from(JOINS), min_size=2, max_size=4),
)
def test_a_text_of_several_numbers_is_right_for_one_at_most(numbers, joins):
    text = "".join(f"{number}{join}" for number, join in zip(numbers, [*joins, ""], strict=False))
    right = [gold for gold in range(100) if compare(str(gold), text)]
    assert len(right) <= 1


WORDS = (
    r"answer |is |**|<||so |therefore |Answer:|only |and |or |not |am|U|x=|1|i|\boxed{|\[|\pm|\cup |\{|\}|\frac"
    r"|\sqrt|\text{|\begin{cases}|\mathbb{R}|\langle |\emptyset"
)  # and signs: what the readers look for
PIECES = [*WORDS.replace("<||", "").split("|"), "<|", "|", "\n", *"[](),;:=-{}<%$^_. "]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
@example("[,]")
@example("<|not or not ")
def test_nothing_raises_on_pieces_of_answers(text):
    assert not compare("7919", text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=r"0123456789xyabi+-*/^_=<>(){}[]|\$.,;:!?% πfractsqleu", max_size=60))
def test_nothing_raises_and_no_text_is_right_for_two_numbers(text):
    assert sum(bool(compare(gold, text)) for gold in ("7", "8", "-1", r"\frac12", r"\sqrt2")) <= 1
