"""The client against a real server that misbehaves, and against a kill."""

import base64
import json
import time
from urllib.parse import quote

import pytest

pytest.importorskip("tyro")
pytest.importorskip("httpx")

from edgewise.benchmarks.evaluation.agent import Request
from edgewise.benchmarks.evaluation.question import open_part
from edgewise.benchmarks.evaluation.server_agent import ServerAgent, ServerConfig
from edgewise.benchmarks.evaluation.suite import parts_of
from edgewise.cli import main

FAST = ["--server.first-delay", "0.01", "--env", "Countdown-v0", "--levels", "1"]
NUM = 6  # answers: 3 problems, 2 samples each


def test_chat_asks_for_all_samples_of_a_problem_at_once(serve, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    server = serve()
    answers, said, folder = ask(server, "--temperature", "0.7", "--max-tokens", "50")
    assert len(answers) == NUM and {row["answer"] for row in answers} == {"7"}
    assert {(row["num_tokens"], row["num_prompt_tokens"]) for row in answers} == {(10.0, 50.0)}
    first = server.requests[0]
    assert (first["path"], first["key"]) == ("/v1/chat/completions", "Bearer secret-key")
    body = first["body"]
    assert (body["n"], body["temperature"], body["max_tokens"]) == (2, 0.7, 50)
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["messages"][0]["content"].startswith("Using the numbers")
    assert len({request["body"]["seed"] for request in server.requests}) == 3
    everything = "".join(path.read_text() for path in folder.iterdir()) + said.out + said.err
    assert "secret-key" not in everything


def test_greedy_answers_are_asked_for_one_by_one(serve, ask):
    server = serve()
    answers, *_ = ask(server, "--temperature", "0")
    assert len(answers) == NUM == len(server.requests)
    assert {request["body"]["n"] for request in server.requests} == {1}


def test_completions_get_the_whole_frame(serve, ask):
    server = serve()
    answers, *_ = ask(server, "--server.api", "completions", "--preset", "e2h")
    asked = server.requests[0]
    assert asked["path"] == "/v1/completions" and "messages" not in asked["body"]
    assert asked["body"]["prompt"].endswith("Let me solve this step by step.\n<think>")
    assert all(row["completion"].startswith("<think>I think") for row in answers)


def test_what_follows_a_stop_string_is_cut_off_here(serve):
    question = open_part(parts_of("e2h")[1], num_problems=1).questions[0]
    assert question.sampling.cut("<answer>1</answer> and </answer>") == "<answer>1</answer>"
    assert question.sampling.cut("no end") == "no end"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("busy", "429"),
        ("busy_oddly", "429"),
        ("busy_for_ages", "429"),
        ("broken", "500 <html>oops"),
        ("cut", "RemoteProtocolError"),
        ("reset", "again in"),
        ("not_json", "no JSON"),
        ("not_an_object", "no completion"),
        ("odd_types", "no completion"),
        ("no_choice", "no completion"),
    ],
)
def test_what_may_pass_is_asked_again(serve, ask, fault, told):
    server = serve([fault, fault, "none", fault])
    answers, said, _ = ask(server)
    assert len(answers) == NUM and len(server.requests) == 3 + 3
    assert told in said.out and "\x1b" not in said.out


def test_a_name_without_a_model_is_refused(evaluate):
    names = ("nowhere#model", "http://127.0.0.1:9/v1", "http://127.0.0.1:x/v1#m", "http://#m")
    for name in names:
        _, said = evaluate(f"openai:{name}", *FAST, code=2)
        assert "must be openai:URL#MODEL" in said.err


def test_a_request_has_one_time_limit_for_all_that_a_server_sends(serve, ask):
    faults = ["hang", "drip", "drip_headers", "continue"]
    server = serve(faults)
    flags = ["--server.timeout", "0.5", "--server.concurrency", "4", "--plan.num-problems", "4"]
    answers, said, _ = ask(server, *flags)
    assert len(answers) == 8 and len(server.requests) == 4 + len(faults)
    assert said.out.count("no answer within 0.5 s") == len(faults)


KEY = "sk-Proj/abc+DEF==0123456789"


@pytest.mark.parametrize(
    ("fault", "told"),
    [("echo", "401"), ("echo_in_header", "RemoteProtocolError"), ("echo_in_answer", "[key]")],
)
def test_a_key_is_never_told(serve, ask, monkeypatch, fault, told):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    code = 0 if fault == "echo_in_answer" else 2
    _, said, folder = ask(serve(rest=fault), "--server.max-retries", "1", code=code)
    files = "".join(path.read_text() for path in folder.iterdir())
    everything = said.out + said.err + files
    assert told in (said.err or files) and "[key]" in everything
    encoded = base64.b64encode(KEY.encode()).decode()
    for secret in (KEY, quote(KEY, safe=""), encoded):
        parts = {secret[start : start + 8].lower() for start in range(len(secret) - 7)}
        assert not any(part in everything.lower() for part in parts)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--server.key-variable", KEY], "`server.key_variable` must be the name"),
        (
            ["--server.key-variable", "hf_0123456789abcdef"],
            "`key_variable` must be the name",
        ),
        (["--server.served-model", KEY], "flags must be without the key"),
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_told(evaluate, monkeypatch, flags, told):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    folder, said = evaluate("openai:http://127.0.0.1:9/v1#m", *FAST, *flags, code=2)
    assert told in said.err and not folder.exists()
    assert flags[1] not in said.out + said.err
    _, said = evaluate("openai:http://me:word@127.0.0.1:9/v1#m", *FAST, code=2)
    assert "without a user or password" in said.err and "word@" not in said.err


