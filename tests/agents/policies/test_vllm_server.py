"""A server that samples, over HTTP: what it is asked, and what becomes of its mistakes."""

import gc
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from edgewise.agents.policies.engine import Turn  # noqa: E402
from edgewise.agents.policies.load import with_engine  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.policies.vllm_server import VLLMServer  # noqa: E402
from edgewise.cli import main  # noqa: E402

SAMPLING = Sampling(max_tokens=12, temperature=0.7, top_p=0.9, stop=("}",))


def choice(turn):
    return {
        "token_ids": turn.tokens,
        "logprobs": {"token_logprobs": turn.logprobs},
        "finish_reason": "stop" if turn.ended else "length",
    }


class Server(ThreadingHTTPServer):
    """What a vLLM server answers to the requests of an engine, computed by another engine."""

    daemon_threads, request_queue_size = True, 128

    def __init__(self, engine):
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine, self.lock = engine, threading.Lock()
        self.asked, self.instead = [], {}  # by path, a status and what is said
        self.adapter = "tiny"  # or the model itself

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path, content):
        if path == "/v1/models":
            return {"data": [{"id": "tiny"}]}
        if path == "/collective_rpc":
            assert content["method"] == "reload_weights"
            self.engine.load(load_file(f"{content['kwargs']['weights_path']}/model.safetensors"))
            return {"results": [None]}
        if path == "/v1/load_lora_adapter":
            folder = Path(content["lora_path"])
            assert folder.name == content["lora_name"] != self.adapter
            self.adapter = content["lora_name"]
            self.engine.adapt(lambda place: copytree(folder, place, dirs_exist_ok=True))
            return None
        if path in ("/reset_prefix_cache", "/v1/unload_lora_adapter"):
            return None
        assert content["model"] == self.adapter
        sampling = Sampling(
            content["max_tokens"], content["temperature"], content["top_p"], tuple(content["stop"])
        )
        given = ([content["prompt"]], sampling, [content["seed"]], content["stop_token_ids"])
        return {"choices": [choice(turn) for turn in self.engine.sample(*given)]}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = json.loads(body) if body else None
        with self.server.lock:
            self.server.asked.append((self.path, content))
            status, said = self.server.instead.get(self.path, (200, None))
            if said is None:
                found = self.server.answer(self.path, content)
                said = b"" if found is None else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@pytest.fixture
def serve():
    """Start a server of an engine."""
    servers = []

    def start(engine):
        server = Server(engine)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def answers(serve, tmp_path):
    """What a server says instead, and what asks it."""
    good = {"token_ids": [5], "logprobs": {"token_logprobs": [-1.0]}, "finish_reason": "length"}
    server = serve(None)
    server.instead["/collective_rpc"] = (200, b"{}")
    server.instead["/v1/completions"] = (200, json.dumps({"choices": [good]}).encode())

    def ask():
        engine = VLLMServer(server.url, tmp_path, 200)
        engine.load({"weight": torch.ones(1)})
        return engine.sample([[1, 2]], SAMPLING, [0], [2])

    assert ask() == [Turn([5], [-1.0], False)]
    return SimpleNamespace(instead=server.instead, ask=ask)


@pytest.fixture
def run(tiny_model, model_engine, serve, tmp_path):
    server = serve(model_engine(tiny_model))
    learner = TransformersPolicy.load(tiny_model)
    policy = with_engine(learner, server.url, tmp_path / "weights")
    return SimpleNamespace(server=server, policy=policy)


def sampled(policy, prompts=("1 + 1 = ",) * 6):
    return policy.generate(prompts, SAMPLING, torch.Generator().manual_seed(0))


def paths(server):
    return [path for path, _ in server.asked]


def test_weights_are_read_from_the_folder_and_prefixes_forgotten(run):
    assert paths(run.server)[:3] == ["/v1/models", "/collective_rpc", "/reset_prefix_cache"]
    assert paths(run.server).count("/collective_rpc") == 1  # of the probe
    with torch.no_grad():
        for weight in run.policy.parameters():
            weight.mul_(1.1)
    found = sampled(run.policy)
    assert paths(run.server).count("/collective_rpc") == 2
    with torch.no_grad():
        torch.testing.assert_close(run.policy.logprobs(found), found.logprobs, atol=1e-5, rtol=0)


def test_a_request_says_all_that_decides_a_completion(run):
    run.server.asked.clear()
    found = sampled(run.policy)
    requests = [content for path, content in run.server.asked if path == "/v1/completions"]
    assert len(requests) == len(found.texts) == 6
    assert len({request["seed"] for request in requests}) == 6
    for request in requests:
        assert request["prompt"] == run.policy.tokenizer.encode("1 + 1 = ")
        assert (request["temperature"], request["top_p"], request["stop"]) == (0.7, 0.9, ["}"])
        assert (request["top_k"], request["min_p"], request["repetition_penalty"]) == (0, 0, 1)
        assert request["model"] == "tiny" and request["return_token_ids"] is True
    assert torch.equal(sampled(run.policy).tokens, found.tokens)


