"""The agents that need no model, and one's own."""

import json
import sys

import pytest

pytest.importorskip("tyro")

SMALL = ["--suite", "sec", "--samples", "4"]


def levels_of(folder):
    return json.loads((folder / "summary.json").read_text())["levels"]


@pytest.mark.parametrize("suite", ["sec", "e2h"])
def test_the_oracle_is_right_everywhere(evaluate, suite):
    folder, _ = evaluate("oracle", "--suite", suite)
    levels = levels_of(folder)
    assert {row["pass_at_1"] for row in levels} == {row["format_rate"] for row in levels} == {1.0}
    assert all(row["low"] < 1 == row["high"] for row in levels)


def test_a_constant_is_found_but_wrong(evaluate):
    levels = levels_of(evaluate("constant:banana", *SMALL)[0])
    assert {(row["pass_at_1"], row["format_rate"]) for row in levels} == {(0.0, 1.0)}


def test_a_guess_is_right_by_chance_where_answers_are_few(evaluate, lines):
    few = ["--suite", "sec", "--plan.num-problems", "4"]
    folder, _ = evaluate("random", *few)
    answers = [row for row in lines(folder / "answers.jsonl") if row["part"] == "sec/Zebra-v0"]
    guessed = sum(row["correct"] for row in answers) / len(answers)
    assert 0 < guessed < 0.5 and all(row["formatted"] for row in answers)
    assert len({row["answer"] for row in answers}) > 4
    again, _ = evaluate("random", *few, output="again")
    assert levels_of(again) == levels_of(folder)


def test_a_simulated_learner_finds_harder_levels_harder(evaluate):
    folder, _ = evaluate("simulated", *SMALL, "--plan.num-problems", "20")
    rates = [row["pass_at_1"] for row in levels_of(folder) if row["part"] == "sec/Countdown-v0"]
    assert rates == sorted(rates, reverse=True) and rates[0] > 0.5 > 0.2 > rates[-1]


def test_a_human_may_stop_and_go_on(evaluate, monkeypatch):
    said = []

    def reply(prompt):
        if len(said) in (2, 5):
            said.append("")
            raise EOFError
        said.append("7")
        return "7"

    monkeypatch.setattr("builtins.input", reply)
    flags = ["--env", "Countdown-v0", "--levels", "1", "2"]
    folder, told = evaluate("human", *flags)
    assert "not complete: the same command goes on" in told.out
    assert sum(row["num_problems"] for row in levels_of(folder)) == 2
    assert not json.loads((folder / "summary.json").read_text())["complete"]
    folder, _ = evaluate("human", *flags)
    assert sum(row["num_problems"] for row in levels_of(folder)) == 4
    folder, told = evaluate("human", *flags)
    assert json.loads((folder / "summary.json").read_text())["complete"]
    assert [row["format_rate"] for row in levels_of(folder)] == [1.0, 1.0]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module with agents of three forms."""
    (tmp_path / "mine.py").write_text(
        "from edgewise.benchmarks.evaluation.agent import Reply\n"
        "def script(question, sample):\n"
        "    return question.env.task.solve(question.problem).join(['\\\\boxed{', '}'])\n"
        "class Batch:\n"
        "    def answer(self, requests):\n"
        "        yield [Reply(r.question, n, '?', num_tokens=3) for r in requests for n in r.samples]\n"
        "def bytes_not_text(question, sample):\n"
        "    return b''\n"
        "nothing = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_ones_own_agent_may_be_a_function_or_a_class(evaluate, own):
    folder, _ = evaluate("mine:script", *SMALL)
    assert {row["pass_at_1"] for row in levels_of(folder)} == {1.0}
    folder, _ = evaluate("mine:Batch", *SMALL, output="batch")
    assert {(row["pass_at_1"], row["mean_tokens"]) for row in levels_of(folder)} == {(0.0, 3.0)}


def test_what_is_no_agent_is_refused(evaluate, own):
    for name in ("mine:nothing", "mine:no_such"):
        assert "`agent` must" in evaluate(name, *SMALL, code=2)[1].err
    with pytest.raises(TypeError, match="must answer with a str, got bytes"):
        evaluate("mine:bytes_not_text", *SMALL)


def test_a_model_gives_the_same_on_a_second_run_and_counts_tokens(evaluate, tiny_model, lines):
    flags = ["--preset", "seedling", "--suite", "sec", "--max-tokens", "9"]
    one, _ = evaluate(f"hf:{tiny_model}", *flags)
    two, _ = evaluate(f"hf:{tiny_model}", *flags, output="two")
    assert levels_of(one) == levels_of(two)
    answers = lines(one / "answers.jsonl")
    assert all(0 < row["num_tokens"] <= 9 < row["num_prompt_tokens"] for row in answers)
    assert len({row["completion"] for row in answers}) > 8


def test_ones_own_agent_is_found_in_the_working_folder(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    (tmp_path / "agent_here.py").write_text("def script(question, sample):\n    return 'here'\n")
    folder, _ = evaluate("agent_here:script", *SMALL)
    assert levels_of(folder)[0]["mean_characters"] == 4


def test_an_agent_answers_what_it_was_asked(evaluate, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "other_sample.py").write_text(
        "from edgewise.benchmarks.evaluation.agent import Reply\n"
        "class Agent:\n"
        "    def answer(self, requests):\n"
        "        yield [Reply(r.question, n + 1, '?') for r in requests for n in r.samples]\n"
    )
    with pytest.raises(ValueError, match="must answer what it is asked, got sample 4 of"):
        evaluate("other_sample:Agent", *SMALL)