def test_a_server_that_asks_for_patience_gets_it(serve, ask):
    for fault, least in (("busy_for_a_second", 1.0), ("busy_until", 0.9)):
        server = serve([fault])
        ask(server, "--server.concurrency", "1", output=fault)
        times = [request["time"] for request in server.requests]
        assert len(times) == 4 and times[1] - times[0] >= least


def test_a_server_that_says_now_is_not_asked_at_once(serve, ask):
    server = serve(["busy_at_once"])
    ask(server, "--server.concurrency", "1", "--server.first-delay", "1")
    times = [request["time"] for request in server.requests]
    assert len(times) == 4 and times[1] - times[0] >= 0.5


def test_a_server_that_answers_too_few_is_asked_for_the_rest(serve, ask):
    server = serve(rest="few")
    answers, *_ = ask(server)
    assert sorted(row["sample"] for row in answers) == [0, 0, 0, 1, 1, 1]
    assert sorted(request["body"]["n"] for request in server.requests) == [1, 1, 1, 2, 2, 2]
    seeds = {request["body"]["seed"] for request in server.requests}
    assert len(seeds) == 6  # the rest are not the same answers again


def test_a_server_that_answers_too_many_is_not_counted_for_them(serve, ask):
    server = serve(rest="many")
    answers, *_ = ask(server)
    assert len(answers) == NUM and len(server.requests) == 3


def test_samples_may_be_asked_for_one_by_one(serve, ask):
    server = serve()
    ask(server, "--server.samples-per-request", "1")
    assert [request["body"]["n"] for request in server.requests] == [1] * NUM


def test_an_answer_that_runs_on_after_its_end_is_not_cut_off(serve, ask):
    flags = ["--server.api", "completions", "--preset", "e2h"]
    answers, *_ = ask(serve(rest="runs_on"), *flags)
    assert {(row["ended"], row["answer"]) for row in answers} == {(True, "7")}
    answers, *_ = ask(serve(rest="runs_on"), *flags[:2], output="sec")  # has no stop string
    assert {row["ended"] for row in answers} == {False}


