"""What a report says of its curriculum."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from edgewise.agents.training.figures import line_style, stack  # noqa: E402
from edgewise.agents.training.report import described, draw, draw_arms  # noqa: E402

CONFIG = {
    "agent": "seedling",
    "preset": "sec",
    "learning_rate": 1e-4,
    "num_steps": 2,
    "num_problems": 4,
    "group_size": 2,
}


def step(number, distance=None, **more):
    costs = {"num_extra_rollouts": 6, "num_tokens": 80, "num_extra_tokens": 60}
    told = {} if distance is None else {"distance_from_uniform": distance}
    return {"step": number, "time/step_seconds": 1.5, **costs, **told, **more}


def test_a_rule_within_a_tenth_of_random_was_not_tested():
    near = described(CONFIG, [step(1, 0.02), step(2, 0.16)])[-1]
    assert "0.090 from uniform in total variation" in near and "no other rule was tested" in near
    far = described(CONFIG, [step(1, 0.1), step(2, 0.3)])[-1]
    assert "0.200 from uniform" in far and "tested" not in far


def test_of_rules_over_problems_no_distance_is_told():
    lines = described(CONFIG, [step(1), step(2)])
    assert not any("uniform" in line for line in lines)
    assert "28 completions, 280 tokens in 3 s" in lines[-1]  # 2 (4 x 2 + 6), 2 (80 + 60)


def test_a_run_of_one_step_and_one_without_arms_are_drawn(tmp_path):
    draw([step(1, 0.0, level=1.5)], ["level 1"], tmp_path / "one.png")
    arms = {"arm/0_probability": 0.5, "arm/1_probability": 0.5, "arm/0_accuracy": 0.2}
    draw([step(1, 0.0, **arms), step(2, 0.0, **arms)], ["a", "b"], tmp_path / "two.png")
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("one.png", "two.png"))


def test_the_lines_of_fifty_arms_and_their_areas_are_all_told_apart():
    styles = [line_style(arm) for arm in range(50)]
    assert len({str(style) for style in styles}) == 50
    assert [style["linestyle"] for style in styles[:10]] == ["-"] * 10
    axes = Figure().subplots()
    stack(axes, [1, 2], np.full((2, 30), 1 / 30))
    looks = [(area.get_hatch(), tuple(area.get_facecolor()[0])) for area in axes.collections]
    assert len({*looks}) == 30 and not any(hatch for hatch, _ in looks[:10])


def test_an_arm_that_was_not_posed_keeps_the_colours_of_the_others():
    metrics = [
        {"step": step, **{f"arm/{arm}_probability": 1 / 3 for arm in range(3)}, "arm/2_accuracy": 1}
        for step in (1, 2)
    ]
    accuracy, arms = Figure().subplots(2)
    draw_arms(accuracy, arms, metrics, ["a", "b", "c"])
    [line] = accuracy.get_lines()
    assert line.get_color() == "C2" and len(arms.collections) == 3
