"""The client of a server is interrupted and killed, and goes on."""

import json
import os
import signal

import pytest

pytest.importorskip("tyro")
pytest.importorskip("httpx")

from edgewise.cli import main
from edgewise.interrupts import GOES_ON, TOLD

FAST = ["--server.first-delay", "0.01", "--env", "Countdown-v0", "--levels", "1"]


def eval_words(server, path, num_problems):
    flags = f"--samples 2 --plan.num-problems {num_problems} --output {path / 'out'}"
    return f"eval --agent {server.agent()} {' '.join(FAST)} {flags}"


def num_lines(path):
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def test_a_server_that_hangs_holds_no_interrupt(serve, start, tmp_path):
    server = serve(["none"], rest="hang")
    command = start(eval_words(server, tmp_path, 3) + " --server.concurrency 1")
    command.until(lambda: num_lines(tmp_path / "out" / "answers.jsonl") == 2)
    command.press(signal.SIGINT)
    os.kill(command.process.pid, signal.SIGINT)
    code, said = command.end()
    assert code == 130 and said == [TOLD.strip(), f"edgewise: stopped; {GOES_ON}"]
    assert num_lines(tmp_path / "out" / "answers.jsonl") == 2


def test_an_interrupted_run_keeps_the_answers_under_way(serve, start, tmp_path):
    server = serve(delay=0.15)
    command = start(eval_words(server, tmp_path, 40) + " --server.concurrency 2")
    path = tmp_path / "out" / "answers.jsonl"
    command.until(lambda: num_lines(path) >= 4)
    command.press(signal.SIGINT)
    code, said = command.end()
    kept = num_lines(path)
    told = f"edgewise: stopped after {kept} answers; {GOES_ON}"
    assert code == 130 and said == [TOLD.strip(), told]
    assert 4 <= kept < 80 and kept == 2 * len(server.requests)


def test_a_run_that_is_killed_asks_nothing_twice(serve, start, tmp_path):
    server = serve(delay=0.15)
    words = eval_words(server, tmp_path, 40) + " --server.concurrency 1"
    path = tmp_path / "out" / "answers.jsonl"
    command = start(words)
    command.until(lambda: num_lines(path) >= 8)
    os.kill(command.process.pid, signal.SIGKILL)
    command.process.join()
    with path.open("ab") as file:
        file.write(b'{"part": "own/Count')  # as a kill in the middle of a line leaves it
    before = path.read_bytes().count(b"\n")
    asked_before = [request["body"]["messages"] for request in server.requests]
    assert 8 <= before < 80 and len(asked_before) <= before / 2 + 2
    assert main(words.split()) == 0
    answers = [json.loads(line) for line in path.read_text().splitlines()]
    keys = [(row["problem_seed"], row["sample"]) for row in answers]
    assert len(keys) == len(set(keys)) == 80
    asked_after = [request["body"]["messages"] for request in server.requests][len(asked_before) :]
    assert len(asked_after) == 40 - before // 2  # what was answered is not asked again
    assert main(words.split()) == 0
    assert len(server.requests) == len(asked_before) + len(asked_after)


def test_a_folder_of_another_evaluation_is_not_taken_up(serve, ask):
    server = serve()
    ask(server)
    for flags, name in ((["--max-tokens", "3"], "parts"), (["--plan.seed", "1"], "seed")):
        _, said, _ = ask(server, *flags, code=2)
        assert f"with another {name}" in said.err
    assert len(server.requests) == 3


def test_a_folder_is_written_by_one_process_at_a_time(serve, ask):
    from edgewise.lock import locked

    server = serve()
    *_, folder = ask(server)
    with locked(folder):
        _, said, _ = ask(server, code=2)
    told = f"edgewise: {folder} is in use by process {os.getpid()} on "
    assert said.err.startswith(told) and said.err.count("\n") == 1
