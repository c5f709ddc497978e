"""Calls of tools: found, bounded, run by our own evaluators, and counted."""

import time
from dataclasses import dataclass
from typing import ClassVar

import gymnasium as gym
import pytest

from edgewise import ReasoningEnv
from edgewise.calculator import LARGE, LONG, NONE, Calculator
from edgewise.envs.countdown.task import Countdown, Problem
from edgewise.tools import TOOLS, Tool, ToolRules, register_tool, tool_rules

HOSTILE = [
    "", " ", "1/0", "0^-1", "x", "pi", "sqrt(2)", "2^(1/2)", "__import__('os').system('true')", "1;2", "(1", "1)",
    "9" * 199, "9^9^9^9", "2^99999999", "(" * 100, "-" * 200, "\0", "\ud800", "٣+1", "1e400", "{}{0}%s",
    "10!", "1=1", "1,2", "</calculator>", "<calculator>", r"\boxed{1}", "nan", "inf", "²", "1_0", "0x1F",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3 / 6", "3/2"),
        ("0.1 + 0.2", "3/10"),
        ("-2 ** 2", "-4"),
        ("2 ^ 10", "1024"),
        ("2^-2", "1/4"),
        (r"\frac{1}{3} \cdot 6", "2"),
        ("12 × 3 − 1", "35"),
    ],
)
def test_the_calculator_is_exact(text, value):
    assert Calculator().run(text) == value


@pytest.mark.parametrize("text", HOSTILE)
def test_the_calculator_survives_what_is_no_arithmetic(text):
    start = time.process_time()
    assert Calculator().run(text) in (NONE, LARGE, LONG)
    assert time.process_time() - start < 5  # far from any limit on a slow machine


def test_the_limits_of_the_calculator_are_its_own():
    assert Calculator(max_length=3).run("1 + 1") == LONG
    assert Calculator(max_digits=3).run("999 + 1") == LARGE
    assert Calculator(max_digits=4).run("999 + 1") == "1000"
    with pytest.raises(ValueError, match="max_digits"):
        Calculator(max_digits=0)


def begun(**rules):
    env = ReasoningEnv(Countdown, tools={"tools": ["calculator"], **rules}, preset="seedling")
    env.reset(options={"level": 1, "problem_seed": 0})
    return env, rf"\boxed{{{env.task.solve(env.problem)}}}"


def call(text):
    return f"<calculator>{text}</calculator>"


def test_results_are_observed_and_the_answer_comes_after_them():
    env, right = begun()
    observation, reward, terminated, truncated, info = env.step(f"Is {call('1+1')} 2?")
    assert (observation, reward, terminated, truncated) == ("<result>2</result>", 0.0, False, False)
    assert info["continues"] and not info["formatted"] and info["answer"] is None
    assert env.step(right)[1:3] == (1.0, True)


def test_calls_before_an_answer_are_not_run_and_calls_after_one_are():
    env, right = begun()
    assert env.step(f"{call('1+1')} so {right}")[1:3] == (1.0, True)
    env, right = begun()
    assert env.step(f"{right} or {call('3+1')}")[:3] == ("<result>4</result>", 0.0, False)


def test_calls_of_a_turn_and_of_an_episode_are_limited():
    env, _ = begun(max_calls=3, max_calls_per_turn=2)
    told = env.step(call("1") + call("2") + call("3"))[0].splitlines()
    assert told == [
        "<result>1</result>",
        "<result>2</result>",
        "<result>not run, at most 2 calls</result>",
    ]
    assert (
        env.step(call("4") + call("5"))[0].splitlines()[1]
        == "<result>not run, at most 1 calls</result>"
    )
    assert env.step(call("6"))[1:4] == (0.0, False, True)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"name": "calculator", "arguments": {"expression": "2*21"}}', "42"),
        ('{"name": "rm", "arguments": {"expression": "2*21"}}', "this is no call"),
        ('{"name": "calculator", "arguments": {"expression": 42}}', "this is no call"),
        ('{"name": "calculator", "arguments": ["2"]}', "this is no call"),
        ('{"name": ["calculator"], "arguments": {}}', "this is no call"),
        ("[" * 500, "this is no call"),
        ('{"name": "calculator"' + " " * 3_000, "this is no call"),
        ("", "this is no call"),
    ],
)
def test_calls_may_be_those_of_chat_templates(said, told):
    env, _ = begun(style="json")
    observation, _, _, _, info = env.step(f"Hm.\n<tool_call>\n{said}\n</tool_call>")
    assert observation == f"<tool_response>{told}</tool_response>"
    assert not info["continues"]  # but is a message of its own


def test_tags_are_found_in_linear_time_and_the_innermost_counts():
    rules = tool_rules(["calculator"])
    assert (
        rules.reply((), "", "<calculator>" * 9 + "1+1</calculator>", 0.0).observation
        == "<result>2</result>"
    )
    for text in ("<calculator>" * 10_000, "</calculator>" * 10_000, "<calculator" * 10_000):
        assert rules.reply((), "", text, 0.0) is None


