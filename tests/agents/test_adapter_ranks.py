"""Two processes train adapters as one does, and go on after a kill as if there had been none."""

import json
import os
import signal
import socket

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors.torch import load_file  # noqa: E402

from edgewise.agents import distributed  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402

pytestmark = pytest.mark.slow
RUNS = {
    "plain": {},
    "kl": {"algorithm": "grpo:num_minibatches=2:kl_coef=0.01"},
    "ppo": {"algorithm": "ppo:kl_coef=0.01", "lora_targets": ("q_proj", "down_proj")},
    "checkpointed": {"algorithm": "rloo", "gradient_checkpointing": True},
    "dropout": {"lora_dropout": 0.2},
}
SAME = [name for name in RUNS if name != "dropout"]  # whose masks are of the rows of a rank
KILLED_AFTER = 3  # steps, the second of which was saved


def config(model, path, **changes):
    options = {"agent": f"hf:{model}", "output": path, "preset": "sec", "evaluate": False}
    size = {"num_steps": 4, "num_problems": 4, "group_size": 6, "max_tokens": 12}
    kept = {"checkpoint_every": 2, "lora_rank": 2, "learning_rate": 1e-3}
    return TrainConfig(**{**options, **size, **kept, **changes})


def train(model, folder):
    for name, changes in RUNS.items():
        training = begin(config(model, folder / name, **changes))
        list(training.steps())
        note(folder / name, training)


def note(path, training):
    weights = [weight.flatten().tolist() for weight in training.policy.parameters()]
    (path / f"weights-{distributed.rank()}.json").write_text(json.dumps(weights))


def be_killed(model, folder):
    for done, _ in enumerate(begin(config(model, folder / "killed", **RUNS["dropout"])).steps(), 1):
        if done == KILLED_AFTER:
            distributed.barrier()
            os.kill(os.getpid(), signal.SIGKILL)


def go_on(model, folder):
    training = resume(folder / "killed")
    assert training.state.step == 2
    list(training.steps())
    note(folder / "killed", training)


def work(rank, port, what, model, folder):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with distributed.process_group():
        what(model, folder)


@pytest.fixture(scope="module")
def both(processes, tiny_model):
    """A function that lets two ranks do something, and returns how they ended."""

    def run(what, folder):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        ranks = [
            processes.Process(target=work, args=(rank, port, what, tiny_model, folder))
            for rank in range(2)
        ]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()
        return [rank.exitcode for rank in ranks]

    return run


@pytest.fixture(scope="module")
def two(both, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    assert both(train, folder) == [0, 0]
    return folder


def weights(path, rank=0):
    return json.loads((path / f"weights-{rank}.json").read_text())


def lines(path):
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in row if not name.startswith("time/")} for row in rows]


@pytest.mark.parametrize("name", SAME)
def test_two_processes_train_adapters_as_one(tiny_model, tmp_path, two, name):
    training = begin(config(tiny_model, tmp_path / "one", **RUNS[name]))
    start = [weight.clone() for weight in training.policy.parameters()]
    list(training.steps())
    found = map(torch.tensor, weights(two / name))
    for own, theirs in zip(training.policy.parameters(), found, strict=True):
        torch.testing.assert_close(own.flatten(), theirs, rtol=0, atol=1e-5)
    moved = [
        (own - before).abs().max()
        for own, before in zip(training.policy.parameters(), start, strict=True)
    ]
    assert min(moved) > 1e-4
    for mine, theirs in zip(lines(tmp_path / "one"), lines(two / name), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", RUNS)
def test_both_ranks_come_to_the_same_adapters(two, name):
    assert weights(two / name) == weights(two / name, rank=1)


def test_a_run_that_was_killed_goes_on_bit_for_bit(both, two, tmp_path):
    assert both(be_killed, tmp_path) == [-signal.SIGKILL] * 2
    assert both(go_on, tmp_path) == [0, 0]
    assert lines(tmp_path / "killed") == lines(two / "dropout")
    assert weights(tmp_path / "killed") == weights(two / "dropout")
    saved = tmp_path / "killed" / "checkpoints" / "4" / "model"
    assert [path.name for path in saved.iterdir()] == ["adapters.safetensors"]
    flat = [weight.flatten().tolist() for weight in load_file(next(saved.iterdir())).values()]
    assert sorted(flat) == sorted(weights(two / "dropout"))
