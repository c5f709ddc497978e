"""Letters of multiple choice: every decoration of one counts, and nothing that names two."""

import string

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("flint")

from edgewise.envs.math.answers import MAX_LENGTH, read_letter, read_options
from edgewise.envs.math.data import AQuA
from edgewise.envs.math.files import Problem
from edgewise.envs.math.problem_file import ProblemFile

OPTIONS = {"A": "5", "B": "12 m", "C": "25", "D": r"$\frac{1}{2}$", "E": "none of these"}
QUESTION = "\n".join(["Which, a or I?", *(f"{key}) {text}" for key, text in OPTIONS.items())])
FONTS = ["text", "textbf", "textrm", "textit", "mathrm", "mathbf", "boldsymbol", "operatorname"]
AROUND = [
    "%s", "(%s)", "[%s]", "%s)", "%s.", "(%s).", "%s:", "$%s$", "**%s**", "*%s*", "`%s`", '"%s"', "'%s'",
    "{%s}", r"\(%s\)", r"\[%s\]", r"\boxed{%s}", r"\left(%s\right)", " %s\n", "**(%s)**", r"$\text{(%s)}$",
    *(rf"\{font}{{%s}}" for font in FONTS), r"\textbf{(%s) }", r"{\bf %s}", r"\boxed{\textbf{%s}}",
]  # fmt: skip
BEFORE = ["", "Option ", "Answer: ", "The answer is ", "**Answer:** ", "The correct option is: "]
TASKS = [AQuA(), ProblemFile(kind="choice")]


@pytest.mark.parametrize("form", AROUND)
@pytest.mark.parametrize("before", BEFORE)
def test_a_letter_counts_in_every_decoration(form, before):
    for letter in OPTIONS:
        assert read_letter(before + form % letter, OPTIONS) == letter
        assert read_letter(before + form % letter) == letter


@pytest.mark.parametrize(
    "form", ["%s", "(%s)", "%s)", r"\text{%s}", "Option %s", "the answer is (%s)"]
)
def test_small_letters_count_alone_after_option_or_in_brackets(form):
    assert read_letter(form % "c", OPTIONS) == "C"


@pytest.mark.parametrize(
    "form", ["%s) %s", "(%s) %s", "%s: %s", "%s. %s.", r"\textbf{(%s)}\ %s", r"\text{%s) }%s"]
)
def test_the_text_of_the_option_may_follow_and_no_other(form):
    for letter, text in OPTIONS.items():
        assert read_letter(form % (letter, text), OPTIONS) == letter
        for other in OPTIONS.keys() - {letter}:
            assert read_letter(form % (letter, OPTIONS[other]), OPTIONS) is None
    assert read_letter(form % ("C", "25")) == "C"  # one number, where the texts are not known
    assert read_letter(form % ("C", "twenty five")) is None


@pytest.mark.parametrize(
    "answer",
    [
        "C or D", "CD", "C, D", "C and D", "C/D", "C D", "A C", "(C)(D)", "C (D)", r"\{C, D\}", "C|D", "C\nD",
        "C) D", "C: D", "C) 25 or 12 m", "C) 25, D", "(C", "C25", "C 25", "C?", "not C", "neither C nor D",
        "Option C or D", "option", "The answer is a", "a cat", "I think", "a", "I", "F", "answer", "", "25",
        "\u0421", r"C\D", "C" + " " * MAX_LENGTH, "C" * 50, "(" * 1_000 + "C" + ")" * 1_000,
    ],
)  # fmt: skip
def test_what_names_none_or_several_is_wrong(answer):
    options = {letter: text for letter, text in OPTIONS.items() if letter != "A"}
    assert read_letter(answer, options) is None


def test_letters_are_judged_so_in_every_task_of_choices():
    for task in TASKS:
        answers = [r"\text{C}", "C) 25", "Option C", "**C**", "C or D", "CD", "C) 5", "D", ""]
        verdicts = task.verify_many([Problem(QUESTION, "C")] * len(answers), answers)
        assert verdicts == [True] * 4 + [False] * 5


def test_the_tag_of_e2h_may_hold_a_decorated_letter():
    env = gym.make("AQuA-v0", preset="e2h").unwrapped
    texts = ["C", "**C**", r"\boxed{\text{C}}", "C) 25", "C or D", r"\boxed{C} or \boxed{D}"]
    actions = [f"<think>so</think> <answer>{text}</answer>" for text in texts]
    outcomes = env.score([Problem(QUESTION, "C")] * 6, [()] * 6, actions)
    assert [outcome.reward for outcome in outcomes] == [1.0] * 4 + [0.1] * 2


PIECES = [
    *"ABCDEabcI()[].:,$*{}\\/|", " or ", " and ", "not ", "Option ", "Answer: ", "is ", r"\text{", r"\boxed{",
    r"\(", r"\)", "5", "25", "12 m", r"\frac{1}{2}", "\n", " ", " ", "\u201c", "\u0421", "\uff23",
]  # fmt: skip


def test_no_text_names_two_options_and_none_is_named_that_is_not_there():
    rng = np.random.default_rng(0)
    capitals, named = set(string.ascii_uppercase), 0
    for _ in range(4_000):
        text = "".join(rng.choice(PIECES, size=rng.integers(1, 9)))
        problems = [Problem(QUESTION, letter) for letter in OPTIONS]
        right = [sum(task.verify_many(problems, [text] * len(problems))) for task in TASKS]
        assert right in ([0, 0], [1, 1])
        named += right[0]
        letter = read_letter(text, OPTIONS)
        if letter is not None and "boxed" not in text:
            rest = text.replace(OPTIONS[letter], "").replace("Option", "").replace("Answer", "")
            assert (capitals & set(rest.replace("\uff23", "C"))) <= {letter}
    assert named > 100


def test_options_are_read_from_below_the_question():
    assert read_options(QUESTION) == OPTIONS
    assert read_options("Which?\nA) one\nand more\nB) two") == {"A": "one\nand more", "B": "two"}
    assert read_options("Which? A) one") == {}


def test_marks_that_are_not_seen_or_strike_out():
    options = {"A": "$20", "B": "25%"}
    assert read_letter(r"A) \$20", options) == "A" and read_letter(r"B: 25\%", options) == "B"
    assert read_letter("<b>A</b>", options) == "A"
    assert read_letter("~~A~~", options) is None
