"""The suites ask fixed problems by the protocols of the papers."""

import hashlib
import json

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.evaluation.leaderboard import markdown, read_results
from edgewise.benchmarks.evaluation.question import checksum, open_part
from edgewise.benchmarks.evaluation.suite import SUITES, longest, parts_of
from edgewise.cli import main
from edgewise.judging import takes_turns
from edgewise.task import Protocol

TURNS = ["--env-options", '{"interactive": true}']
GENERATED = ["sec/Countdown-v0", "sec/Zebra-v0", "sec/ARC1D-v0"]


def test_the_protocols_are_those_of_the_papers():
    said = {suite: {part.protocol for part in parts} for suite, parts in SUITES.items()}
    assert said == {
        "sec": {Protocol(temperature=1.0, top_p=1.0, num_samples=8)},
        "e2h": {Protocol(temperature=0.0, top_p=1.0, num_samples=1)},
        "soar": {Protocol(temperature=1.0, top_p=1.0, num_samples=32)},
        "turns": {Protocol(temperature=1.0, top_p=1.0, num_samples=8)},
    }


def test_the_longest_answers_are_those_of_the_papers():
    said = {part.name: longest(part) for part in parts_of("all")}
    assert {said[name] for name in said if name.startswith("sec/")} == {4096}
    assert {said[name] for name in said if name.startswith("soar/")} == {1024}
    assert (said["e2h/MATH-v0"], said["e2h/GSM8K-v0"], said["e2h/Countdown-v0"]) == (1600, 512, 512)


def test_the_protocol_is_told_and_so_is_what_departs_from_it(evaluate):
    _, said = evaluate("oracle", "--suite", "e2h")
    assert "15 problems, 1 sample of each, greedy, at most 512 tokens" in said.out
    assert "departs" not in said.out
    folder, said = evaluate("oracle", "--suite", "e2h", "--samples", "2", output="other")
    told = "; departs from the suite, which has samples 1"
    assert told in said.out and told in (folder / "summary.md").read_text()


def test_all_are_the_four_together():
    assert len(parts_of("all")) == sum(map(len, SUITES.values()))
    with pytest.raises(ValueError, match="did you mean 'soar'"):
        parts_of("sor")


def test_the_test_set_of_countdown_is_fixed():
    opened = open_part(parts_of("sec")[0], num_problems=200)
    ladder = {question.level: question.ood for question in opened.questions}
    assert len(opened.questions) == 800
    assert ladder == {1: False, 2: False, 3: False, 4: True}
    assert opened.record()["checksum"] == "fc2b7540196174fe"


@pytest.mark.parametrize(
    ("place", "num_problems", "expected"),
    [
        (0, 1000, "8131256f6a8e674d"),
        (1, 1000, "584e3c78400de294"),
        (2, 800, "ff66fc5fa60ef399"),
        (3, 800, "b8cdc33187d7b8f3"),
    ],
    ids=["Guess", "Blocksworld", "attempts", "tools"],
)
def test_the_test_sets_of_turns_are_fixed(place, num_problems, expected):
    opened = open_part(parts_of("turns")[place], num_problems=200, turns=True)
    assert (len(opened.questions), opened.record()["checksum"]) == (num_problems, expected)
    assert all(takes_turns(question.env, question.problem) for question in opened.questions)


def test_the_suite_of_turns_is_played_by_who_can_and_has_two_parts_of_one_environment(evaluate):
    folder, said = evaluate("oracle", "--suite", "turns", "--samples", "2")
    summary = json.loads((folder / "summary.json").read_text())
    names = [part["name"] for part in summary["parts"]]
    assert names == [part.name for part in parts_of("turns")] and summary["complete"]
    assert {row["pass_at_1"] for row in summary["levels"]} == {1.0} and not summary["skipped"]
    assert "turns/Countdown-v0-tools: pass@1 1.000" in said.out
    assert "departs from the suite, which has samples 8" in (folder / "summary.md").read_text()
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert any(len(row.get("turns", ())) > 3 for row in answers)  # plans of Blocksworld
    assert len({(row["part"], row["level"], row["problem_seed"]) for row in answers}) == 54
    text = markdown(read_results(folder.parent))
    assert "| Guess | Blocksworld | Countdown-attempts | Countdown-tools |" in text