def test_a_run_is_trained_through_a_server(tiny_model, model_engine, serve, tmp_path, capsys):
    server = serve(model_engine(tiny_model))
    flags = {
        "--agent": f"hf:{tiny_model}",
        "--engine": server.url,
        "--engine-folder": str(tmp_path / "weights"),
        "--output": str(tmp_path / "run"),
        "--preset": "sec",
        "--max-tokens": "12",
        "--num-steps": "2",
    }
    words = [word for flag in flags.items() for word in flag]
    assert main(["train", "--no-evaluate", *words]) == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines]
    assert len(metrics) == 2
    for step in metrics:
        mean = step["sampling/importance_sampling_ratio/mean"]
        assert mean == pytest.approx(1.0, abs=1e-4)
    capsys.readouterr()
    server.instead["/v1/completions"] = (500, b"the engine is dead")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["engine"] == server.url and config["hyperparameters"]["importance_cap"] == 2.0
    assert main(["train", "--resume", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "says 500 the engine is dead" in told


def test_a_server_that_keeps_an_old_head_is_refused(tiny_model, model_engine, serve, tmp_path):
    server = serve(model_engine(tiny_model, keeps_head=True))
    with pytest.raises(ValueError, match=r"^`engine` must sample .*`edgewise untie`"):
        with_engine(TransformersPolicy.load(tiny_model), server.url, tmp_path)


@pytest.mark.parametrize(
    ("path", "status", "said", "message"),
    [
        ("/v1/models", 200, b"[]", "it names no model"),
        ("/v1/models", 200, b"<html>", "it names no model"),
        ("/collective_rpc", 404, b'{"detail":"Not Found"}', "/collective_rpc says 404"),
        ("/v1/completions", 503, b"\xff" * 10_000, "/v1/completions says 503"),
        ("/v1/completions", 200, b'{"choices": []}', "no token ids"),
        ("/v1/completions", 200, b'{"choices": [{"text": "2"}]}', "no token ids"),
    ],
)
def test_a_server_that_is_none_is_refused(answers, path, status, said, message):
    answers.instead[path] = (status, said)
    with pytest.raises(ConnectionError, match="VLLM_SERVER_DEV_MODE=1") as found:
        answers.ask()
    assert message in str(found.value) and len(str(found.value)) < 1_000


@pytest.mark.parametrize(
    ("tokens", "logprobs"),
    [([], []), ([5], [-1.0, -1.0]), ([99_999], [-1.0]), ([-1], [-1.0])],
)
def test_tokens_that_do_not_exist_are_refused(answers, tokens, logprobs):
    given = {"token_ids": tokens, "logprobs": {"token_logprobs": logprobs}, "finish_reason": "stop"}
    answers.instead["/v1/completions"] = (200, json.dumps({"choices": [given]}).encode())
    with pytest.raises(ConnectionError, match="its tokens are not those of the model"):
        answers.ask()


def test_no_server_is_told_in_one_line(tiny_model, tmp_path, capsys):
    where = ["--engine", "http://127.0.0.1:9", "--output", str(tmp_path / "run")]
    assert main(["train", "--agent", f"hf:{tiny_model}", *where]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "got http://127.0.0.1:9: /v1/models" in told
    assert not (tmp_path / "run").exists()


def test_weights_in_a_folder_of_its_own_go_with_the_engine(tiny_model, model_engine, serve):
    server = serve(model_engine(tiny_model))
    policy = with_engine(TransformersPolicy.load(tiny_model), server.url)
    sampled(policy)
    folder = policy.engine.folder
    assert (folder / "model.safetensors").is_file()
    del policy
    gc.collect()
    assert not folder.exists()


def test_the_folder_of_a_model_is_not_written_to(tiny_model, model_engine, serve):
    learner = TransformersPolicy.load(tiny_model)
    before = (tiny_model / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match="`engine_folder` must hold no model"):
        with_engine(learner, serve(model_engine(tiny_model)).url, tiny_model)
    assert (tiny_model / "model.safetensors").read_bytes() == before


def test_adapters_are_loaded_under_a_new_name_and_old_ones_dropped(
    tiny_model, model_engine, serve, tmp_path
):
    pytest.importorskip("peft")
    from edgewise.agents.policies.lora import Adapters, LoRAPolicy

    server, plain = serve(model_engine(tiny_model)), TransformersPolicy.load(tiny_model)
    learner = LoRAPolicy(plain.model, plain.tokenizer, Adapters(rank=2))
    policy = with_engine(learner, server.url, tmp_path / "weights")
    for _ in range(2):
        with torch.no_grad():
            for weight in policy.parameters():
                weight += 0.1
            found = sampled(policy)
            torch.testing.assert_close(policy.logprobs(found), found.logprobs, atol=1e-4, rtol=0)
    asked = [(path, content) for path, content in server.asked if "lora" in path]
    loaded = [content["lora_name"] for path, content in asked if "unload" not in path]
    dropped = [content["lora_name"] for path, content in asked if "unload" in path]
    assert len(loaded) == len({*loaded}) == 3 and dropped == loaded[:-1]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == loaded[-1:]
    del policy, found
    gc.collect()
    assert server.asked[-1] == ("/v1/unload_lora_adapter", {"lora_name": loaded[-1]})
    assert not list((tmp_path / "weights").iterdir())


def test_a_server_without_adapters_is_told_of_with_the_flags_that_it_needs(
    tiny_model, model_engine, serve, tmp_path
):
    pytest.importorskip("peft")
    from edgewise.agents.policies.lora import Adapters, LoRAPolicy

    server, plain = serve(model_engine(tiny_model)), TransformersPolicy.load(tiny_model)
    server.instead["/v1/load_lora_adapter"] = (404, b"not found")
    learner = LoRAPolicy(plain.model, plain.tokenizer, Adapters(rank=2))
    with pytest.raises(ConnectionError, match=r"--enable-lora .*load_lora_adapter says 404"):
        with_engine(learner, server.url, tmp_path / "weights")
    gc.collect()
    assert not list((tmp_path / "weights").iterdir())
