"""A run that fails says so in one line, and its last checkpoint is whole."""

import dataclasses
import json
import os
import resource
import signal
import time
from contextlib import contextmanager

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import edgewise.cli.train  # noqa: E402, F401  imported while that is allowed
from edgewise import Preset, Task, register  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.sampling import Parts  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.interrupts import TOLD  # noqa: E402
from edgewise.pool import Pool  # noqa: E402

SHORT, LONG = 5, 9  # steps of a run


def config(model, path, **changes):
    options = {"agent": f"hf:{model}", "output": path, "preset": "sec", "evaluate": False}
    size = {"num_steps": SHORT, "num_problems": 2, "group_size": 4, "max_tokens": 4}
    return TrainConfig(**{**options, **size, "checkpoint_every": 2, **changes})


def run(model, path, num_steps=SHORT):
    """Train to the end, whatever was done before."""
    begun = (path / "config.json").is_file()
    training = resume(path) if begun else begin(config(model, path, num_steps=num_steps))
    list(training.steps())


def recorded(path):
    """Everything that a run recorded, but times."""
    metrics, groups = (
        [json.loads(line) for line in (path / name).read_text().splitlines()]
        for name in ("metrics.jsonl", "groups.jsonl")
    )
    kept = [
        {name: value for name, value in record.items() if not name.startswith("time/")}
        for record in metrics
    ]
    return kept, groups, (last(path) / "model" / "model.safetensors").read_bytes()


def last(path):
    return path / "checkpoints" / str(checkpoints(path)[-1])


def checkpoints(path):
    return sorted(int(found.name) for found in (path / "checkpoints").iterdir())


def killed(processes, model, path, delay):
    """Start a process on the run, kill it after `delay` seconds, and return whether it was alive."""
    process = processes.Process(target=run, args=(model, path, LONG))
    process.start()
    process.join(delay)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_moment_continues_bit_for_bit(processes, tiny_model, tmp_path, kills):
    began = time.perf_counter()
    whole = processes.Process(target=run, args=(tiny_model, tmp_path / "whole", LONG))
    whole.start()
    whole.join()
    seconds = time.perf_counter() - began
    expected = recorded(tmp_path / "whole")
    hit = 0
    for number, moment in enumerate(np.random.default_rng(kills).random(kills).tolist()):
        path = tmp_path / str(number)
        hit += killed(processes, tiny_model, path, moment * seconds)
        run(tiny_model, path, LONG)
        assert recorded(path) == expected
    assert hit >= kills / 2  # the others were done by then


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    run(tiny_model, path)
    return recorded(path)


