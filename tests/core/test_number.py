"""Numbers in answers: every exact form of an integer or a fraction, and nothing else."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.number import read_exact


@pytest.mark.parametrize(
    "text",
    ["1/2", "0.5", ".5", "0.50", "2/4", "-1/-2", r"\frac{1}{2}", r"\dfrac{ 2 }{ 4 }", r"\frac12",
     "$1/2$", " 1 / 2 ", "+1/2", r"-\frac{-1}{2}", "1/2."],
)  # fmt: skip
def test_every_exact_form_of_a_half_is_read(text):
    assert read_exact(text) == Fraction(1, 2)


@pytest.mark.parametrize("text", ["-1200", "−1,200", "- 1200", "-1200.0", "$-1200$", "-2400/2"])
def test_every_form_of_an_integer_is_read(text):
    assert read_exact(text) == -1200


@pytest.mark.parametrize(
    "text",
    ["", "x", "1 2", "1+1", "2*3", "(1/2)", "1/0", r"\frac{1}{0}", "1/2/3", "1e3", "2^3", "12,00",
     "0x10", "1_000", "٣", "½", "²", "nan", "inf", "9" * 61, "0." + "3" * 61, "1..2", "--1", "1%",
     r"\frac{1+1}{2}", r"\frac{1}{2", "one", "\ud800", "1\n2", "=1"],
)  # fmt: skip
def test_what_is_no_number_is_not_read(text):
    assert read_exact(text) is None


def test_a_rounded_value_is_another_number():
    assert read_exact("0.333") != Fraction(1, 3)


@given(st.fractions(max_denominator=10**9))
def test_what_is_written_is_read(value):
    top, bottom = value.numerator, value.denominator
    assert read_exact(str(value)) == read_exact(rf"\frac{{{top}}}{{{bottom}}}") == value


@given(st.text())
def test_no_text_raises(text):
    read_exact(text)
