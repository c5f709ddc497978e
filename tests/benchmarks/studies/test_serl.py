"""SeRL keeps the problems on which the majority of a model's answers is neither all nor few."""

import pytest

pytest.importorskip("torch")

from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.posing import Posed, TooFewProblems
from edgewise.benchmarks.studies.serl import SeRLConfig, majority, serl_problems

ANSWERS = {
    "certain": ["4"] * 16,
    "likely": ["4"] * 8 + ["5"] * 8,
    "unknown": [str(i) for i in range(16)],
    "silent": [""] * 16,
    "forms": ["1/2", "0.5", "x"] + [""] * 13,
    "twice": ["7"] * 12 + ["8"] * 4,
}


def writer(questions):
    """A teacher that writes these over and over, with wrong answers."""
    drawn = iter(questions * 50)
    return lambda count: Posed([Pair(next(drawn), "99") for _ in range(count)], [], count, {})


def reply(pairs, num_samples):
    assert len({pair.question for pair in pairs}) == len(pairs) and num_samples == 16
    return [ANSWERS[pair.question] for pair in pairs]


def test_the_majority_answers_and_bounds_keep_what_is_neither_certain_nor_unknown():
    write = writer(["certain", "likely", "unknown", "silent", "twice", "likely"])
    kept = serl_problems(write, reply, 2, SeRLConfig())
    assert kept == [Pair("likely", "4"), Pair("twice", "7")]


def test_equal_numbers_are_one_answer():
    assert majority(ANSWERS["forms"]) == ("1/2", 2 / 16)
    assert majority(ANSWERS["silent"]) == ("", 0.0)
    config = SeRLConfig(least=0.1)
    assert serl_problems(writer(["forms"]), reply, 1, config) == [Pair("forms", "1/2")]


def test_it_gives_up_with_a_message():
    with pytest.raises(TooFewProblems, match="1 of 3 problems in 33 attempts"):
        serl_problems(writer(["likely", "certain"]), reply, 3, SeRLConfig())