def test_who_plays_one_turn_alone_is_given_no_others():
    with pytest.raises(ValueError, match="`env` must have one turn for this agent, Guess-v0"):
        open_part(parts_of("turns")[0], num_problems=1)


def test_the_right_answers_of_other_problems_are_played_to_the_end(evaluate):
    folder, _ = evaluate("random", "--suite", "turns", "--samples", "1", "--levels", "1")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["complete"] and not summary["skipped"] and len(summary["parts"]) == 4
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    several = [row for row in answers if row["part"].startswith(("turns/Guess", "turns/Blocks"))]
    assert several and all(len(row["turns"]) > 1 for row in several if not row["correct"])
    attempts = [row for row in answers if row["part"] == "turns/Countdown-v0-attempts"]
    assert all(len({*row["turns"]}) > 1 for row in attempts)  # another answer at another attempt


def test_a_model_plays_what_it_has_room_for(evaluate, tiny_model):
    flags = ["--suite", "turns", "--max-tokens", "4", "--samples", "1", "--levels", "1"]
    folder, _ = evaluate(f"hf:{tiny_model}", *flags)  # made for Countdown
    summary = json.loads((folder / "summary.json").read_text())
    assert [part["name"] for part in summary["parts"]] == ["turns/Countdown-v0-attempts"]
    assert summary["parts"][0]["preset"] == "seedling+" and summary["complete"]
    reasons = {part["name"]: part["reason"] for part in summary["skipped"]}
    assert "was made for Countdown-v0" in reasons["turns/Guess-v0"]
    assert "`max_prompt_tokens` must be at least 163" in reasons["turns/Countdown-v0-tools"]
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert {len(row["turns"]) for row in answers} == {3}
    folder, _ = evaluate(f"hf:{tiny_model}", *flags, "--max-prompt-tokens", "0", output="all")
    assert len(json.loads((folder / "summary.json").read_text())["parts"]) == 2


def test_a_checksum_is_of_the_content():
    few = open_part(parts_of("sec")[0], num_problems=5).questions
    again = open_part(parts_of("sec")[0], num_problems=5).questions
    assert checksum(few) == checksum(again) != checksum(few[1:])
    words = [json.dumps([*q.key, json.loads(q.name)["key"], q.prompt]) for q in few]
    assert checksum(few) == hashlib.sha256("".join(words).encode()).hexdigest()[:16]


def test_what_is_not_at_hand_is_listed_with_the_reason(evaluate):
    folder, said = evaluate("oracle", "--suite", "sec")
    summary = json.loads((folder / "summary.json").read_text())
    assert [part["name"] for part in summary["parts"]] == GENERATED
    skipped = {part["name"]: part["reason"] for part in summary["skipped"]}
    assert list(skipped) == ["sec/MATH500-v0", "sec/AMC-v0", "sec/AIME24-v0"]
    reason = skipped["sec/AMC-v0"]
    assert "need" in reason and f"sec/AMC-v0: not evaluated, {reason}" in said.out
    assert "8 samples of each" in said.out and reason in (folder / "summary.md").read_text()


def test_data_that_is_at_hand_is_evaluated(evaluate, tmp_path):
    pytest.importorskip("flint")
    (tmp_path / "data" / "amc").mkdir(parents=True)
    row = {"problem": "What is 1 + 1?", "answer": "2"}
    (tmp_path / "data" / "amc" / "amc22_23.jsonl").write_text(json.dumps(row) + "\n")
    folder, _ = evaluate("oracle", "--suite", "sec", "--data", "data")
    levels = json.loads((folder / "summary.json").read_text())["levels"]
    assert [(row["part"], row["ood"]) for row in levels][-1] == ("sec/AMC-v0", True)
    assert {row["pass_at_1"] for row in levels} == {1.0}


