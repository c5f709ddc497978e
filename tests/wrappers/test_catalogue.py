import pytest

from edgewise.wrappers import SEC, Ordered, make_rule


def test_a_rule_is_made_by_name_with_arguments():
    rule = make_rule("sec:learning_rate=0.2:decay_unposed=true", num_steps=10)
    assert isinstance(rule, SEC)
    assert (rule.learning_rate, rule.temperature, rule.decay_unposed) == (0.2, 1.0, True)


def test_a_schedule_is_given_the_length_of_the_run():
    rule = make_rule("ordered", num_steps=40)
    assert isinstance(rule, Ordered) and rule.num_steps == 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sek", "`curriculum` must be one of .*, got 'sek'; did you mean 'sec'?"),
        ("sec:temprature=1", "`sec argument` must be one of .*; did you mean 'temperature'?"),
        ("sec:temperature=warm", "wrong type"),
        ("sec:temperature=0", "`temperature` must be positive, got 0"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        make_rule(text, num_steps=10)
