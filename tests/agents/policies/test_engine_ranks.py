"""Two ranks that sample through engines of their own: each its shard, and both the same batch."""

import json
import multiprocessing
import os
import socket

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from edgewise.agents import distributed  # noqa: E402
from edgewise.agents.policies.engine import EnginePolicy  # noqa: E402
from edgewise.agents.policies.lora import Adapters, LoRAPolicy  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.sharded import ShardedPolicy  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402

PROMPTS = ["1 + 1 = ", "[3, 5, 2] -> 16: ", "x"] * 4
LEARNERS = ("whole", "adapters", "sharded")


def learner(kind, path):
    plain = TransformersPolicy.load(path)
    if kind == "adapters":
        return LoRAPolicy(plain.model, plain.tokenizer, Adapters(rank=2))
    if kind == "sharded":
        return ShardedPolicy(plain.model, plain.tokenizer, torch.float32, torch.device("cpu"))
    return plain


def sampled(policy, asked):
    """Change the weights and sample; return the tokens, the gap, and how many rows were sampled here."""
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(1.1).add_(0.01)
    asked.clear()
    found = policy.generate(PROMPTS, Sampling(8), torch.Generator().manual_seed(0))
    gap = (policy.logprobs(found).detach() - found.logprobs).abs().max().item()
    return {"tokens": found.tokens.tolist(), "gap": gap, "own": sum(asked)}


def work(rank, port, engine_class, path, folder):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with distributed.process_group():
        for kind in LEARNERS:
            engine, asked = engine_class(path), []
            sample = engine.sample

            def counted(prompts, *rest, sample=sample, asked=asked):
                asked.append(len(prompts))
                return sample(prompts, *rest)

            engine.sample = counted
            policy = EnginePolicy(learner(kind, path), engine)
            (folder / f"{kind}-{rank}.json").write_text(json.dumps(sampled(policy, asked)))


@pytest.fixture(scope="module")
def two(tiny_model, model_engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    context = multiprocessing.get_context("fork")  # the engine's class is not importable
    processes = [
        context.Process(target=work, args=(rank, port, model_engine, tiny_model, folder))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEARNERS)
def test_each_rank_samples_its_shard_with_the_learners_weights(two, kind):
    first, second = (json.loads((two / f"{kind}-{rank}.json").read_text()) for rank in range(2))
    assert first["tokens"] == second["tokens"]
    assert first["own"] == second["own"] == len(PROMPTS) / 2
    assert max(first["gap"], second["gap"]) < 1e-4
