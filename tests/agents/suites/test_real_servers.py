"""The client against the servers of transformers and of vLLM, with the packaged seedling."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("tyro")
pytest.importorskip("httpx")

from edgewise.agents.models import model_path

FLAGS = ["--env", "Countdown-v0", "--preset", "seedling", "--levels", "1", "2"]
FLAGS += ["--server.api", "completions", "--max-tokens", "80", "--plan.num-problems", "10"]
START = 400  # seconds that a server may take to start


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def serve(tmp_path):
    """A function that starts a server by its command, and returns the URL when it is up."""
    started = []

    def start(command, **environment):
        port = free_port()
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
        command = [*command, "--port", str(port)]
        with (tmp_path / "server.log").open("w") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            told = (tmp_path / "server.log").read_text()
            assert started[-1].poll() is None, told
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    return f"http://127.0.0.1:{port}/v1"
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise TimeoutError(told)

    yield start
    for process in started:
        process.terminate()
        process.wait()


def check(evaluate, lines, url, model, *flags):
    """The server is asked, and its seedling is as good as the seedling in this process."""
    folder, said = evaluate(f"openai:{url}#{model}", *FLAGS, "--samples", "2", *flags)
    answers = lines(folder / "answers.jsonl")
    assert len(answers) == 40, said.out
    assert all(0 < row["num_tokens"] <= 80 < row["num_prompt_tokens"] * 80 for row in answers)
    here, _ = evaluate("seedling", "--suite", "sec", *FLAGS[2:], "--samples", "2", output="here")
    shares = [
        sum(row["correct"] for row in lines(path / "answers.jsonl")) / 40 for path in (folder, here)
    ]
    assert min(shares) > 0.3 and abs(shares[0] - shares[1]) < 0.25, shares
    again, _ = evaluate(f"openai:{url}#{model}", *FLAGS, "--temperature", "0", output="greedy")
    texts = {row["completion"] for row in lines(again / "answers.jsonl")}
    assert any("\\boxed{" in text for text in texts)


@pytest.mark.slow
def test_transformers_serve(serve, evaluate, lines):
    if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")):
        pytest.skip("needs pip install 'transformers[serving]'")
    code = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    path = model_path("seedling")
    url = serve([sys.executable, "-c", code, "serve", path, "--device", "cpu"])
    check(evaluate, lines, url, path)


@pytest.mark.vllm
def test_the_server_of_vllm(serve, evaluate, lines):
    pytest.importorskip("vllm")
    module = "vllm.entrypoints.openai.api_server"
    flags = ["--served-model-name", "seedling", "--dtype", "float32", "--enforce-eager"]
    flags += ["--no-enable-chunked-prefill", "--max-model-len", "512"]
    url = serve([sys.executable, "-m", module, "--model", model_path("seedling"), *flags])
    check(evaluate, lines, url, "seedling")
