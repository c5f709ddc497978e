"""What the reference solver and a judge say of a teacher's problems."""

import pytest

pytest.importorskip("torch")

from types import SimpleNamespace

from edgewise.agents.policies.options import Sampling
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.soar.quality import Verdict, judge, quality_of, rates, read_verdict, verdict_of
from edgewise.envs.arithmetic import Arithmetic

GOOD = '{"is_correct": true, "is_well_posed": true, "error_type": "None", "verified_answer": "2"}'


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("12+30-2", "40", Verdict(True, True)),
        ("12+30-2", "41", Verdict(True, False, "Arithmetic")),
        ("12+-2", "10", Verdict(False, False, "Ill_Posed")),
        ("12/(3-3)", "0", Verdict(False, False, "Ill_Posed")),
        ("What is love?", "42", Verdict(False, False, "Ill_Posed")),
    ],
)
def test_the_reference_solver(question, answer, expected):
    assert verdict_of(Arithmetic(), Pair(question, answer)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<think> {{}} 1+1=2 </think> So {GOOD} there.", Verdict(True, True)),
        (GOOD.replace('_posed": true', '_posed": false'), Verdict(False, False)),
        (GOOD.replace('"None"', '"Bad"'), None),
        (GOOD.replace("true", '"yes"'), None),
        ("{}", None), ("", None), ("}{", None), ("{" * 5_000 + "}", None), ('{"a": 1}', None),
        ('{"is_correct": 1, "is_well_posed": [[[', None), ("[" * 100_000, None),
    ],
)  # fmt: skip
def test_a_reply_is_a_verdict_or_none(text, expected):
    assert read_verdict(text) == expected


def test_a_judge_is_asked_only_where_no_solver_reads(tiny_model):
    solver = quality_of("Arithmetic-v0", "hf:nowhere")
    assert solver([Pair("1+1", "2")]) == [Verdict(True, True)]
    assert quality_of("Countdown-v0") is None
    judged = quality_of("Countdown-v0", f"hf:{tiny_model}")
    assert judged([Pair("1+1", "2"), Pair("{", "}")]) == [None, None]  # it has no opinion


def test_rates_are_of_what_was_judged():
    asked = []

    def generate(prompts, sampling, generator):
        asked.extend(prompts)
        return SimpleNamespace(texts=[GOOD, "?", GOOD.replace("true", "false", 1)])

    pairs = [Pair("1+1", "2"), Pair("{0}%s", "{}"), Pair("1+2", "4")]
    verdicts = judge(SimpleNamespace(generate=generate), pairs, Sampling(), None)
    assert "Problem: {0}%s\nAnswer: {}\n" in asked[1] and asked[1].startswith("<|im_start|>user")
    found = rates(verdicts)
    assert (found["num_judged"], found["well_posed"], found["correct"]) == (2, 1.0, 0.5)
    assert rates([])["correct"] == 0


@pytest.mark.parametrize(
    "answer", [r"\frac{1}{2}", r"\sqrt{3}", r"\\sqrt{3}", r"\{1, 2\}", r"\u{x}", "{}", "}"]
)
def test_answers_with_braces_and_backslashes_are_read(answer):
    verdict = '{"is_correct": true, "is_well_posed": true, "verified_answer": "ANSWER"}'
    text = "<think>{no}</think> {so} " + verdict.replace("ANSWER", answer) + " {end}"
    assert read_verdict(text) == Verdict(True, True)


def test_braces_without_end_are_no_verdict():
    assert read_verdict("{" * 100_000) is None and read_verdict('{"a":' * 100_000) is None
