"""The packaged seedling, sampled by vLLM, beside what transformers computes; `make test-vllm`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm")

import gymnasium as gym  # noqa: E402

from edgewise.agents.policies import vllm_engine  # noqa: E402
from edgewise.agents.policies.load import load_policy, with_engine  # noqa: E402
from edgewise.agents.policies.lora import Adapters, LoRAPolicy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin  # noqa: E402
from edgewise.cli import main  # noqa: E402

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]  # of vLLM
SAMPLING = Sampling(max_tokens=64)
SIZE = {"num_problems": 32, "group_size": 8, "num_steps": 5}
WAIT = 600.0  # seconds for a server to start
SERVED = {
    "VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_NO_USAGE_STATS": "1",
}  # fmt: skip


def prompts(num_problems=32, group_size=8):
    envs = gym.make_vec(
        "Countdown-v0",
        num_envs=num_problems * group_size,
        group_size=group_size,
        preset="seedling",
    )
    return list(envs.reset(seed=0)[0])


def sampled(policy, sampling=SAMPLING, seed=0):
    return policy.generate(prompts(), sampling, torch.Generator().manual_seed(seed))


def gaps(policy, completions):
    """How far the log-probability of each sampled token is from the learner's."""
    with torch.no_grad():
        found = (policy.logprobs(completions) - completions.logprobs).abs()
    return found[completions.mask > 0]


def agree(found):
    """Whether gaps are rounding: log-probabilities in float32 are up to 5e-5 from float64.

    Those of the learner as of vLLM; with adapters one in a hundred is 1e-5 from float64 or more.
    """
    return found.quantile(0.99) < 2e-5 and found.max() < 1e-4


@pytest.fixture(scope="module")
def policy():
    return with_engine(load_policy("seedling"), "vllm:max_length=512")


def test_log_probabilities_agree_in_float32(policy):
    found = sampled(policy)
    assert len(set(found.texts)) > 100 and found.ended.float().mean() > 0.9
    assert agree(gaps(policy, found))


def test_the_same_generator_samples_the_same(policy):
    stopped = Sampling(max_tokens=64, stop=("=",))
    one, same, other = (sampled(policy, stopped, seed) for seed in (0, 0, 1))
    assert torch.equal(one.tokens, same.tokens) and one.texts != other.texts
    assert sum(text.endswith("=") for text in one.texts) > 200


def test_greedy_completions_are_those_of_transformers(policy):
    greedy = Sampling(max_tokens=64, temperature=0.0)
    both = (sampled(policy, greedy).texts, sampled(policy.learner, greedy).texts)
    assert both[0] == both[1]


def test_updates_reach_the_engine(policy):
    before = {name: weight.clone() for name, weight in policy.learner.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in policy.parameters():
            weight *= 1 + 0.01 * torch.randn(weight.shape, generator=generator)
    assert agree(gaps(policy, sampled(policy)))
    policy.learner.load_state_dict(before)
    assert agree(gaps(policy, sampled(policy)))


def with_adapters():
    learner = load_policy("seedling")
    return LoRAPolicy(learner.model, learner.tokenizer, Adapters(rank=2))


def change(policy):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)


def test_adapters_go_to_the_engine():
    policy = with_engine(with_adapters(), "vllm:max_length=512")
    for _ in range(2):
        change(policy)
        assert agree(gaps(policy, sampled(policy)))
    reference = policy.frozen()  # without adapters
    found = sampled(policy)
    with torch.no_grad():
        assert (reference.logprobs(found) - found.logprobs).abs().max() > 1e-2


def test_log_probabilities_agree_in_bfloat16():
    policy = with_engine(load_policy("seedling", "bfloat16"), "vllm:max_length=512")
    found = gaps(policy, sampled(policy)).float()
    assert found.mean() < 5e-3 and found.quantile(0.99) < 6e-2


def test_a_head_that_stays_tied_is_updated_too(monkeypatch):
    monkeypatch.setattr(
        vllm_engine, "write_config", lambda policy, folder, untie: policy.save(folder)
    )
    policy = with_engine(load_policy("seedling"), "vllm:max_length=512")
    with torch.no_grad():
        policy.learner.model.get_input_embeddings().weight.mul_(1.2)
    assert agree(gaps(policy, sampled(policy)))


