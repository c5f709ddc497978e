"""Evaluations small enough for a test."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main

SERVER = Path(__file__).with_name("server.py")
FAST = ["--server.first-delay", "0.01", "--env", "Countdown-v0", "--levels", "1"]
FEW = ["--plan.num-problems", "3"]


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """A function that runs `edgewise eval` in a folder, and returns that folder and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEWISE_DATA", raising=False)

    def run(agent, *flags, output="out", code=0):
        arguments = ["eval", *FEW, "--agent", agent, "--output", str(tmp_path / output), *flags]
        assert main(arguments) == code
        return tmp_path / output, capsys.readouterr()

    return run


@pytest.fixture
def lines():
    """A function that reads JSON lines."""
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]


class Running:
    """A server in another process."""

    def __init__(self, process, *told):
        print(json.dumps(told), file=process.stdin, flush=True)
        self.url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1"

    def agent(self, model="tiny"):
        return f"openai:{self.url}#{model}"

    @property
    def told(self):
        with urllib.request.urlopen(self.url) as response:
            return json.loads(response.read())

    @property
    def requests(self):
        return self.told["requests"]


@pytest.fixture(scope="session")
def servers():
    """The process of all servers."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(SERVER)], **pipes) as process:
        yield process
        process.kill()


@pytest.fixture
def serve(servers):
    """A function that starts a server with a plan of faults."""
    return lambda plan=(), rest="none", delay=0.0: Running(servers, list(plan), rest, delay)


@pytest.fixture
def ask(evaluate, lines):
    """A function that asks a server three problems twice, and returns the answers and the rest."""

    def run(server, *flags, model="tiny", **keywords):
        flags = (*FAST, "--samples", "2", *flags)
        folder, said = evaluate(server.agent(model), *flags, **keywords)
        path = folder / "answers.jsonl"
        return (lines(path) if path.exists() else []), said, folder

    return run