def test_a_key_may_have_a_line_end_but_nothing_else_that_headers_cannot(serve, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key\n")
    server = serve()
    ask(server)
    assert {request["key"] for request in server.requests} == {"Bearer secret-key"}
    monkeypatch.setenv("OPENAI_API_KEY", "secret\nkey")
    _, said, _ = ask(server, output="two lines", code=2)
    assert "OPENAI_API_KEY" in said.err and "secret" not in said.out + said.err


def test_another_model_is_refused_but_a_revision_is_not(serve, ask):
    _, said, _ = ask(serve(rest="other_model"), code=2)
    assert "must answer with the model 'tiny', got 'another'" in said.err
    ask(serve(rest="other_model"), "--server.served-model", "another", output="named")
    ask(serve(rest="revision"), output="revision")


@pytest.mark.parametrize(
    ("fault", "told"), [("refused", "context is too short"), ("no_key", "401")]
)
def test_a_refusal_is_final_and_told_in_one_line(serve, ask, fault, told):
    server = serve(rest=fault)
    _, said, _ = ask(server, "--server.concurrency", "1", code=2)
    assert told in said.err and said.err.count("\n") == 1
    assert len(server.requests) <= 2


def test_a_server_that_stays_down_ends_the_run_and_the_same_command_goes_on(serve, ask):
    server = serve(["none", "none"], rest="broken")
    flags = ["--server.max-retries", "2", "--server.concurrency", "1"]
    answers, said, _ = ask(server, *flags, code=2)
    assert "failed 3 times, lastly: 500" in said.err and "same command goes on" in said.err
    assert len(answers) == 4
    better = serve()
    folder = "moved"  # the same server would have the same address
    answers, *_ = ask(better, output=folder)
    assert len(answers) == NUM


def test_a_server_that_is_not_there_is_told_after_three_attempts(evaluate):
    one = ["--server.concurrency", "1"]
    _, said = evaluate("openai:http://127.0.0.1:9/v1#m", *FAST, *one, code=2)  # 8 retries allowed
    assert "takes no connection" in said.err and said.err.count("\n") == 1
    assert said.out.count("again in") == 2


def test_a_server_that_dies_on_the_way_is_still_asked_again(serve):
    (opened,) = map(open_part, parts_of("sec")[:1])
    server, told = serve(delay=0.1), []  # the second may be asked before it dies, not the ninth
    config = ServerConfig(first_delay=0.01, max_retries=5, concurrency=1)
    agent = ServerAgent(server.agent().partition(":")[2], config, None, 0, told.append)
    replies = agent.answer([Request(question, (0,)) for question in opened.questions[:9]])
    assert len(next(replies)) == 1
    agent.url = agent.client.url = "http://127.0.0.1:9/v1/chat/completions"  # as if it had died
    with pytest.raises(ConnectionError, match="failed 6 times, lastly: no connection"):
        list(replies)
    assert len(told) == 5


def test_an_empty_message_is_no_answer(serve, ask):
    answers, *_ = ask(serve(rest="no_content"))
    assert {(row["completion"], row["formatted"]) for row in answers} == {("", False)}


def test_tokens_that_are_not_counted_are_not_guessed(serve, ask):
    _answers, _said, folder = ask(serve(rest="no_usage"), "--server.prompt-price", "1")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["spent"]["num_tokens"] is None and summary["spent"]["money"] is None


def test_tokens_of_the_first_of_several_answers_are_not_those_of_all(serve, ask):
    answers, *_ = ask(serve(rest="first_counted"))
    assert {(row["num_tokens"], row["num_prompt_tokens"]) for row in answers} == {(None, 50.0)}
    answers, *_ = ask(serve(rest="first_counted"), "--temperature", "0", output="one")
    assert {row["num_tokens"] for row in answers} == {10.0}


def test_tokens_that_cannot_be_are_not_counted(serve, ask):
    answers, *_ = ask(serve(rest="huge_usage"))
    assert {(row["num_tokens"], row["num_prompt_tokens"]) for row in answers} == {(None, None)}


def test_prices_may_be_told_later(serve, ask):
    server = serve()
    ask(server)
    ask(server, "--server.prompt-price", "2000", "--server.completion-price", "10000")
    *_, folder = ask(server)
    assert len(server.requests) == 3
    spent = json.loads((folder / "summary.json").read_text())["spent"]
    assert spent["money"] == pytest.approx(1.2)


def test_what_was_spent_on_problems_that_are_not_complete_counts(serve, ask):
    flags = ["--server.samples-per-request", "1", "--server.concurrency", "1"]
    server = serve(["none"] * 3, rest="refused")
    *_, folder = ask(server, *flags, code=2)
    assert main(["report", str(folder)]) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["levels"][0]["num_problems"] == 1
    assert (summary["spent"]["answers"], summary["spent"]["num_tokens"]) == (3, 30)


def test_money_is_what_the_tokens_cost(serve, ask):
    prices = ["--server.prompt-price", "2000", "--server.completion-price", "10000"]
    *_, folder = ask(serve(), *prices)
    spent = json.loads((folder / "summary.json").read_text())["spent"]
    # 3 requests of 100 and 20 tokens: 300 x .002 + 60 x .01
    assert spent["money"] == pytest.approx(1.2)
    assert "at a price of 1.2000" in (folder / "summary.md").read_text()


def test_requests_are_made_at_once_but_no_more_than_allowed(serve, ask):
    server = serve(delay=0.3)
    ask(server, "--server.concurrency", "2", "--plan.num-problems", "6")
    assert server.told["most"] == 2


def test_requests_are_spread_over_a_minute(serve, ask):
    server = serve()
    ask(server, "--server.requests-per-minute", "120")
    times = sorted(request["time"] for request in server.requests)
    assert len(times) == 3 and times[-1] - times[0] >= 0.8  # half a second apart


@pytest.mark.parametrize(("fault", "max_tokens"), [("none", 4096), ("no_usage", 60)])
def test_tokens_are_spread_over_a_minute(serve, fault, max_tokens):
    # of each request 100 + 20 tokens, or 2 x 60 at most where the server counts none: one second
    server = serve(rest=fault)
    config = ServerConfig(tokens_per_minute=7_200, concurrency=1)
    opened = open_part(parts_of("sec")[0], num_problems=3, max_tokens=max_tokens, levels=[1])
    agent = ServerAgent(server.agent().removeprefix("openai:"), config, None, 0)
    start = time.monotonic()
    replies = list(agent.answer([Request(question, (0, 1)) for question in opened.questions]))
    assert [len(group) for group in replies] == [2, 2, 2]
    times = [request["time"] for request in server.requests]  # by the same clock
    assert times[1] - start >= 1 and times[2] - start >= 2


def test_what_waits_for_its_turn_is_not_sent_after_a_failure(serve, ask):
    server = serve(rest="refused")
    ask(server, "--server.requests-per-minute", "3", "--server.concurrency", "3", code=2)
    assert len(server.requests) == 1
