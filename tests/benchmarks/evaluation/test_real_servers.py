"""The client against the servers of transformers, vLLM and llama.cpp, with the packaged seedling.

llama.cpp's is `llama-server` on the PATH or a command in EDGEWISE_LLAMA_SERVER, or it comes with
`pip install xllamacpp`; `pip install gguf` writes its model.
"""

import importlib.util
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

pytest.importorskip("tyro")
pytest.importorskip("httpx")

from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.policies.options import Sampling

FLAGS = ["--env", "Countdown-v0", "--preset", "seedling", "--levels", "1", "2"]
FLAGS += ["--server.api", "completions", "--max-tokens", "80", "--plan.num-problems", "10"]
START = 400  # seconds that a server may take to start
HERE = Path(__file__).parent
# Flash attention (on a CPU) and a cache of 16 bits are too coarse for the same greedy tokens; top-k
# and min-p are on by default, and would change what is sampled.
EXACT = ["--flash-attn", "off", "--cache-type-k", "f32", "--cache-type-v", "f32"]
EXACT += ["--top-k", "0", "--min-p", "0"]
SLOTS = 4  # of llama.cpp's server


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


@pytest.fixture(scope="module")
def llama_command():
    """What starts llama.cpp's server."""
    named = os.environ.get("EDGEWISE_LLAMA_SERVER") or shutil.which("llama-server")
    if named is None and importlib.util.find_spec("xllamacpp") is None:
        pytest.skip(
            "no llama.cpp: put llama-server on the PATH, name it in EDGEWISE_LLAMA_SERVER, or "
            "pip install xllamacpp"
        )
    return shlex.split(named) if named else [sys.executable, str(HERE / "llama_server.py")]


@pytest.fixture(scope="module")
def gguf_path(tmp_path_factory):
    """The seedling in a file for llama.cpp."""
    if importlib.util.find_spec("gguf") is None:
        pytest.skip("needs pip install gguf")
    path = tmp_path_factory.mktemp("llama") / "seedling.gguf"
    script = [sys.executable, str(HERE / "gguf_model.py")]
    subprocess.run([*script, model_path("seedling"), str(path)], check=True)
    return path


@pytest.fixture
def llama(llama_command, gguf_path, serve):
    """The URL of llama.cpp's server, with the seedling in as many bits as here."""
    flags = ["--alias", "seedling", "--parallel", str(SLOTS), "--ctx-size", str(SLOTS * 512)]
    flags += ["--threads", "1", "--metrics", *EXACT]
    return serve([*llama_command, "--model", str(gguf_path), *flags])


def posted(url, path, **content):
    """What a server answers to JSON."""
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(
        url.removesuffix("/v1") + path, json.dumps(content).encode(), headers
    )
    with urllib.request.urlopen(asked) as response:
        return json.loads(response.read())


def generated(url):
    """The tokens that llama.cpp's server has generated until now, as it counts them itself."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics") as response:
        told = response.read().decode().splitlines()
    return sum(float(x.split()[1]) for x in told if x.startswith("llamacpp:tokens_predicted_total"))


@pytest.mark.slow
def test_llama_cpp_samples_as_well(llama, evaluate, lines):
    check(evaluate, lines, llama, "seedling", "--server.samples-per-request", "1")


@pytest.mark.slow
def test_llama_cpp_takes_the_same_tokens(llama):
    tokenizer = load_policy("seedling").tokenizer
    markup = "<|im_start|>user\n1 + 1?<|im_end|>\n<eos>"
    for text in ("", " \n\n\tx", "[25, 17] -> 42 \\boxed{}:", "it's <b>漢字</b> 😀", markup):
        found = posted(llama, "/tokenize", content=text, add_special=True, parse_special=True)
        assert found["tokens"] == tokenizer.encode(text)


@pytest.mark.slow
def test_llama_cpp_answers_greedily_as_the_policy_here(llama, evaluate, lines):
    flags = [*FLAGS, "--samples", "2", "--temperature", "0"]
    there, _ = evaluate(f"openai:{llama}#seedling", *flags)
    here, _ = evaluate("seedling", "--suite", "sec", *flags[2:], output="here")
    answers = lines(there / "answers.jsonl")
    wanted = {
        (row["level"], row["problem_seed"]): row
        for row in lines(here / "answers.jsonl")
        if row["part"] == "sec/Countdown-v0"
    }
    assert len(answers) == 40 and len(wanted) == 20
    for row in answers:
        other = wanted[row["level"], row["problem_seed"]]
        for name in ("completion", "correct", "ended", "num_tokens", "num_prompt_tokens"):
            assert row[name] == other[name]
    total = generated(llama)
    assert total == sum(row["num_tokens"] for row in answers)

    again, _ = evaluate(f"openai:{llama}#seedling", *flags)
    assert lines(again / "answers.jsonl") == answers and generated(llama) == total
    kept = (there / "answers.jsonl").read_text().splitlines(keepends=True)[:15]
    (there / "answers.jsonl").write_text("".join(kept))
    evaluate(f"openai:{llama}#seedling", *flags)
    rest = lines(there / "answers.jsonl")[15:]
    assert generated(llama) - total == sum(row["num_tokens"] for row in rest) and len(rest) == 25


@pytest.mark.slow
def test_llama_cpp_chats_greedily_as_the_policy_here(llama, evaluate, lines):
    flags = [*FLAGS, "--server.api", "chat", "--samples", "1", "--temperature", "0"]
    folder, _ = evaluate(f"openai:{llama}#seedling", *flags)
    prompts = {
        (row["level"], row["problem_seed"]): row["prompt"]
        for row in lines(folder / "problems.jsonl")
    }
    policy, generator = load_policy("seedling"), torch.Generator()
    answers = lines(folder / "answers.jsonl")
    assert len(answers) == 20
    for row in answers:
        message = {"role": "user", "content": prompts[row["level"], row["problem_seed"]]}
        text = policy.tokenizer.apply_chat_template(
            [message], tokenize=False, add_generation_prompt=True
        )
        found = policy.generate([text], Sampling(max_tokens=80, temperature=0), generator)
        assert row["completion"] == found.texts[0] and row["ended"] == found.ended[0]


@pytest.mark.slow
def test_llama_cpp_answers_as_many_times_as_it_has_slots(llama, evaluate, lines):
    name, slots = f"openai:{llama}#seedling", str(SLOTS)
    folder, _ = evaluate(name, *FLAGS, "--samples", slots)
    answers = lines(folder / "answers.jsonl")
    assert len(answers) == 20 * SLOTS
    assert {row["num_tokens"] for row in answers} == {None}  # it counts one of four
    groups = {}
    for row in answers:
        groups.setdefault((row["level"], row["problem_seed"]), set()).add(row["completion"])
    assert sum(len(texts) > 1 for texts in groups.values()) > 5
    _, said = evaluate(name, *FLAGS, "--samples", "8", output="more", code=2)
    assert "refuses: 400" in said.err and "but got 8" in said.err
    parts = ["--server.samples-per-request", slots]
    folder, _ = evaluate(name, *FLAGS, "--samples", "8", *parts, output="more")
    assert len(lines(folder / "answers.jsonl")) == 160
