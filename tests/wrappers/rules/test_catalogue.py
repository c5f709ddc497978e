import re

import pytest

from edgewise.wrappers import (
    CURRICULA,
    PROBLEM_CURRICULA,
    SEC,
    SIGNALS,
    Learnability,
    Ordered,
    ProblemRule,
    Progress,
    Rule,
    Schedule,
    Signal,
    make_rule,
)
from edgewise.wrappers.rules.learnability import LastSuccess


def test_a_rule_is_made_by_name_with_arguments():
    rule = make_rule("sec:learning_rate=0.2:decay_unposed=true", num_steps=10)
    assert isinstance(rule, SEC)
    assert (rule.learning_rate, rule.temperature, rule.decay_unposed) == (0.2, 1.0, True)


def test_a_signal_is_named():
    assert make_rule("sec:signal=learnability", num_steps=10).signal == Learnability()
    one, other = (make_rule("ucb:signal=progress", num_steps=10).signal for _ in range(2))
    assert isinstance(one, Progress) and one is not other  # it remembers the arms of its rule


@pytest.mark.parametrize(("name", "kind"), {**CURRICULA, **PROBLEM_CURRICULA}.items())
def test_a_rule_says_what_it_is(name, kind):
    assert vars(kind)["name"] == name
    assert kind.__doc__.splitlines()[0].endswith(".") and kind.cost
    assert re.fullmatch(r"(\d{4}\.\d{4,5})?", kind.paper)


@pytest.mark.parametrize("kinds", [CURRICULA, PROBLEM_CURRICULA])
def test_the_catalogue_is_in_the_order_of_its_rules(kinds):
    places = [kind.order for kind in kinds.values()]
    assert places == sorted(places) and len(kinds) >= 7
    assert next(iter(kinds)).startswith("random")


def test_what_has_no_name_of_its_own_is_not_in_the_catalogue():
    kinds = {*CURRICULA.values(), *PROBLEM_CURRICULA.values(), *SIGNALS.values()}
    assert not kinds & {Rule, Schedule, ProblemRule, LastSuccess, Signal}


def test_a_schedule_is_given_the_length_of_the_run():
    rule = make_rule("ordered", num_steps=40)
    assert isinstance(rule, Ordered) and rule.num_steps == 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sek", "`curriculum` must be one of .*, got 'sek'; did you mean 'sec'?"),
        ("sec:temprature=1", "`sec argument` must be one of .*; did you mean 'temperature'?"),
        ("sec:temperature=warm", "`temperature` must be a finite number, got 'warm'"),
        ("sec:temperature=NaN", "`temperature` must be a finite number, got 'NaN'"),
        ("sec:temperature=true", "`temperature` must be a finite number, got True"),
        ("sec:draw=best", "`draw` must be one of boltzmann, .*, got 'best'"),
        ("subset:arms=2", r"`arms` must be a list, got 2"),
        ("subset:arms=[[2]]", r"`arms\[0\]` must be an integer, got \[2\]"),
        pytest.param(f"subset:arms={'[' * 100_000}", "`arms` must be a list", id="deep"),
        ("sec:temperature=0", "`temperature` must be positive, got 0"),
        ("sec:signal=progres", "`signal` must be one of .*; did you mean 'progress'?"),
        ("subset", "`curriculum` 'subset' needs a value: subset:arms="),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        make_rule(text, num_steps=10)
