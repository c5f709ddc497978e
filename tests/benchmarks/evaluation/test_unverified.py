"""Answers that could not be verified are kept, said, and verified when the evaluation goes on."""

import json

import gymnasium as gym
import pytest

pytest.importorskip("tyro")

from edgewise import Preset, Task, register

ASKED = ["--env", "Flaky-v0", "--plan.num-problems", "60", "--samples", "2", "--levels", "1"]

AGENT = "odd_sayer:say"


class Flaky(Task[int]):
    """Is a number odd? Say 1 if so; the verifier may be lost."""

    presets = {"toy": Preset("{}", {1: {}})}
    lost = frozenset()  # problems
    asked = 0  # how often

    def generate(self, rng):
        return int(rng.integers(10**6))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        type(self).asked += 1
        return None if problem in self.lost else answer == str(problem % 2)

    def solve(self, problem):
        return str(problem % 2)


@pytest.fixture(autouse=True)
def flaky(monkeypatch, tmp_path):
    (tmp_path / "odd_sayer.py").write_text("def say(*question): return r'\\boxed{1}'")
    monkeypatch.syspath_prepend(tmp_path)
    register("Flaky-v0", f"{__name__}:Flaky")
    monkeypatch.setattr(Flaky, "lost", frozenset())
    yield
    del gym.registry["Flaky-v0"]


def problems(folder):
    told = (folder / "problems.jsonl").read_text().splitlines()
    return [int(json.loads(line)["prompt"]) for line in told]


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_what_is_lost_is_left_out_and_verified_when_the_evaluation_goes_on(
    evaluate, lines, monkeypatch
):
    whole, said = evaluate(AGENT, *ASKED, output="whole")
    assert "not complete" not in said.out
    monkeypatch.setattr(Flaky, "lost", frozenset(problems(whole)[:1]))
    monkeypatch.setattr("edgewise.pool.MAX_UNVERIFIED", 0.02)  # two of 120
    folder, said = evaluate(AGENT, *ASKED)
    assert "not complete" in said.out
    told, [level] = summary(folder), summary(folder)["levels"]
    assert not told["complete"] and told["unverified"] == level["unverified"] == 2
    assert (level["num_problems"], level["num_asked"]) == (59, 60)
    assert "2 answers could not be verified" in (folder / "summary.md").read_text()
    assert "2 answers could not be verified" in (folder / "report.html").read_text()
    answers = lines(folder / "answers.jsonl")
    assert [row["correct"] for row in answers].count(None) == 2

    monkeypatch.setattr(Flaky, "lost", frozenset())
    Flaky.asked = 0
    _, said = evaluate(AGENT, *ASKED)
    assert Flaky.asked == 2 and "not complete" not in said.out  # no other is verified again
    again = lines(folder / "answers.jsonl")
    assert again[:120] == answers and len(again) == 122
    assert {row["seconds"] for row in again[120:]} <= {row["seconds"] for row in answers}
    assert summary(folder)["unverified"] == 0 and summary(folder)["complete"]
    for name in ("levels", "means"):
        assert summary(folder)[name] == summary(whole)[name]


def test_too_much_that_is_lost_stops_in_one_line_and_is_kept(evaluate, lines, monkeypatch):
    whole, _ = evaluate(AGENT, *ASKED, output="whole")
    monkeypatch.setattr(Flaky, "lost", frozenset(problems(whole)))
    folder, said = evaluate(AGENT, *ASKED, code=2)
    assert said.err.count("\n") == 1 and "of 120 answers could not be verified" in said.err
    kept = lines(folder / "answers.jsonl")
    assert 2 <= len(kept) < 120 and {row["correct"] for row in kept} == {None}
    monkeypatch.setattr(Flaky, "lost", frozenset())
    evaluate(AGENT, *ASKED)
    assert summary(folder)["levels"] == summary(whole)["levels"]