def test_the_gate_of_one_thought_and_one_answer_is_over_the_whole_text():
    env = ReasoningEnv(Countdown, tools=["calculator"], preset="e2h")
    env.reset(options={"level": 1, "problem_seed": 0})
    solution = env.task.solve(env.problem)
    env.step(f"<think>Try {call('1+1')}")
    assert env.step(f" good.</think> <answer>{solution}</answer>")[1] == 1.0


def test_prompts_say_how_and_completions_stop_at_a_call():
    env, _ = begun()
    assert "<calculator>expression</calculator>" in env.render()
    assert "</calculator>" in env.preset.frame.stop
    env, _ = begun(style="json")
    assert '<tool_call>{"name": "calculator"' in env.render()
    assert "</tool_call>" in env.preset.frame.stop


@dataclass(frozen=True)
class Length(Tool):
    name: ClassVar[str] = "length"
    parameter: ClassVar[str] = "text"
    about: ClassVar[str] = "counts characters"

    def run(self, text):
        return str(len(text))


def test_a_tool_of_ones_own_is_named_once_it_is_registered():
    with pytest.raises(ValueError, match="must be one of"):
        tool_rules(["length"])
    register_tool(Length)
    try:
        rules = ToolRules((Length(), Calculator()))
        assert tool_rules(rules.record()) == rules
        told = rules.reply((), "", f"<length>four</length>{call('1')}", 0.0).observation
        assert told == "<result>4</result>\n<result>1</result>"
        with pytest.raises(ValueError, match="no other tool"):
            register_tool(type("Other", (Length,), {}))
    finally:
        del TOOLS["length"]


@pytest.mark.parametrize(
    "given",
    ["calculator", [], ["calculator"] * 2, [["x"]], {"tools": ["calculator"], "max_calls": 0}, {}],
)
def test_rules_that_are_none_are_refused(given):
    with pytest.raises((ValueError, TypeError), match=r"tool|max_calls"):
        tool_rules(given)


def test_reasons_say_what_is_wrong_with_an_expression():
    task, problem = Countdown(), Problem((3, 5, 2), 16, "(3 + 5) * 2")
    reasons = {
        "hm": "It is no expression.",
        "3 + 5 * 2": "It equals 13.",
        "3 / 5 * 2": "It equals 6/5.",
        "3 + 5": "It leaves 2 out.",
        "3 + 3 + 5 + 2": "It has 3 too often.",
        "3 + 13": "It has a number that is not given.",
        "(3 + 5) * 2": "",
    }
    assert {text: task.explain(problem, text) for text in reasons} == reasons


@pytest.mark.parametrize("style", ["tags", "json"])
@pytest.mark.parametrize("place", ["in the call", "before the call", "around the call"])
@pytest.mark.parametrize("last", ["", "}", "so it is"])
def test_an_answer_up_to_a_call_is_none_and_one_after_it_counts(style, place, last):
    env = gym.make("Countdown-v0", tools={"tools": ["calculator"], "style": style})
    env.reset(seed=24)
    answer = env.unwrapped.task.solve(env.unwrapped.problem)
    call = {
        "tags": "<calculator>{}</calculator>",
        "json": '<tool_call>{{"name": "calculator", "arguments": {{"expression": "{}"}}}}</tool_call>',
    }[style]
    boxed = rf"\boxed{{{answer}}}"
    inside = boxed.replace("\\", "\\\\") if style == "json" else boxed
    text = {
        "in the call": call.format(inside),
        "before the call": f"{boxed} <answer>{answer}</answer> {call.format('1+1')}",
        "around the call": rf"\boxed{{{answer}" + call.format("1+1"),
    }[place]
    _, reward, terminated, truncated, told = env.step(text)
    assert (reward, terminated, truncated) == (0.0, False, False)
    _, reward, terminated, _, told = env.step(last)
    assert reward == 0.0 and not told["correct"]
    env.reset(seed=24)
    env.step(text)
    _, reward, terminated, _, told = env.step(f"so {boxed}")
    assert reward == 1.0 and terminated and told["correct"]


@pytest.mark.parametrize("text", ["1/9^999/9^999/9^999/9^999", "9^999/9^999", "0*9^999", "1/3^90"])
def test_no_size_of_a_result_raises(text):
    assert isinstance(Calculator().run(text), str)


@pytest.mark.parametrize(
    "name", [["calculator"], {}, None, 3, "edgewise.calculator:Calculator", "os:system"]
)
def test_a_name_that_is_no_tool_is_refused_and_resolves_nothing(name):
    with pytest.raises(ValueError, match="`tool` must be"):
        tool_rules([{"name": name}])