def test_the_last_checkpoints_are_kept_and_each_continues(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    list(begin(config(tiny_model, path, keep_checkpoints=3)).steps())
    assert checkpoints(path) == [2, 4, 5]
    last(path).rename(tmp_path / "5")
    last(path).rename(tmp_path / "4")
    run(tiny_model, path)
    assert recorded(path) == whole and checkpoints(path) == [2, 4, 5]


def test_a_run_that_is_interrupted_twice_stops_at_once(start, tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    flags = f"--agent hf:{tiny_model} --output {path} --preset sec --no-evaluate"
    size = "--num-steps 500 --max-tokens 4 --checkpoint-every 1"
    command = start(f"train {flags} {size}", after=path / "checkpoints" / "1")
    command.until(command.held.exists)
    command.press(signal.SIGINT)
    os.kill(command.process.pid, signal.SIGINT)
    code, said = command.end()
    told = f"edgewise: stopped; continue with: edgewise train --resume {path}"
    assert code == 130 and said == [TOLD.strip(), told]
    training = resume(path)
    assert training.state.step == checkpoints(path)[-1] >= 1


def test_a_run_in_use_is_refused_and_a_killed_one_goes_on(start, tiny_model, tmp_path, capsys):
    path = tmp_path / "run"
    flags = f"--agent hf:{tiny_model} --output {path} --preset sec --no-evaluate --num-steps 500"
    words = f"train {flags} --max-tokens 4 --checkpoint-every 1"
    process, ready = (begun := start(words)).process, path / "checkpoints" / "1"
    begun.until(ready.exists)
    for arguments in (["train", "--resume", str(path)], words.split()):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"edgewise: {path} is in use by process {process.pid} on ")
        assert error.count("\n") == 1
    process.kill()
    process.join()
    training = resume(path)
    next(training.steps())
    steps = [record["step"] for record in training.folder.lines("metrics.jsonl")]
    assert steps == list(range(1, training.state.step + 1))


@contextmanager
def no_files_above(size):
    """Refuse, as a full disk does, to write more than `size` bytes to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_leaves_the_last_checkpoint(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    steps = begin(config(tiny_model, path)).steps()
    for _ in range(3):
        next(steps)
    size = (last(path) / "model" / "model.safetensors").stat().st_size
    with (
        no_files_above(size - 1),  # lines and curves fit
        pytest.raises(OSError, match=r"after step 4: .*too large.*the last checkpoint is .*/2$"),
    ):
        list(steps)
    assert checkpoints(path) == [0, 2]
    run(tiny_model, path)
    assert recorded(path) == whole


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's
def test_lines_that_do_not_fit_the_disk_are_written_again(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    steps = begin(config(tiny_model, path)).steps()
    for _ in range(3):
        next(steps)
    size = (path / "groups.jsonl").stat().st_size + 100  # in the middle of a line
    with no_files_above(size), pytest.raises(OSError, match=r"the last checkpoint is .*/2$"):
        list(steps)
    assert not (path / "groups.jsonl").read_text().endswith("\n")
    run(tiny_model, path)
    assert recorded(path) == whole


@contextmanager
def nobody():
    """Be a user who may write nowhere, where this one may write everywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tiny_model, tmp_path, capsys):
    (tmp_path / "mine").mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:3], tiny_model, *tiny_model.parents[:3]):
        folder.chmod(0o755)  # they are to be found
    for file in tiny_model.iterdir():
        file.chmod(0o644)
    flags = f"--agent hf:{tiny_model} --output {tmp_path / 'mine' / 'run'}"
    with nobody():
        assert main(["train", *flags.split(), "--no-evaluate"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Permission denied" in error and "mine/run" in error


def test_a_folder_that_can_no_longer_be_written_leaves_the_last_checkpoint(
    tiny_model, tmp_path, whole
):
    path = tmp_path / "run"
    steps = begin(config(tiny_model, path)).steps()
    for _ in range(3):
        next(steps)
    (path / "checkpoints").rename(path / "before")
    (path / "checkpoints").touch()  # what is below a file cannot be written
    with pytest.raises(OSError, match="Not a directory"):
        list(steps)
    (path / "checkpoints").unlink()
    (path / "before").rename(path / "checkpoints")
    run(tiny_model, path)
    assert recorded(path) == whole


def test_a_reward_that_is_not_finite_leaves_the_last_checkpoint(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    training = begin(config(tiny_model, path))
    steps = training.steps()
    for _ in range(3):
        next(steps)
    env = training.envs.unwrapped.env
    env.preset = dataclasses.replace(env.preset, rewards=(1.0, 0.1, float("nan")))
    message = r"after step 3: `reward` must be finite, got nan for .*the last checkpoint is .*/2$"
    with pytest.raises(FloatingPointError, match=message):
        list(steps)
    run(tiny_model, path)
    assert recorded(path) == whole


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    training = begin(config(tiny_model, path))
    steps = training.steps()
    for _ in range(3):
        next(steps)
    spoil = training.policy.model.lm_head.weight.register_hook(lambda gradient: gradient * np.nan)
    message = r"after step .: `loss` must be finite, got .* gradient of norm nan; .* is .*/(2|4)$"
    with spoil, pytest.raises(FloatingPointError, match=message):
        list(steps)
    run(tiny_model, path)
    assert recorded(path) == whole


class Cramped(TransformersPolicy):
    """A policy whose memory does for a few rows of a batch."""

    room = 10

    def sample(self, start, rows, sampling, generator):
        if len(rows) > self.room:
            torch.rand(3, generator=generator)
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore")
        return super().sample(start, rows, sampling, generator)


def test_less_is_sampled_at_once_when_the_memory_runs_out(tiny_model):
    prompts, sampling = [f"{n} + 1 = " for n in range(32)], Sampling(max_tokens=12)
    roomy, cramped = TransformersPolicy.load(tiny_model), Cramped.load(tiny_model)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    expected = roomy.generate(prompts, sampling, generators[0])
    with pytest.warns(RuntimeWarning, match="completions at once, now") as told:
        found = cramped.generate(prompts, sampling, generators[1])
    assert [str(warning.message).split(": ")[0] for warning in told] == [
        "out of memory with 32 completions at once, now 16",
        "out of memory with 16 completions at once, now 8",
    ]
    assert found.texts == expected.texts
    assert torch.equal(found.tokens, expected.tokens) and torch.equal(found.mask, expected.mask)
    torch.testing.assert_close(found.logprobs, expected.logprobs)
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    cramped.generate(prompts, sampling, generators[1])  # without another warning


def test_too_little_memory_for_one_completion_is_told(tiny_model):
    policy = Cramped.load(tiny_model)
    policy.room = 0
    with (
        pytest.warns(RuntimeWarning, match="out of memory with 2 completions at once, now 1"),
        pytest.raises(MemoryError, match="for one completion: CUDA out of memory"),
    ):
        policy.generate(["1", "2"], Sampling(), torch.Generator())


def test_an_error_that_is_not_of_memory_is_not_hidden():
    def fail(rows):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        Parts().sample(fail, None, torch.arange(2), torch.Generator())


def test_an_update_that_runs_out_of_memory_leaves_the_last_checkpoint(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    training = begin(config(tiny_model, path))
    steps = training.steps()
    for _ in range(3):
        next(steps)
    with (
        training.policy.model.lm_head.weight.register_hook(too_much),
        pytest.warns(RuntimeWarning, match="out of memory with .* tokens per pass, now "),
        pytest.raises(MemoryError, match=r"after step .*memory.*the last checkpoint is "),
    ):
        list(steps)
    run(tiny_model, path)
    assert recorded(path) == whole


def too_much(*_):
    """Ask for more memory than there is."""
    torch.empty(10**15)


class Reversed(Task[int]):
    """Say a number backwards; worker processes judge."""

    presets = {"toy": Preset("{}", {1: {"high": 50}})}
    pool = None  # what a test opens

    def generate(self, rng, *, high):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems, answers):
        found = self.pool.map([(answer,) for answer in answers])
        return [said == str(problem) for problem, said in zip(problems, found, strict=True)]

    def solve(self, problem):
        return str(problem)[::-1]


@pytest.fixture
def reversed_env():
    register("Reversed-v0", f"{__name__}:Reversed")
    yield "Reversed-v0"
    del gym.registry["Reversed-v0"]


def test_training_goes_on_when_a_verifier_is_killed(tiny_model, tmp_path, reversed_env):
    records = []
    for name in ("whole", "killed"):
        with Pool("textwrap:dedent", num_workers=1) as pool:
            Reversed.pool = pool
            flags = {"env": reversed_env, "preset": "toy", "num_steps": 4}
            for metrics in begin(config(tiny_model, tmp_path / name, **flags)).steps():
                if name == "killed" and metrics["step"] == 2:
                    [worker] = pool.pids
                    os.kill(worker, signal.SIGKILL)
        records.append(recorded(tmp_path / name))
    assert records[0] == records[1]
