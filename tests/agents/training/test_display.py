"""What a run shows fits a terminal of 80 columns and 24 rows, and its curves are within their axes."""

import io

import pytest

pytest.importorskip("torch")

from matplotlib.figure import Figure
from rich.console import Console, Group

from edgewise.agents.training.display import Display
from edgewise.agents.training.report import curve


@pytest.mark.parametrize("num_arms", [1, 10])
@pytest.mark.parametrize("name", ["level", "Countdown-v0 level"])
def test_ten_arms_fit_a_terminal_of_80_columns(num_arms, name):
    arms = [f"{name} {arm + 1}" for arm in range(num_arms)]
    metrics = {
        "step": 240, "reward": 0.123, "frac_reward_zero_std": 0.5, "time/step_seconds": 3600.0,
        "time/tokens_per_second": 123456.0,
    }  # fmt: skip
    for arm in range(num_arms):
        for column in ("probability", "reward", "accuracy", "effective_prompt_ratio"):
            metrics[f"arm/{arm}_{column}"] = 1.0
        metrics[f"arm/{arm}_count"] = 256
    out = io.StringIO()
    console = Console(width=80, file=out)
    display = Display(console, arms, num_steps=1240)
    display.update(metrics)
    out.seek(out.truncate(0))
    console.print(Group(display.progress(240), display.table(metrics)))
    lines = [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]
    assert max(map(len, lines)) <= 80 and len(lines) < 24
    shown = [line for line in lines if "██████████" in line]
    assert [line.split(" 1.000")[0].strip() for line in shown] == arms
    assert all(line.count("1.000") == 4 and " 256 " in line for line in shown)
    assert "240/1240" in lines[0] and "123,456 tokens/s" in lines[1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_curve_at_the_end_of_its_axis_is_within_it(value):
    axes = Figure().subplots()
    metrics = [{"step": step, "accuracy": value} for step in range(8)]
    curve(axes, metrics, "accuracy", "accuracy", top=1.0)
    low, high = axes.get_ylim()
    assert low < value < high and high - low < 1.1
    curve(axes, metrics, "accuracy", "level", bottom=value)
    assert axes.get_ylim()[0] < value
