"""Each text has one reading, of one type."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("flint")

from edgewise.answer import extract_answer
from edgewise.grading import graded_by, read_number
from edgewise.grading.prose import find_answer
from edgewise.grading.reader import read, tokens_of
from edgewise.grading.text import normalise

TYPES = [
    ("7", "Expression"), (r"1\frac{2}{3}", "Expression"), ("3e-5", "Expression"), (r"0.1\overline{6}", "Expression"),
    (r"12\%", "Percentage"), ("12 percent", "Percentage"), (r"\$5", "Quantity"), ("$5", "Quantity"),
    ("5 cm", "Quantity"), (r"5\text{ square feet}", "Quantity"), ("18 people", "Quantity"), (r"30^\circ", "Quantity"),
    ("2A_{16}", "Numeral"), (r"101_{\text{two}}", "Numeral"), ("9:05", "Clock"), (r"9\text{ a.m.}", "Clock"),
    ("9:16", "Ratio"), ("June 20", "Date"), (r"\approx 3", "Approximation"), ("x = 3", "Named"), ("AB = 12", "Named"),
    ("AB=9, CD=4", "Record"), ("f(x) = 2x", "Function"), ("x^2 + y^2 = 1", "Relation"), ("b \\le a/3", "Relation"),
    ("a < b < c", "Chain"), ("(1, 2)", "Tuple"), (r"\langle 1, 2 \rangle", "Tuple"), ("[1, 2)", "Tuple"),
    ("x < 3", "RealSet"), ("1 < 2x + 1 \\le 5", "RealSet"), (r"|x - 1| < 2", "RealSet"), (r"\mathbb{R}", "RealSet"),
    (r"(-\infty, 1) \cup [2, \infty)", "RealSet"), (r"x \in \mathbb{Z}", "NumberSet"), ("1, 2", "Collection"),
    (r"\{1, 2\}", "Collection"), (r"\pm 3", "Collection"), ("x = 1 or x = 2", "Collection"), (r"\emptyset", "Collection"),
    (r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", "Matrix"), (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "Expression"),
    (r"\begin{cases}x&x\ge0\\-x&x<0\end{cases}", "Piecewise"), ("(C)", "Letter"), (r"\textbf{(A)}\ 46", "Letter"),
    (r"\text{even}", "Words"), ("parallelogram", "Words"),
]  # fmt: skip
UNREAD = [
    "7?8", "8 = 7", "1/0", r"\frac{1}{0}", "7 8", "1,00,0 - ", r"7\frac{3}{2}", "x^2^3", "1/2x", "(1, 2", "7 < 8", r"\ge 7",
    r"\sin^{-2}", "- -3", r"\sqrt{}", "{}", "x = = 2", "1 < x > 0", "0^0", r"\foo", r"\begin{pmatrix}1&2\\3\end{pmatrix}",
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), TYPES)
def test_the_type_of_a_text(text, name):
    assert type(read(text)).__name__ == name


@pytest.mark.parametrize("text", UNREAD)
def test_what_has_no_reading(text):
    value = read(text)
    assert value is None or type(value).__name__ == "Words"
    assert graded_by(text) == "text" or type(value).__name__ == "Words"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234", 1234), ("1 234 567", 1234567), (r"3,\!250", 3250), ("60{,}000", 60000), ("-.5", Fraction(-1, 2)),
     (r"-2\frac14", Fraction(-9, 4)), ("1 3/4", Fraction(7, 4)), ("6¼", Fraction(25, 4)), ("2.5e3", 2500),
     (r"0.1\overline{6}", Fraction(1, 6)), ("0.(3)", Fraction(1, 3)), (r"{507 \over 595}", Fraction(507, 595)),
     (r"\frac{1}{21,000}", Fraction(1, 21000)), ("−7.", -7), ("\uff11\uff12", 12), ("**73**", 73), (r"\(7\)", 7)],
)  # fmt: skip
def test_the_value_of_a_number(text, value):
    assert read_number(text) == value


@pytest.mark.parametrize(
    "text", ["2 + 3", "1/0", "2^3", "", "٣", "x", "7 8", "1,22", "(1, 2)", r"12\%"]
)
def test_what_is_no_number(text):
    assert read_number(text) is None


def test_a_comma_separates_in_brackets_and_groups_digits_outside():
    assert len(read("(1,234)").items) == 2 and len(read(r"\{2,251,252\}").items) == 3
    assert read("1,234") == read("1234")


def test_text_and_style_are_one_spelling():
    texts = [r"\text{5 cm}", r"5\,\mathrm{cm}", r"5\;\textrm{cm}", r"\boldsymbol{5}\text{ cm}"]
    assert {read(text) for text in texts} == {read("5 cm")}
    assert tokens_of(r"\left( x \right)") == tokens_of(r"\Big( x \Big)") == tokens_of("( x )")


def test_dollars_are_delimiters_in_pairs_and_money_alone():
    assert normalise("$5$ or $6$").split() == ["\x01", "5", "\x01", "or", "\x01", "6", "\x01"]
    assert type(read("$5")).__name__ == "Quantity" and read("$5$ $6$") is None


def test_the_answer_of_a_text():
    assert find_answer(r"\boxed{\boxed{12}}") == "12" and find_answer("no box") == "no box"
    assert find_answer(r"\boxed{1} no \boxed{2") == "1"
    assert find_answer(r"\boxed{a} \text{ and } \boxed{b}") == "a, b"
    assert find_answer(r"\\boxed{a} and \\boxed{b}") == "a, b" and find_answer(r"$\boxed 7$") == "7"


@settings(deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            [r"\boxed{", r"\fbox {", r"\boxed 7", "{", "}", r"\}", r"\\", "1", " and ", "$"]
        )
    )
)
def test_grading_and_environments_find_the_same_last_box(parts):
    found = extract_answer("".join(parts), "boxed")
    if found is not None:
        assert find_answer("".join(parts)).strip().endswith(found)
