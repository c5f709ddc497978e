"""Whether a teacher's reward rises, of runs whose answer is known."""

import json
import sys

import pytest

pytest.importorskip("torch")

from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.studies import soar_rise
from edgewise.benchmarks.studies.soar_rise import rise_of


def rows(rewards, promoted=()):
    return [
        {"step": step, "reward": reward, "promoted": int(step in promoted)}
        for step, reward in enumerate(rewards, start=1)
    ]


def test_the_ends_of_a_run_are_compared():
    found = rise_of("a", rows([0.0, 0.1, 0.0, 0.1, 0.05, 9.0, 0.4, 0.5, 0.45, 0.5, 0.4]))
    assert (found.first, found.last, found.num_steps) == (
        pytest.approx(0.05),
        pytest.approx(0.45),
        11,
    )
    # both variances are .0025 and five steps each: t of 8 degrees of freedom is 2.306
    assert found.low == pytest.approx(0.4 - 2.306 * (2 * 0.0025 / 5) ** 0.5, abs=1e-4)
    assert found.rises and not found.promoted


def test_noise_is_no_rise_and_a_promotion_is_told():
    noise = [0.0, 0.3, 0.1, 0.2, 0.0, 0.3, 0.1, 0.2, 0.1, 0.2]
    assert not rise_of("a", rows(noise)).rises
    assert rise_of("a", rows(noise, promoted=(4,))).promoted
    assert not rise_of("a", rows(noise, promoted=(10,))).promoted  # after the last reward
    with pytest.raises(ValueError, match="at least 10 steps each, got 9 in a"):
        rise_of("a", rows(noise[:9]))


def test_the_command_prints_the_runs(tmp_path, monkeypatch, capsys):
    for name, last in (("up", 0.5), ("down", -0.5)):
        folder = RunFolder.create(tmp_path / name, {})
        folder.append(
            "metrics.jsonl",
            rows([0.01 * i for i in range(5)] + [last + 0.01 * i for i in range(5)]),
        )
    monkeypatch.setattr(sys, "argv", ["soar_rise", str(tmp_path / "up"), str(tmp_path / "down")])
    soar_rise.main()
    out = capsys.readouterr().out
    assert "1 of 2 rise" in out and "| down | 10 |" in out
    assert json.loads((tmp_path / "up" / "metrics.jsonl").read_text().splitlines()[0])["step"] == 1
