"""Records name rules of the catalogue, or those that code registered, and nothing is imported."""

import json
import sys
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest

from edgewise.wrappers import (
    CURRICULA,
    PROBLEM_CURRICULA,
    SEC,
    SIGNALS,
    Curriculum,
    MeanReward,
    Progress,
    RandomProblems,
    Rule,
    SuccessRate,
    make_rule,
    register_rule,
    register_signal,
)
from edgewise.wrappers.lessons.kinds import ArmLesson, ProblemLesson
from edgewise.wrappers.rules.catalogue import example_of
from edgewise.wrappers.rules.rule_record import OLD_CLASSES, as_begun, from_json, to_json


@dataclass(eq=False)
class Last(Rule):
    """The last arm."""

    below: SEC | None = None
    depths: tuple[int, ...] = (1, 2)

    def probabilities(self):
        return np.eye(self.num_arms)[-1]


@dataclass(frozen=True)
class Twice(MeanReward):
    """The mean reward, by another name."""


@pytest.fixture
def _restored(monkeypatch):
    for kinds in (CURRICULA, PROBLEM_CURRICULA, SIGNALS):
        for name in [*kinds, "last", "twice"]:
            monkeypatch.setitem(kinds, name, kinds.get(name))
            if kinds[name] is None:
                kinds.pop(name)


@pytest.mark.parametrize(
    ("text", "lacking", "changed", "begun"),
    [
        ("dump", ["count"], {"count": "problems"}, "dump:count=problems"),
        ("dump:count=rollouts", ["count"], {"count": "problems"}, "dump:count=rollouts"),
        ("dots", [], {"temperature": 0.1}, "dots:temperature=0.1"),
        (
            "mopps:discount=1",
            ["candidates"],
            {"ratio": None, "candidates": "fresh"},
            "mopps:discount=1:ratio=null:candidates=fresh",
        ),
        (
            "greso",
            ["variant", "most", "keep"],
            {"variant": "v0.1", "most": 1.0, "keep": 0.0},
            "greso:variant=v0.1:most=1.0:keep=0.0",
        ),
        ("plr", ["after", "ages"], {"after": 0.0, "ages": "steps"}, "plr:after=0.0:ages=steps"),
        ("sec:temperature=0.2", [], {}, "sec:temperature=0.2"),
    ],
)
def test_rules_of_records_that_say_less_are_as_they_were(text, lacking, changed, begun):
    record = {**to_json(make_rule(text, 10)), **changed}
    for name in lacking:
        del record[name]
    assert as_begun(text, record) == begun
    expected = to_json(make_rule(text, 10)) | changed
    assert to_json(from_json(record)) == expected
    if ":count" not in text:
        assert to_json(make_rule(begun, 10)) == expected
    assert as_begun(text, to_json(make_rule(text, 10))) == text


def test_a_record_of_dump_of_before_keeps_its_signal():
    record = {"rule": "dump", "window": 9, "signal": {"signal": "success-rate"}}
    rule = from_json(record)
    assert rule.count == "problems" and rule.signal.of == SuccessRate()


@pytest.mark.parametrize("name", [*CURRICULA, *PROBLEM_CURRICULA])
def test_a_record_has_the_name_of_the_catalogue(name):
    rule = make_rule(example_of(name), num_steps=10)
    record = json.loads(json.dumps(to_json(rule), allow_nan=False))
    again = from_json(record)
    assert record["rule"] == name and type(again) is type(rule)
    assert to_json(again) == to_json(rule)


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_named_within_rules(name):
    made = from_json({"rule": "sec", "signal": {"signal": name}}).signal
    assert type(made) is SIGNALS[name]
    nested = Progress(of=SuccessRate())
    assert to_json(from_json(to_json(SEC(signal=nested))).signal) == to_json(nested)


