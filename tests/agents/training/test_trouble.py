"""Signs of trouble, on metrics whose figures are worked out by hand."""

import pytest

from edgewise.agents.training import trouble


def run(number, **ends):
    """Metrics of `number` steps; each figure has a value in the first half, and one in the second."""
    return [
        {"step": step, **{name.replace("__", "/"): pair[2 * step > number] for name, pair in ends.items()}}
        for step in range(1, number + 1)
    ]  # fmt: skip


def samples(answers):
    return [
        {"step": 1 + place // 10, "problem": f"p{place}", "completion": rf"so \boxed{{{answer}}}"}
        for place, answer in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("ends", "sign"),
    [
        (
            {"reward": (0.25, 0.5), "accuracy": (0.25, 0.25)},
            "reward rises while accuracy does not: reward 0.250 to 0.500, accuracy 0.250 to 0.250, "
            "steps 1 to 5 against 16 to 20",
        ),
        (
            {"format_rate": (0.9, 0.75)},
            "format drifts: completions with an answer in the format 0.900 to 0.750, "
            "steps 1 to 5 against 16 to 20",
        ),
        (
            {"completions__mean_length": (40.0, 60.0)},
            "completions grow: mean length 40 to 60 tokens, steps 1 to 5 against 16 to 20",
        ),
        (
            {"completions__clipped_ratio": (0.0, 0.25)},
            "completions are cut off at the token limit: 25% of them, steps 16 to 20; "
            "see `max_tokens`",
        ),
        (
            {"unverified": (0, 3)},
            "verdicts could not be had: 30 completions in 10 of 20 steps, steps 11 to 20",
        ),
        (
            {"frac_reward_zero_std": (0.5, 1.0)},
            "no group has a signal: in 5 of 5 steps all completions of each problem had one reward, "
            "steps 16 to 20",
        ),
        (
            {"effective_prompt_ratio": (0.5, 0.0)},
            "no group has a signal: in 5 of 5 steps all completions of each problem had one reward, "
            "steps 16 to 20",
        ),
    ],
)
def test_each_sign_is_told_with_steps_and_figures(ends, sign):
    assert trouble.signs(run(20, **ends)) == [sign]


@pytest.mark.parametrize(
    "ends",
    [
        {
            "reward": (0.25, 0.5),
            "accuracy": (0.25, 0.3125),
        },  # a quarter of the rise, which is enough
        {"reward": (0.25, 0.34), "accuracy": (0.25, 0.1)},
        {"format_rate": (0.75, 0.9)},
        {"completions__mean_length": (8.0, 20.0)},  # more than half longer, but by 12 tokens
        {"completions__mean_length": (40.0, 59.0)},
        {"completions__clipped_ratio": (0.9, 0.19)},
        {"unverified": (0, 0)},
        {"effective_prompt_ratio": (0.0, 0.01)},
        {
            "reward": (float("nan"), float("nan")),
            "accuracy": (None, "x"),
            "unverified": (None, None),
        },
        {},
    ],
)
def test_below_the_thresholds_nothing_is_told(ends):
    assert trouble.signs(run(20, **ends)) == []


def test_a_run_of_nine_steps_has_no_drift_and_one_of_ten_has():
    ends = {"reward": (0.0, 1.0), "accuracy": (0.5, 0.5), "format_rate": (1.0, 0.0)}
    assert trouble.signs(run(9, **ends)) == [] and len(trouble.signs(run(10, **ends))) == 2
    assert trouble.signs([]) == []


def test_one_answer_to_many_problems_is_told():
    [line] = trouble.signs([], samples(["7"] * 6 + ["1", "2", "3", "4"]))
    assert line == (
        "one answer to many problems: '7' to 6 of 10 problems (60%) among the samples, steps 1 to 1"
    )
    assert trouble.signs([], samples(["7"] * 9)) == []  # of nine problems nothing is said
    assert trouble.signs([], samples(["7", "7", *"12345689"])) == []  # 2 of 10
    assert trouble.signs([], samples(["7"] * 10 + list("abcdefghij"))) == []  # long ago


def test_many_answers_to_one_problem_are_no_sign():
    rows = [{**row, "problem": "the same"} for row in samples(["7"] * 30)]
    assert trouble.signs([], rows) == []
