"""A teacher is asked again until enough of its problems are well formed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import (
    FORMATS,
    TAGGED_PROMPT,
    Rejected,
    TooFewProblems,
    gather_problems,
    read_compact,
    read_tagged,
)

COMPACT = FORMATS["compact"]
TAGGED = FORMATS["tagged"]
ODD = ["", "?", "??", r"\boxed{1}", r"?\boxed{1}", "1+1?", r"1?\boxed{", r"1?\boxed{}", "\udcff"]


def script(texts):
    """A teacher that writes these, one after the other, and then the last for ever."""
    left = list(texts)
    return lambda count: [left.pop(0) if len(left) > 1 else left[0] for _ in range(count)]


def test_the_prompt_is_the_papers():
    assert "[full math question] <question> <answer> \\boxed{[answer]} </answer>" in TAGGED_PROMPT
    assert "at least 2--3 steps" in TAGGED_PROMPT and TAGGED_PROMPT.endswith("Begin now:\n")


def test_it_asks_until_there_are_enough_and_says_what_became_of_the_others():
    good, other = r"1+1?\boxed{2}", r"2+1?2+1=3,\boxed{3}"
    ask = script([good, "none", r"1+2?\boxed{x}", other, r"3?3"])
    posed = gather_problems(ask, COMPACT, 2, 100)
    assert posed.pairs == [Pair("1+1", "2"), Pair("2+1", "3")] and posed.places == [0, 3]
    # two are asked for, then the one that is missing, twice
    assert posed.num_attempts == 4 and posed.accepted_ratio == 0.5
    assert posed.rejected == {"no question": 1, "unreadable answer": 1}


@pytest.mark.parametrize("text", ODD)
def test_a_teacher_who_never_writes_a_problem_ends_with_a_message(text):
    with pytest.raises(TooFewProblems, match=r"0 of 4 problems in 10 attempts; rejected: 10 "):
        gather_problems(script([text]), COMPACT, 4, 10)


def test_a_teacher_who_always_writes_the_same_is_accepted():
    posed = gather_problems(script([r"1+1?\boxed{2}"]), COMPACT, 4, 10)
    assert posed.pairs == [Pair("1+1", "2")] * 4 and posed.num_attempts == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"<question>1+1</question> \boxed{2}", "no answer"),
        (r"<question>1+1</question> <answer>2</answer>", "no box"),
        (r"<question> </question> <answer>\boxed{2}</answer>", "no question"),
        ("<question>" + "1+" * 3_000 + r"1</question> <answer>\boxed{2}</answer>", "too long"),
    ],
)
def test_tags_and_box_must_be_whole(text, reason):
    assert read_tagged(text).reason == reason


def test_hostile_text_costs_no_more_than_its_length():
    for text in ("<question>", "</answer>", r"\boxed{", "?", "{"):
        read_tagged(text * 50_000), read_compact(text * 50_000)


def test_an_answer_must_be_readable_mathematics():
    pytest.importorskip("flint")
    wrap = r"<question>Find it.</question> <answer>\boxed{%s}</answer>"
    answers = [
        "2",
        r"\frac{x+1}{2}",
        r"\sqrt{2}",
        "(1, 2)",
        "red",
        "",
        "?!",
        "(",
    ]
    found = [TAGGED.read(wrap % answer) for answer in answers]
    pairs = [pair for pair in found if isinstance(pair, Pair)]
    readable = TAGGED.readable([pair.answer for pair in pairs])
    assert [pair.answer for pair, good in zip(pairs, readable, strict=True) if good] == answers[:4]


def test_proposition_1_rejection_leaves_the_gradient_as_it_is():
    """sum A_i grad log pi(z_i | accepted) = sum A_i grad log pi(z_i) if sum A_i = 0."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=6)
    chances = np.exp(logits) / np.exp(logits).sum()
    accepted = np.array([True, False, True, True, False, True])
    within = np.where(accepted, chances, 0) / chances[accepted].sum()
    drawn = rng.choice(6, size=(4, 8), p=within)  # g data sets of n
    rewards = rng.normal(size=4)
    advantages = rewards - (rewards.sum() - rewards) / 3
    for shift, equal in ((0.0, True), (0.5, False)):  # a baseline that is off: plain REINFORCE
        free, restricted = np.zeros(6), np.zeros(6)
        for advantage, row in zip(advantages + shift, drawn, strict=True):
            for z in row:
                free += advantage * (np.eye(6)[z] - chances)
                restricted += advantage * (np.eye(6)[z] - within)
        assert np.allclose(free, restricted) is equal


@pytest.mark.parametrize("form", [FORMATS["tagged-turns"], FORMATS["compact-turns"]])
def test_nothing_is_filtered_in_two_turns(form):
    right = f"How many are 1+1{form.stop[0] if form.stop else ''}{form.then}\\boxed{{2}}"
    posed = gather_problems(script([right, *ODD]), form, len(ODD) + 1, len(ODD) + 1)
    assert posed.pairs[0] == Pair("How many are 1+1", "2") and not any(posed.rejected.values())
    assert all(pair.question and pair.answer for pair in posed.pairs)
    assert posed.places == list(range(len(ODD) + 1))


ENDS = {"question": ["</question>", "<question>"], "answer": ["</answer>", "<answer>"]}


@settings(deadline=None, max_examples=100)
@given(
    question=st.text(st.characters(exclude_characters="<>"), min_size=1, max_size=30),
    answer=st.integers(-99, 99),
    ends=st.tuples(*(st.sampled_from(ends) for ends in ENDS.values())),
    around=st.lists(st.sampled_from(["", " ", "\n", " Easy. "]), min_size=3, max_size=3),
)
def test_either_tag_that_the_prompt_shows_ends_a_question_and_an_answer(
    question, answer, ends, around
):
    text = (
        f"{around[0]}<question>{question}{ends[0]}{around[1]}"
        rf"<answer> \boxed{{{answer}}} {ends[1]}{around[2]}"
    )
    found = read_tagged(text)
    if question.strip():
        assert (found.question, found.answer) == (question.strip(), str(answer))
    else:
        assert found.reason == "no question"


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from([*ENDS["question"], *ENDS["answer"], r"\boxed{1}", "1+1", "\n", "<b>"]),
        max_size=9,
    ).map("".join)
)
def test_any_order_of_tags_is_read_or_refused(text):
    found = read_tagged(text)
    if isinstance(found, Rejected):
        assert found.reason in {"no question", "no answer", "no box"}
    else:
        assert found.answer == "1" and found.question and "<question>" in text


def test_the_prompt_shows_a_form_that_is_read():
    shown = next(line for line in TAGGED_PROMPT.splitlines() if "<question>" in line)
    found = read_tagged(shown.partition("structure: ")[2].replace("[answer]", "7"))
    assert (found.question, found.answer) == ("[full math question]", "7")
