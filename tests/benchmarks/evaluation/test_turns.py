"""Episodes of several turns: every turn is kept, and all of them are judged together."""

import gymnasium as gym
import pytest

pytest.importorskip("tyro")

from edgewise import Preset, Task, register
from edgewise.scoring import score
from edgewise.task import Turn

ASKED = ["--env", "Thrice-v0", "--samples", "2"]


class Thrice(Task[int]):
    """Answer three times; whatever the last answer is, it is right."""

    presets = {"toy": Preset("{} ", {1: {}}, answer="any")}

    def generate(self, rng):
        return int(rng.integers(10**6))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return False

    def solve(self, problem):
        return "6\n7\n8"

    def turn(self, problem, answers):
        done = len(answers) == 3
        return Turn(done, float(done), f"again {len(answers)} ", done)


@pytest.fixture(autouse=True)
def thrice():
    register("Thrice-v0", f"{__name__}:Thrice")
    yield
    del gym.registry["Thrice-v0"]


@pytest.mark.parametrize("agent", ["oracle", "constant:5", "model"])
def test_every_turn_is_kept_and_judged(agent, evaluate, lines, tiny_model):
    agent = f"hf:{tiny_model}" if agent == "model" else agent
    more = ["--max-tokens", "4"] if agent.startswith("hf:") else []
    folder, _ = evaluate(agent, *ASKED, *more)
    rows = lines(folder / "answers.jsonl")
    turns = [row.get("turns", [row["completion"]]) for row in rows]
    assert [row["completion"] for row in rows] == ["\n".join(texts) for texts in turns]
    assert [row["correct"] for row in rows] == [len(texts) == 3 for texts in turns]
    assert len(rows) == 6 and sum(len(texts) > 1 for texts in turns) >= 2
    if agent == "oracle":
        assert turns == [[rf"\boxed{{{n}}}" for n in (6, 7, 8)]] * 6
    if agent.startswith("hf:"):  # an empty answer ends an episode
        assert all(
            0 < row["num_tokens"] <= 4 * len(texts) for row, texts in zip(rows, turns, strict=True)
        )
    before = (folder / "answers.jsonl").read_text()
    _, said = evaluate(agent, *ASKED, *more)
    assert (folder / "answers.jsonl").read_text() == before and "pass@2" in said.out


def test_lost_turns_are_verified_again(evaluate, lines):
    folder, _ = evaluate("constant:5", *ASKED)
    text = (folder / "answers.jsonl").read_text()
    (folder / "answers.jsonl").write_text(text.replace('"correct": true', '"correct": null'))
    evaluate("constant:5", *ASKED)
    rows = lines(folder / "answers.jsonl")
    assert [row["correct"] for row in rows] == [None] * 6 + [True] * 6


def test_an_agent_that_plays_no_turns_is_refused(evaluate):
    _, said = evaluate("random", *ASKED, code=2)
    assert "must have one turn for this agent" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    "asked",
    [
        ["--env", "Countdown-v0", "--attempts", "2", "--explain"],
        ["--env", "Countdown-v0", "--tools", "calculator"],
        ["--env", "Guess-v0"],
        [
            *("--env", "Blocksworld-v0", "--preset", "seedling"),
            *("--env-options", '{"interactive": true, "max_turns": 3}'),
        ],
    ],
    ids=lambda asked: "-".join(asked[1:3]),
)
def test_attempts_tools_and_worlds_are_evaluated_and_a_name_scores_the_turns_alike(
    asked, evaluate, lines, tiny_model
):
    for agent in ("constant:3", f"hf:{tiny_model}"):
        more = ["--max-tokens", "6", "--max-prompt-tokens", "0"] if agent.startswith("hf:") else []
        folder, _ = evaluate(agent, *asked, "--samples", "1", *more, output=agent[:2])
        names = {row["problem_seed"]: row["name"] for row in lines(folder / "problems.jsonl")}
        rows = lines(folder / "answers.jsonl")
        assert any("turns" in row for row in rows) or "--tools" in asked
        for row in rows:
            texts = row.get("turns", [row["completion"]])
            if row["level"] == 1:
                assert score(names[row["problem_seed"]], *texts)["correct"] == row["correct"]
