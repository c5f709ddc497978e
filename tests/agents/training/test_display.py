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


def test_a_key_shows_the_samples_of_the_last_step_and_hides_them():
    out = io.StringIO()
    console = Console(width=80, height=24, file=out, force_terminal=True, color_system=None)
    display = Display(console, [f"level {arm + 1}" for arm in range(10)], num_steps=9)
    metrics = {
        "step": 2, "reward": 0.1, "frac_reward_zero_std": 0.5, "time/step_seconds": 1.0,
        "time/tokens_per_second": 2.0,
    }  # fmt: skip
    sample = {
        "arm": 1,
        "level": 2,
        "outcome": "right",
        "prompt": "2 + 2 = ",
        "completion": "x" * 200 + "\n\x1b[2J4",
    }

    def shown():
        out.seek(out.truncate(0))
        console.print(display.live.get_renderable())
        return [line.rstrip() for line in out.getvalue().splitlines()]

    display.press("s")  # before the first step there is nothing to show
    display.update(metrics, [sample] * 9)
    hidden = shown()
    assert hidden[-1] == "s: show samples"
    for key in "xS\x1b":
        display.press(key)
    assert shown() == hidden
    display.press("s")
    lines = shown()
    assert "right, level 2: 2 + 2 =" in lines and max(map(len, lines)) <= 80 and len(lines) < 24
    assert sum(line.endswith("x [2J4") for line in lines) == 4 and "\x1b[2J" not in out.getvalue()
    display.update(metrics, [{**sample, "arm": None, "level": 7}])
    assert "right, level 7: 2 + 2 =" in shown()
    display.press("s")
    assert shown()[-1] == "s: show samples"
