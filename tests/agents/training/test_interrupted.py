"""Kills and interrupts during steps whose verifier is slow change nothing, and right stays right."""

import json
import os
import random
import signal
from pathlib import Path

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tyro")

from edgewise import Preset, Task, register  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.replay import replay  # noqa: E402
from edgewise.agents.training.run import begin  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.frame import Frame  # noqa: E402
from edgewise.pool import Pool, TooManyUnverified, as_verdict  # noqa: E402

STEPS = 5
TO_GROUP = (signal.SIGINT, signal.SIGTERM)
TO_WORKERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
JUDGE = """
import os, signal, time

def run(flag, problem, answer):
    with open(flag + ".calls", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(0.1)
    if os.path.exists(flag):  # as a system does that is out of memory
        os.kill(os.getpid(), signal.SIGKILL)
    return (len(answer) + int(problem)) % 3 > 0
"""


class Slow(Task[int]):
    """Answer with a text whose length suits the number; workers judge, slowly."""

    frame = Frame(after=r" \boxed{", opening=r"\boxed{", stop=("}",))  # half have an answer
    presets = {"toy": Preset("{}", {1: {"high": 50}, 2: {"high": 500}}, frame=frame)}
    pool = None  # what a process opens
    flag = ""  # the path of a file that makes workers die

    def generate(self, rng, *, high):
        return int(rng.integers(high))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return self.verify_many([problem], [answer])[0]

    def verify_many(self, problems, answers):
        calls = [
            (self.flag, str(problem), answer)
            for problem, answer in zip(problems, answers, strict=True)
        ]
        return [as_verdict(result) for result in self.pool.map(calls)]

    def solve(self, problem):
        return "1" if problem % 2 else "11"


class Forgetful(Slow):
    """Some answers cannot be verified, again and again."""

    def verify_many(self, problems, answers):
        return [
            None if (n + len(x)) % 5 == 0 else len(x) == 1
            for n, x in zip(problems, answers, strict=True)
        ]


def in_pool(flag, arguments):
    """Run the command line in a session of its own, where `Slow` is registered."""
    os.setsid()
    register("Slow-v0", f"{__name__}:Slow")
    Slow.flag = flag
    with Pool("slow_judge:run", num_workers=2, cache_size=0) as Slow.pool:
        raise SystemExit(main(arguments))


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A file whose existence kills workers that judge; the workers find their function."""
    folder = tmp_path_factory.mktemp("judge")
    (folder / "slow_judge.py").write_text(JUDGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield str(folder / "flag")


@pytest.fixture(scope="module", autouse=True)
def slow_env():
    register("Slow-v0", f"{__name__}:Slow")
    register("Forgetful-v0", f"{__name__}:Forgetful")
    yield
    del gym.registry["Slow-v0"], gym.registry["Forgetful-v0"]


def options(model, path, **changes):
    size = {"num_steps": STEPS, "num_problems": 4, "group_size": 4, "max_tokens": 8, **changes}
    flags = {"env": "Slow-v0", "preset": "toy", "evaluate": False, "learning_rate": 1e-3}
    return {"agent": f"hf:{model}", "output": path, **flags, **size, "checkpoint_every": 2}


def words(model, path, **changes):
    """The command that begins the run in `path`, or goes on with it."""
    if (path / "config.json").is_file():
        return ["train", "--resume", str(path)]
    flags = {**options(model, path, **changes)}
    del flags["evaluate"]
    told = [
        word
        for name, value in flags.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["train", "--no-evaluate", *told]


def started(processes, judge, model, path):
    process = processes.Process(target=in_pool, args=(judge, words(model, path)))
    process.start()
    return process


def recorded(path):
    """Everything that a run recorded, but times, and its weights."""
    metrics, groups = (
        [json.loads(line) for line in (path / name).read_text().splitlines()]
        for name in ("metrics.jsonl", "groups.jsonl")
    )
    kept = [{n: v for n, v in step.items() if not n.startswith("time/")} for step in metrics]
    return kept, groups, (path / "model" / "model.safetensors").read_bytes()


def children(pid):
    """The processes that `pid` has started and that are not gone."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it is gone meanwhile
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(place.parent.name))
    return found


def at_work(process, calls):
    """Wait until a worker of the run is at a call, and return it; None if the run ends before."""
    while process.is_alive():
        begun = calls.read_text().split() if calls.exists() else []
        if begun and int(begun[-1]) in children(process.pid):
            return int(begun[-1])
        process.join(0.01)
    return None


