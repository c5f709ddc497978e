"""Episodes of several turns that a server plays, as messages or as one text."""

import json

import pytest

pytest.importorskip("tyro")
pytest.importorskip("httpx")

from edgewise.benchmarks.evaluation.agent import Reply
from edgewise.benchmarks.evaluation.dialogue import Dialogue
from edgewise.benchmarks.evaluation.question import open_part
from edgewise.benchmarks.evaluation.suite import turns

SAID = "I think <b>it</b> is \\boxed{7}"  # of the server, always
ATTEMPTS = ["--attempts", "3", "--explain"]


def asked_by_problem(server):
    """The bodies of the requests about each problem, in order."""
    found = {}
    for request in server.requests:
        body = request["body"]
        prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        first = body["messages"][0]["content"] if "messages" in body else prompt[:60]
        found.setdefault((first, body["seed"]), []).append(body)
    return found


def test_wrong_attempts_are_answered_and_asked_about_again(ask, serve):
    server = serve()
    answers, _, folder = ask(server, *ATTEMPTS)
    assert [row["turns"] for row in answers] == [[SAID] * 3] * 6
    assert [row["correct"] for row in answers] == [False] * 6
    assert {(row["num_tokens"], row["num_prompt_tokens"]) for row in answers} == {(30, 300)}
    episodes = asked_by_problem(server)
    assert len(episodes) == 6 and {len(bodies) for bodies in episodes.values()} == {3}
    for bodies in episodes.values():
        assert [len(body["messages"]) for body in bodies] == [1, 3, 5]
        assert {body["n"] for body in bodies} == {1}
        last = bodies[-1]["messages"]
        assert [message["role"] for message in last] == ["user", "assistant"] * 2 + ["user"]
        assert last[1]["content"] == last[3]["content"] == SAID
        assert last[2]["content"].startswith("Wrong. It ")
        assert last[2]["content"].endswith(" Try again.")
        assert bodies[1]["messages"] == last[:3]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["complete"] and summary["levels"][0]["pass_at_1"] == 0.0


def test_completions_go_on_with_one_text(ask, serve):
    server = serve()
    flags = ["--server.api", "completions", "--preset", "e2h", *ATTEMPTS]
    answers, _, _ = ask(server, *flags)
    assert {len(row["turns"]) for row in answers} == {3}
    assert answers[0]["turns"][0] == f"<think>{SAID}" and answers[0]["turns"][1] == SAID
    prompts = sorted({request["body"]["prompt"] for request in server.requests}, key=len)
    assert len(prompts) == 9
    for longer in prompts[3:]:
        shorter = next(one for one in prompts if longer.startswith(one))
        told = longer.removeprefix(shorter)
        assert told.startswith(f"{SAID}<|im_end|>\n<|im_start|>user\nNo answer was found.")
        assert told.endswith("<|im_start|>assistant\n")


def test_an_episode_that_fails_midway_is_played_anew(ask, serve):
    server = serve(["none", "none", "refused"])
    ask(server, *ATTEMPTS, "--server.concurrency", "1", code=2)
    before = len(server.requests)
    done, _, _ = ask(server, *ATTEMPTS, "--server.concurrency", "1")
    assert len(done) == 6 and {len(row["turns"]) for row in done} == {3}
    assert before <= 4 and len(server.requests) == before + 18


def test_results_of_tools_follow_in_the_same_text_and_as_messages():
    part = turns("Countdown-v0", "sec", tools=["calculator"])
    (question,) = open_part(part, num_problems=1, levels=[1], turns=True).questions
    dialogue = Dialogue(question)
    call = "Is it <calculator>1 + 1</calculator>"
    dialogue.add(Reply(question, 0, call, num_tokens=5))
    assert not dialogue.done and dialogue.text().endswith(f"{call}<result>2</result>")
    assert [one["content"] for one in dialogue.messages()[-2:]] == [call, "<result>2</result>"]
    solution = question.env.task.solve(question.problem)
    dialogue.add(Reply(question, 0, rf"\boxed{{{solution}}}", num_tokens=None))
    assert dialogue.done and dialogue.history[-1].correct
    reply = dialogue.reply(3)
    assert (reply.turns, reply.sample, reply.num_tokens) == (
        (call, rf"\boxed{{{solution}}}"),
        3,
        None,
    )