def test_a_model_is_asked_what_it_was_made_for(evaluate, tiny_model):
    agent = f"hf:{tiny_model}"
    folder, _ = evaluate(agent, "--suite", "sec", "--max-tokens", "4", "--samples", "1")
    summary = json.loads((folder / "summary.json").read_text())
    assert [part["preset"] for part in summary["parts"]] == ["seedling"]
    assert "was made for Countdown-v0" in summary["skipped"][0]["reason"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--suite", "sek"], "did you mean 'sec'"),
        (["--suite", "sec", "--agent", "orakle"], "did you mean 'oracle'"),
        (["--suite", "sec", "--agent", "no.such:thing"], "no module no is installed or in"),
        (["--suite", "sec", "--preset", "nosuch"], "`preset` must be one of"),
        (["--suite", "sec", "--server.concurrency", "0"], "must be at least 1"),
        (["--agent", "random", "--env", "Contdown-v0"], "did you mean 'Countdown-v0'"),
        (["--suite", "sec", "--temperature", "-1"], "`temperature` must be at least 0, got -1.0"),
        (["--suite", "sec", "--temperature", "nan"], "`temperature` must be at least 0, got nan"),
        (["--suite", "sec", "--server.timeout", "inf"], "`server.timeout` must be finite"),
        (["--suite", "sec", "--env", "Countdown-v0"], "`env` must be left out with a suite"),
        (["--suite", "sec", "--env=Zebra-v0"], "`env` must be left out with a suite, got Zebra-v0"),
        (["--suite", "sec", *TURNS], "`env_options` must be left out with a suite"),
        (
            ["--suite", "sec", "--chat-date", "2026-01-31"],
            "`chat_date` must be left out with the agent",
        ),
        (
            ["--suite", "sec", "--max-prompt-tokens", "0"],
            "`max_prompt_tokens` must be left out with",
        ),
        (
            ["--suite", "sec", "--chat-template-kwargs", '{"thinking": false}'],
            "`chat_template_kwargs` must be left out with the agent oracle",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(evaluate, flags, told):
    folder, said = evaluate("oracle", *flags, code=2)
    assert told in said.err and said.err.count("\n") == 1
    assert not folder.exists()


def test_a_level_that_is_named_twice_is_asked_once(evaluate):
    folder, said = evaluate("oracle", "--suite", "sec", "--levels", "1", "1")
    assert "sec/Countdown-v0: preset sec, 3 problems" in said.out
    summary = json.loads((folder / "summary.json").read_text())
    assert {row["num_problems"] for row in summary["levels"]} == {3} and summary["complete"]


def test_a_folder_may_have_any_name(evaluate, capsys):
    folder, said = evaluate("oracle", "--suite", "sec", output="[a] [/b]")
    assert f"report {folder / 'report.html'}" in said.out
    assert main(["report", str(folder)]) == 0
    assert f"report {folder / 'report.html'}" in capsys.readouterr().out


def test_the_folder_of_something_else_is_refused(evaluate, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "config.json").write_text('{"env": "Countdown-v0"}')
    (folder / "problems.jsonl").touch()  # as where a teacher writes problems
    _, said = evaluate("oracle", "--suite", "sec", code=2)
    assert "must be new, or of an evaluation" in said.err and said.err.count("\n") == 1
    assert main(["report", str(folder), str(folder)]) == 2


def test_a_longer_answer_than_the_suite_allows_is_told(evaluate):
    _, said = evaluate("oracle", "--suite", "sec", "--max-tokens", "9")
    assert "Zebra-v0" in said.out and "which has max_tokens 4096" in said.out
    _, said = evaluate("oracle", "--suite", "sec", output="same")
    assert "departs" not in said.out