def strike(process, kind, calls, rng):
    """Do what `kind` says during calls, at random moments; return how often the run was hit."""
    hits = 0
    while (worker := at_work(process, calls)) is not None:
        process.join(0.2 * rng.random())
        if kind == "kill":
            process.kill()
        elif kind == "group":
            os.killpg(process.pid, rng.choice(TO_GROUP))
        else:  # the run goes on, and is hit again
            hits += killed(worker, rng)
            process.join(rng.random())
            continue
        process.join()
        return 1
    return hits


def killed(worker, rng):
    """Send a signal to a worker, and return whether it was there."""
    try:
        os.kill(worker, rng.choice(TO_WORKERS))
    except ProcessLookupError:
        return False
    return True


def finished(path):
    return (path / "model" / "model.safetensors").is_file()


@pytest.mark.slow  # a kill, an interrupt and two processes at a time are in test_failures
@pytest.mark.parametrize("count", [1, 50])
def test_kills_and_interrupts_during_steps_change_nothing(
    processes, judge, tiny_model, tmp_path, count
):
    whole = tmp_path / "whole"
    started(processes, judge, tiny_model, whole).join()
    expected = recorded(whole)
    right = sum(sum(group["correct"]) for group in expected[1])
    assert right > 2 * STEPS and all(step["unverified"] == 0 for step in expected[0])
    rng = random.Random(count)
    wanted = {"kill": count, "group": count, "worker": count}
    number = starts = 0
    calls = Path(f"{judge}.calls")
    while any(wanted.values()):
        path = tmp_path / str(number)
        kinds = [kind for kind in wanted if wanted[kind]]
        while any(wanted.values()) and not finished(path):
            kind = rng.choice([kind for kind in kinds if wanted[kind]] or ["kill"])
            process, starts = started(processes, judge, tiny_model, path), starts + 1
            wanted[kind] = max(0, wanted[kind] - strike(process, kind, calls, rng))
            process.join()
        while not finished(path):
            started(processes, judge, tiny_model, path).join()
        assert recorded(path) == expected
        number += 1
    print(
        f"{count} of each of {sorted(wanted)}, in {starts} starts of {number} runs; {right} right"
    )


def test_a_run_whose_verifier_is_lost_stops_in_one_line_and_goes_on(
    judge, tiny_model, tmp_path, capsys
):
    Slow.flag, flag = judge, Path(judge)
    few = {"num_problems": 2, "group_size": 2}
    whole, path = tmp_path / "whole", tmp_path / "stopped"
    with Pool("slow_judge:run", num_workers=2) as Slow.pool:
        assert main(words(tiny_model, whole, **few)) == 0
        steps = begin(TrainConfig(**options(tiny_model, path, **few))).steps()
        for _ in range(3):
            next(steps)
        flag.touch()
        Slow.pool.close()
        try:
            with Pool("slow_judge:run", num_workers=2) as Slow.pool:
                reason = r"after step 3: \d+ of 4 answers could not be verified.* is .*/2$"
                with pytest.raises(TooManyUnverified, match=reason):
                    list(steps)
                capsys.readouterr()
                assert main(words(tiny_model, path)) == 2
                error = capsys.readouterr().err
                assert error.count("\n") == 1 and "after step 2: " in error and "/2" in error
        finally:
            flag.unlink()
        with Pool("slow_judge:run", num_workers=2) as Slow.pool:
            assert main(words(tiny_model, path)) == 0
    assert recorded(path) == recorded(whole)


@pytest.mark.parametrize("curriculum", ["sec", pytest.param("mopps", marks=pytest.mark.slow)])
def test_a_run_records_what_was_lost_and_replays(monkeypatch, tiny_model, tmp_path, curriculum):
    monkeypatch.setattr("edgewise.pool.MAX_UNVERIFIED", 1.0)
    path = tmp_path / "run"
    told = {**options(tiny_model, path), "env": "Forgetful-v0", "curriculum": curriculum}
    metrics = list(begin(TrainConfig(**told, pool_size=20)).steps())
    groups = [json.loads(line) for line in (path / "groups.jsonl").read_text().splitlines()]
    lost = sum(group["verified"].count(False) for group in groups if "verified" in group)
    assert lost == sum(step["unverified"] for step in metrics) > 0
    assert any("verified" not in group for group in groups)
    for name in ("groups.jsonl", "metrics.jsonl"):
        assert "NaN" not in (path / name).read_text()
    assert replay(RunFolder.open(path)).num_steps == STEPS