def test_five_steps_are_as_good_as_those_through_transformers(tmp_path):
    accuracies = {}
    for engine in ("transformers", "vllm:max_length=512"):
        config = TrainConfig(
            engine=engine, output=tmp_path / engine[:4], evaluate=False, curriculum="random", **SIZE
        )
        training = begin(config)
        steps = []
        for metrics in training.steps():
            steps.append(metrics)
            if training.setup.model.engine != "transformers":
                for kind, rounding in {"mean": 1e-5, "min": 1e-3, "max": 1e-3}.items():
                    ratio = metrics[f"sampling/importance_sampling_ratio/{kind}"]
                    assert ratio == pytest.approx(1.0, abs=rounding)
        assert len(steps) == 5 and all(step["grad_norm"] > 0 for step in steps)
        accuracies[engine] = sum(step["accuracy"] for step in steps) / len(steps)
    one, other = accuracies.values()
    assert one == pytest.approx(other, abs=0.1)  # 160 groups each


@pytest.mark.parametrize("adapters", [[], ["--lora-rank", "2"]], ids=["whole", "adapters"])
def test_two_ranks_have_an_engine_each(tmp_path, adapters):
    words = (
        "--engine vllm:max_length=512 --num-problems 4 --group-size 8 --num-steps 2 --no-evaluate"
    )
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--standalone",
    ]
    train = [
        "-m",
        "edgewise",
        "train",
        *words.split(),
        *adapters,
        "--output",
        str(tmp_path / "run"),
    ]
    ran = subprocess.run([*launch, *train], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3_000:]
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2
    for metrics in map(json.loads, lines):
        for kind in ("mean", "min", "max"):
            ratio = metrics[f"sampling/importance_sampling_ratio/{kind}"]
            assert ratio == pytest.approx(1.0, abs=1e-3)
        assert {"time/engine_wake_seconds", "time/engine_sync_seconds"} <= metrics.keys()


@contextmanager
def served(folder, *flags):
    """Start vLLM's own server of the seedling, and yield its URL."""
    assert main(["untie", "--agent", "seedling", "--output", str(folder / "model")]) == 0
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = f"--dtype float32 --max-model-len 512 --port {port} --enforce-eager"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", "model"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *command,
                *words.split(),
                *flags,
                "--host",
                "127.0.0.1",
                "--no-enable-chunked-prefill",
            ],
            cwd=folder,
            env={**os.environ, **SERVED},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        while not answers(f"{url}/health"):
            assert process.poll() is None, (folder / "log").read_text()[-3_000:]
            assert time.monotonic() < began + WAIT, "the server does not start"
            time.sleep(1)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def answers(url):
    try:
        with urlopen(url, timeout=5) as response:
            return response.status == 200
    except (URLError, ConnectionError, TimeoutError):
        return False


def test_a_run_is_trained_through_vllms_own_server(tmp_path):
    with served(tmp_path) as url:
        train_through(url, tmp_path)


def train_through(url, tmp_path):
    config = TrainConfig(
        engine=url,
        engine_folder=tmp_path / "weights",
        output=tmp_path / "run",
        evaluate=False,
        num_problems=8,
        num_steps=2,
    )
    training = begin(config)
    assert len(list(training.steps())) == 2
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    for metrics in map(json.loads, lines):
        for kind in ("mean", "min", "max"):
            ratio = metrics[f"sampling/importance_sampling_ratio/{kind}"]
            assert ratio == pytest.approx(1.0, abs=1e-4)
    found = training.policy.generate(prompts(4), SAMPLING, torch.Generator().manual_seed(0))
    assert agree(gaps(training.policy, found))


def test_a_server_takes_adapters(tmp_path):
    with served(tmp_path, "--enable-lora") as url:
        policy = with_engine(with_adapters(), url, tmp_path / "weights")
        for _ in range(2):
            change(policy)
            found = policy.generate(prompts(4), SAMPLING, torch.Generator().manual_seed(0))
            assert agree(gaps(policy, found))