@pytest.mark.parametrize(("old", "name"), OLD_CLASSES.items())
def test_a_record_of_version_0_1_is_read(old, name):
    if name in SIGNALS:
        assert type(from_json({"rule": "sec", "signal": {"class": old}}).signal) is SIGNALS[name]
        return
    rule = make_rule(example_of(name), num_steps=10)
    record = to_json(rule)
    del record["rule"]
    assert to_json(from_json({"class": old, **record})) == to_json(rule)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"class": "subprocess:Popen", "args": ["touch", "made"]},
            "`rule.class` must be registered",
        ),
        ({"rule": "subprocess:Popen", "args": ["touch", "made"]}, "`rule.rule` must be registered"),
        ({"rule": "stranger:Rule"}, r"call edgewise.wrappers.register_rule\(NAME, CLASS\) first"),
        (
            {"rule": "sec", "signal": {"signal": "stranger:S"}},
            "`rule.signal.signal` .*register_signal",
        ),
        (
            {"rule": "sec", "signal": {"class": "os:system"}},
            "`rule.signal.class` must be registered",
        ),
        ({"rule": "sec", "signal": "progress"}, "`rule.signal` must be an object"),
        (
            {"rule": "sec", "signal": {"rule": "sec"}},
            "`rule.signal` must be of another kind, got SEC",
        ),
        ({"rule": "sec", "__class__": 1}, "must be one of signal, learning_rate.* got '__class__'"),
        (
            {"rule": "sec", "temperature": "1"},
            "`rule.temperature` must be a finite number, got '1'",
        ),
        (
            {"rule": "sec", "temperature": float("nan")},
            "`rule.temperature` must be a finite number",
        ),
        ({"rule": "sec", "temperature": 10**400}, "`rule.temperature` must be a finite number"),
        ({"rule": "sec", "temperature": -1}, "`temperature` must be positive, got -1"),
        ({"rule": "ordered"}, "`rule.num_steps` must be given"),
        ({"rule": ["sec"]}, "`rule.rule` must be registered here, got"),
        ({"signal": "progress"}, "`rule` must be of another kind, got Progress"),
        ({"temperature": 1.0}, "`rule` must have the name of a rule"),
        (None, "`rule` must be an object"),
        ("sec", "`rule` must be an object"),
        ([], "`rule` must be an object"),
    ],
)
def test_a_record_of_anything_else_is_refused(record, message, tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("class Rule: ...\nclass S: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        from_json(record)
    assert "stranger" not in sys.modules and not (tmp_path / "made").exists()


def test_a_rule_of_ones_own_works_and_is_read_once_it_is_registered(_restored):
    env = Curriculum(gym.make("Countdown-v0"), Last(below=SEC(temperature=0.3)))
    assert env.reset(seed=0)[1]["level"] == 3
    record = to_json(env.lesson.rule)
    with pytest.raises(ValueError, match=r"test_rule_record:Last.*register_rule"):
        from_json(record)
    with pytest.raises(ValueError, match="register_rule"):
        gym.make(env.spec)
    register_rule("last", Last)
    register_rule("last", Last)
    place = record.pop("rule")
    assert to_json(Last())["rule"] == "last"
    for again in ({"rule": place}, {"class": place}, {"rule": "last"}):
        made = from_json({**again, **record})
        assert (type(made), made.below.temperature, made.depths) == (Last, 0.3, (1, 2))
    assert gym.make(env.spec).reset(seed=0)[1]["level"] == 3
    assert isinstance(make_rule("last", 10), Last)


def test_a_signal_of_ones_own_is_named_once_it_is_registered(_restored):
    register_signal("twice", Twice)
    assert make_rule("sec:signal=twice", 10).signal == Twice()
    assert from_json({"rule": "sec", "signal": {"signal": "twice"}}).signal == Twice()


@pytest.mark.parametrize(
    ("register", "name", "kind", "error"),
    [
        (register_rule, "sec", Last, ValueError),
        (register_rule, "Last one", Last, ValueError),
        (register_rule, "a:b", Last, ValueError),
        (register_rule, "last", Twice, TypeError),
        (register_rule, "last", Last(), TypeError),
        (register_signal, "progress", Twice, ValueError),
        (register_signal, "twice", Last, TypeError),
    ],
)
def test_what_cannot_have_a_name_is_refused(_restored, register, name, kind, error):
    with pytest.raises(error, match=r"`name` must be|`kind` must be"):
        register(name, kind)


def test_a_rule_over_problems_chooses_no_arms():
    with pytest.raises(ValueError, match="must choose arms, got RandomProblems"):
        ArmLesson({"rule": "random-problems"}, 3, (2, 2))
    with pytest.raises(ValueError, match="must choose problems, got SEC"):
        ProblemLesson({"rule": "sec"}, (["a", "b"], [0.0, 1.0]), (2, 2))
    assert isinstance(from_json({"rule": "random-problems"}), RandomProblems)
