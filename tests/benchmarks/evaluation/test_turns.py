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


@pytest.mark.parametrize("agent", ["oracle", "constant:5", "random", "model"])
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


OWN = """
from edgewise.benchmarks.evaluation import Reply

def counts(question, sample, observed):
    return f"turn {len(observed)} after {observed[-1:]} " + r"\\boxed{9}"

def all_at_once(question, sample):
    return [r"\\boxed{9}"] * 3

def one_text(question, sample):
    return r"\\boxed{9}"

class Batched:
    def answer(self, requests):
        for request in requests:
            yield [Reply.of_turns(request.question, n, ["1", "2", "3"]) for n in request.samples]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of agents, of a name of its own, for modules stay imported."""
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OWN.replace("\\\\", "\\"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_function_of_what_was_observed_is_asked_at_each_turn(own, evaluate, lines):
    folder, _ = evaluate(f"{own}:counts", *ASKED)
    rows = lines(folder / "answers.jsonl")
    assert len(rows) == 6 and all(row["correct"] for row in rows)
    assert rows[0]["turns"] == [
        r"turn 0 after [] \boxed{9}",
        r"turn 1 after ['again 1 '] \boxed{9}",
        r"turn 2 after ['again 2 '] \boxed{9}",
    ]


@pytest.mark.parametrize("agent", ["all_at_once", "Batched"])
def test_an_agent_of_ones_own_may_give_all_turns(agent, own, evaluate, lines):
    folder, _ = evaluate(f"{own}:{agent}", *ASKED)
    assert all(len(row["turns"]) == 3 for row in lines(folder / "answers.jsonl"))


def test_a_function_that_gives_one_text_is_told_what_turns_need(own, evaluate):
    _, said = evaluate(f"{own}:one_text", *ASKED, code=2)
    assert said.err.startswith(
        "edgewise: `agent` must play the turns of own/Thrice-v0: be a function"
    )
    assert said.err.count("\n") == 1


def test_a_person_is_asked_at_each_turn(evaluate, lines, monkeypatch):
    typed = iter(["1", "2", "3", "4"])

    def read(_):
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    folder, said = evaluate("human", "--env", "Thrice-v0", "--samples", "1")
    (row,) = lines(folder / "answers.jsonl")  # an episode that is cut off is not kept
    assert row["turns"] == [r"\boxed{1}", r"\boxed{2}", r"\boxed{3}"] and row["correct"]
    assert "again 1" in said.out and "again 2" in said.out
