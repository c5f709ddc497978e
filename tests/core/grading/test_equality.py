"""Answers that mean the same are equal, others are not: type by type, and between types."""

import pytest

pytest.importorskip("flint")

from edgewise.grading.grade import compare

EQUAL = [  # in both directions
    ("1,200", "1200"), ("0.5", r"\frac{1}{2}"), (r"\frac{3}{4}", r" \dfrac{3}{4}. "), ("7", "$7$"),
    ("x^2+2x+1", "(x+1)^2"), (r"\sqrt{12}", r"2\sqrt{3}"), (r"\sin(2a)", r"2\sin(a)\cos(a)"),
    ("(1, 2)", r"\left(1,2\right)"), ("1, 2", "2, 1"), (r"1 \pm \sqrt{5}", r"1-\sqrt{5}, 1+\sqrt{5}"),
    ("(-∞, 2)", "x < 2"), (r"[1, \infty)", r"x \ge 1"), (r"[-1, 3]", r"-1 \leqslant x \leqslant 3"),
    (r"\{x \mid x > 4\}", r"(4, \infty)"), (r"x < -1 \text{ or } x = 2", r"(-\infty, -1) \cup \{2\}"),
    (r"\{y | y < 5\} - \{0\}", r"(-\infty, 0) \cup (0, 5)"), ("f(x) = 3x + 1", "g(n) = 1 + 3n"),
    (r"x = 2k\pi", r"2n\pi"), (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1, 2)"),
    (r"R_{\max} = 2a", "2a"), ("3", "x = 3"), (r"\frac12", r"\dfrac 1 2"), (r"6\frac{1}{5}", "6.2"),
    (r"\text{Monday}", "monday"), (r"\text{(B)}", "B"), (r"\sqrt[3]{8}", "2"), ("1 234 567", "1234567"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"), (r"\{1, 2\}", r"\{2, 1\}"), ("2√5", r"\sqrt{20}"),
    (r"\mathbf{33}", "33"), ("(1+i)^2", "2i"), (r"0.\overline{3}", r"\frac13"), ("6.64e6", "6640000"),
    (r"\frac{x^2-1}{x-1}", "x+1"), (r"\sqrt[3]{x}", "x^{1/3}"), (r"e^{i\pi}", "-1"),
    (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"), (r"|x-2|", r"\sqrt{(x-2)^2}"), (r"\log_2 9", r"2\log_2 3"),
    (r"\arctan x", r"\tan^{-1} x"), ("3:45 p.m.", r"3:45\text{ PM}"), ("June 20", r"\text{20 June}"),
    (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"), (r"y = 2x + 1", "2x - y + 1 = 0"),
    (r"\frac{1}{2}\begin{pmatrix}2&0\\0&4\end{pmatrix}", r"\begin{bmatrix}1&0\\0&2\end{bmatrix}"),
    ("f(2) < f(1) < f(4)", "f(4) > f(1) > f(2)"), ("(1,2)\\cup(2,3)", r"(1,3)\setminus\{2\}"),
    (r"12\text{ cm}^2", "12 square centimeters"), ("60 mph", r"60\ \frac{\text{miles}}{\text{hour}}"),
    ("a = 4, b = 5", "b = 5, a = 4"), ("4,5", "a = 4, b = 5"), ("(3,-2)", "x=3, y=-2"), (r"\text{Ann and Bob}", r"\text{Bob and Ann}"),
]  # fmt: skip
ONE_WAY = [  # gold, answer: a stated conversion that does not hold the other way round
    (r"25\%", "25"), ("1011_2", "1011"), ("5:8", r"\frac58"), (r"45^\circ", r"\frac{\pi}{4}"),
    (r"\approx 8.24", "8.24"), ("y - 3 = 2x", "2x + 3"),
]  # fmt: skip
BOTH_MARKS = [
    ("5", r"5\text{ cm}"),
    (r"5\text{ cm}", "5"),
    ("45", r"45^\circ"),
    ("18", "18 people"),
    ("4.50", r"\$4.50"),
    (r"\$4.50", "4.5"),
]
DIFFERENT = [  # in both directions
    ("12", "1 2"), (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 12 \end{pmatrix}"),
    (r"6\frac{1}{5}", "6.3"), (r"\text{Monday}", r"\text{Friday}"), (r"\text{five}", "5"),
    (r"45^\circ", r"54^\circ"), (r"\$18.90", r"\$19.80"), ("3x + 1", "3x + 2"), ("2112_6", "2113_6"),
    (r"40 \text{ cats}, 60 \text{ dogs}", r"40 \text{ cats}, 50 \text{ dogs}"), ("1, 2", "1, 3"),
    ("9876", "4265 5611"), ("9876", "{4265}{5611}"), ("9876", r"4265\,{5611}"), ("2", "0(1 - 1)^{-1}"),
    ("9876", r"4265\frac{5611}{1}"), ("(1, 987)", "(1, 426 561)"), ("9876", "the sum $4265 5611$"),
    ("12", "21"), ("7", "7.5"), (r"\frac{2}{3}", "0.66"), (r"\frac23", "0.6666667"), ("(1, 2)", "(2, 1)"),
    ("x^2+2x+1", "x^2+2x+2"), ("1, 2", "1"), (r"1 \pm \sqrt{5}", r"1+\sqrt{5}"), ("(-∞, 2)", r"x \le 2"),
    ("[1, 2]", "(1, 2]"), (r"[-1, 3]", "-1 < x < 3"), (r"\{y | y < 5\} - \{0\}", r"(-\infty, 5)"),
    ("f(x) = 3x + 1", "g(n) = 3n"), (r"x = 2k\pi", r"n\pi"), ("y^2 = x^2", "x"), ("|x|", "x"),
    (r"\frac{2^{99}-1}{2^{98}-1}", r"\frac{2^{98}-1}{2^{97}-1}"), (r"0.\overline{3}", r"0.\overline{4}"),
    (r"0.\overline{3}", "0.333"), (r"\ln(x^2)", r"2\ln x"), (r"\sqrt{x^2y}", r"x\sqrt{y}"), ("x^4", "x^4+10^{-13}"),
    (r"\pi", "3.14159265"), ("2:3", "3:2"), ("x=5", "x=5=6"), ("7", "x=8=7"), ("7", "7!"), 
    ("7", "7, 7"), ("7", r"7\text{ or }8"), ("7", r"\phantom{7}8"), ("1011_2", "1011_3"), ("1011_2", "11"),
    (r"5\text{ cm}", r"5\text{ kg}"), (r"5\text{ m}", r"5\text{ m}^2"), (r"45^\circ", r"45\text{ rad}"),
    ("(1,2)", r"\{1,2\}"), ("1,2", "1.2"), ("C", "D"), ("C", r"\text{not } C"), (r"\infty", "10^{300}"),
    ("y=3", "x=3"), ("x<2", "y<2"), (r"a + 3m", "a + 3"), ("4:30 p.m.", "4:30 a.m."), ("0", r"\varnothing"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}"), ("-3", "- -3"),
    (r"\{y | y > 0\}", r"[0, \infty)"), ("x > 1, y > 2", "x > 1"), ("x=1, x=2", "x=1, w=2"), ("x=1, 2", "w=1, 2"),
    (r"9\text{ square units}", r"9\text{ square units}^2"), (r"\max(x^9+6859, 0)", "x^9+6859"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_answers_that_mean_the_same_are_equal_both_ways(gold, answer):
    assert [compare(gold, answer), compare(answer, gold)] == [True, True]


@pytest.mark.parametrize(("gold", "answer"), ONE_WAY)
def test_some_conversions_hold_for_the_answer_only(gold, answer):
    assert [compare(gold, answer), compare(answer, gold)] == [True, False]


@pytest.mark.parametrize(("gold", "answer"), BOTH_MARKS)
def test_a_unit_may_be_left_out_or_added(gold, answer):
    assert compare(gold, answer) is True


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_answers_that_mean_something_else_are_not(gold, answer):
    assert [compare(gold, answer), compare(answer, gold)] == [False, False]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("1,2", "1.2"), ("(1,2)", "(1.2)"), ("(1,2)", "1.2"), ("-2,1", "-2.1"), ("[1,5]", "1.5"),
     ("1.2", "(1,2)"), ("1.2", r"\{1,2\}"), ("12", "1,2"), ("1.2", "1,2,0"), ("1.22", "1,22")],
)  # fmt: skip
def test_a_list_is_no_decimal(gold, answer):
    assert compare(gold, answer) is False


def test_a_bare_number_is_the_ratio_below_two_and_per_cent_from_there():
    assert [compare(r"0.25\%", text) for text in ("0.25", "0.0025", r"0.25\%")] == [
        False,
        True,
        True,
    ]
    assert [compare(r"198\%", text) for text in ("198", "1.98")] == [True, True]
    assert [compare("0.25", text) for text in (r"25\%", r"0.25\%")] == [True, False]


@pytest.mark.parametrize("text", ["7?8", r"7?\;8", "8=7", "20160 | 4060", r"7 \land 8", r"\foo 7", "7{}8",
                                  r"3 \to 4", "7 & 8", r"\sout{7} 8", r"\stackrel{7}{8}", "5$ or $4\\hline", "7..."])  # fmt: skip
def test_what_is_not_used_up_is_right_for_nothing_but_itself(text):
    assert [compare(gold, text) for gold in ("7", "8", "78", "15", "56", "4060")] == [False] * 6
    assert compare(text, text) is True


@pytest.mark.parametrize("answer", [None, 7, b"7", ["7"], {}, float("nan"), "", "  "])
def test_what_is_no_text_is_wrong(answer):
    assert compare("7", answer) is False


def test_the_last_box_counts_and_boxes_in_a_row_are_a_list():
    text = r"First \boxed{8}, but then \boxed{7}."
    assert compare("7", text) is True and compare("8", text) is False
    text = r"x=\boxed{2} \text{ or } x=\boxed{3}"
    assert [compare(gold, text) for gold in ("2, 3", "3", "2")] == [True, False, False]


@pytest.mark.parametrize("word", ["lakh", "crore", "quintillion", "zillion", "myriad", "mil", "gross", "pairs", "doubled", "tripled", "fold", "sixteenths", "reciprocal", "inverse", "rounded", "percentile", "radians", "nein", "zorps"])  # fmt: skip
def test_a_word_that_is_no_unit_and_no_common_thing_changes_a_number(word):
    answers = [f"18 {word}", rf"18\text{{ {word}}}", f"So it is 18 {word}."]
    assert [compare("18", answer) for answer in answers] == [False] * 3


@pytest.mark.parametrize("answer", [r"\text{wrong}=7", r"\text{not}=7", r"7=\text{six}", "eight = 7", r"7=\text{yes}",
    "The answer is 7=\\text{six}.", r"\text{seventeen}=7", r"x_{\text{wrong}}=7", r"\text{million}=7"])  # fmt: skip
def test_a_doubt_a_number_word_or_a_text_on_the_right_is_no_name(answer):
    assert compare("7", answer) is False


@pytest.mark.parametrize(
    "answer",
    [
        r"\text{Area}=7",
        "Maximum = 7",
        r"\text{total cost} = 7",
        r"\text{probability}=7",
        "Months = 7",
    ],
)
def test_a_text_on_the_left_is_a_name(answer):
    assert compare("7", answer) is True
