"""An evaluation whose answers and verdicts come from elsewhere is the same, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import pytest

pytest.importorskip("tyro")

from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.scores import score_levels
from edgewise.benchmarks.evaluation.agent import ScriptAgent
from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.question import open_part
from edgewise.benchmarks.evaluation.run import evaluate as ask
from edgewise.benchmarks.evaluation.scripted import scripted
from edgewise.benchmarks.evaluation.spread import Spread, SpreadAgent, script_of, spreading
from edgewise.benchmarks.evaluation.suite import OWN, SUITES, Part
from edgewise.cli import main
from edgewise.env import unwrap
from edgewise.executor import LOST, Executor
from edgewise.pool import Pool, TooManyUnverified
from edgewise.scoring import MEMORY, SECONDS

SLOW_SAYER = """
import time

def say(question, sample):
    time.sleep(0.02)
    return r"\\boxed{%d}" % sample
"""
SLOW = ["eval", "--env", "Zebra-v0", "--agent", "slow_sayer:say", "--output", "out"]


@pytest.fixture(scope="module")
def spread():
    made = Spread(partial(Pool, num_workers=1, seconds=SECONDS, memory=MEMORY, strict=True))
    yield made
    made.close()


def verdicts(folder):
    """The verdict lines of an evaluation by their keys, but for seconds; each is there once."""
    found = {}
    for line in (folder.path / "answers.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["correct"] is not None:
            del record["seconds"]
            key = tuple(record[name] for name in ("part", "level", "problem_seed", "sample"))
            assert key not in found
            found[key] = record
    return found


def begin(path):
    return EvaluationFolder.begin(path, {"asked": {}})


@pytest.mark.parametrize(
    "agent", ["oracle", "simulated", pytest.param("random", marks=pytest.mark.slow)]
)
def test_answers_and_verdicts_are_those_of_this_process(agent, spread, tmp_path):
    questions = [
        q for part in SUITES["sec"][:3] for q in open_part(part, 2, levels=[1, 4]).questions
    ]
    here, there = begin(tmp_path / "here"), begin(tmp_path / "there")
    assert ask(here, questions, ScriptAgent(script_of(agent, 3)))
    assert ask(there, questions, SpreadAgent(agent, 3, spread), judge=spread.judge)
    assert verdicts(here) == verdicts(there) and len(verdicts(here)) == 12 * 8


@pytest.mark.parametrize("agent", ["oracle", "simulated"])
def test_episodes_of_several_turns_are_those_of_this_process(agent, spread, tmp_path):
    protocol = SUITES["sec"][0].protocol
    part = Part(OWN, "Blocksworld-v0", None, protocol, False, {"interactive": True})
    questions = open_part(part, 2, levels=[1, 3], turns=True).questions
    here, there = begin(tmp_path / "here"), begin(tmp_path / "there")
    assert ask(here, questions, ScriptAgent(script_of(agent, 3)))
    assert ask(there, questions, SpreadAgent(agent, 3, spread), judge=spread.judge)
    assert verdicts(here) == verdicts(there) and len(verdicts(here)) == 4 * 8
    assert any("turns" in record and record["correct"] for record in verdicts(here).values())


@pytest.mark.parametrize("env_id", ["Countdown-v0", "Blocksworld-v0"])
@pytest.mark.parametrize("agent", ["oracle", "constant:3", "simulated"])
def test_scores_are_those_of_this_process(agent, env_id, spread):
    options = {"interactive": True} if env_id == "Blocksworld-v0" else {}
    env = unwrap(gym.make(env_id, split="test", **options))
    plan = EvaluationPlan(num_problems=3, num_samples=2, k=2)
    plays = partial(spread.plays, env)
    here, there = (
        score_levels(scripted(agent, env, given), env, plan, levels=[1]) for given in (None, plays)
    )
    assert here == there


def test_an_environment_of_the_working_folder_is_refused_since_no_node_knows_it(capsys):
    assert main(["eval", "--env", "colorsys:Own-v0", "--ray", "local"]) == 2
    told = capsys.readouterr().err
    assert "`env` must be an id that an installed package declares" in told
    assert "got colorsys:Own-v0" in told and told.count("\n") == 1


class Dead(Executor):
    """All of its workers are always killed."""

    def __init__(self, function):
        super().__init__(0)
        self.serve(self.lose)

    def lose(self):
        while (call := self.take()) is not None:
            self.finish(call, LOST)


def test_what_is_lost_is_kept_without_a_verdict_and_verified_when_it_goes_on(spread, tmp_path):
    questions = open_part(SUITES["sec"][0], 2, levels=[1]).questions
    folder, agent = begin(tmp_path / "out"), ScriptAgent(script_of("oracle", 0))
    with pytest.raises(TooManyUnverified):
        ask(folder, questions, agent, judge=Spread(Dead).judge)
    kept = len(list(folder.lines("answers.jsonl")))
    assert kept >= 8 and not verdicts(folder)
    asked = []

    def count(question, sample):
        asked.append(question)
        return script_of("oracle", 0)(question, sample)

    assert ask(folder, questions, ScriptAgent(count), judge=spread.judge)
    assert len(asked) == 16 - kept and len(verdicts(folder)) == 16


def processes(words, below=None):
    """The running processes whose command line has some words, of all or below one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if words in line and state != "Z" and (below is None or descends(int(path.name), below)):
            found.append(int(path.name))
    return found


def descends(pid, ancestor):
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == ancestor


@pytest.mark.ray
@pytest.mark.slow
def test_two_thousand_answers_are_graded_once_though_a_worker_is_killed(tmp_path):
    pytest.importorskip("ray")
    questions = open_part(SUITES["sec"][0], 250, levels=[1]).questions
    answers = ScriptAgent(lambda q, n: script_of("oracle", 0)(q, n) if n % 2 else rf"\boxed{{{n}}}")
    here, there = begin(tmp_path / "here"), begin(tmp_path / "there")
    assert ask(here, questions, answers)
    killed = []

    def kill(done, total):
        busy = processes("ray::call_many", below=os.getpid())
        if busy and not killed and done > 0:
            os.kill(busy[0], signal.SIGKILL)
            killed.append(done)

    with spreading("local:2") as spread:
        assert ask(there, questions, answers, kill, judge=spread.judge)
    assert killed and killed[0] < 2_000
    assert len(verdicts(there)) == 2_000 and verdicts(there) == verdicts(here)


@pytest.fixture
def clusters():
    """Where local clusters have their files: of a short name, for the sockets of Ray."""
    with TemporaryDirectory(prefix="r-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def command(tmp_path, clusters):
    """A function that starts `edgewise` on a cluster of its own, with files in the folder of the test."""
    pytest.importorskip("ray")
    (tmp_path / "slow_sayer.py").write_text(SLOW_SAYER)

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "edgewise", *words],
            cwd=tmp_path,
            env={**os.environ, "RAY_TMPDIR": str(clusters)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    yield start
    for _ in range(600):  # nothing of a cluster outlives its command
        if not processes(str(clusters)):
            return
        time.sleep(0.1)
    pytest.fail(f"still there: {processes(str(clusters))}")


def graded(path):
    """The lines of the answers that have a verdict."""
    if not path.exists():
        return []
    lines = path.read_text().rpartition("\n")[0].splitlines()
    return [line for line in lines if json.loads(line)["correct"] is not None]


def wait_for_verdicts(process, path, count):
    for _ in range(3_000):
        if len(graded(path)) >= count or process.poll() is not None:
            break
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()


@pytest.mark.ray
@pytest.mark.slow
def test_commands_on_a_cluster_do_what_they_do_without(command, tmp_path):
    pytest.importorskip("torch")
    asked = ["--levels", "1", "2", "--plan.num-problems", "6"]
    blocks = ["--env", "Blocksworld-v0", "--env-options", '{"interactive": true}', "--samples", "2"]
    commands = {
        "measured": ["profile", "--agent", "simulated", "--plan.num-samples", "2"],
        "played": ["eval", *blocks, "--agent", "simulated"],
    }
    for name, words in commands.items():
        for place, more in {"here": [], "there": ["--ray", "local"]}.items():
            process = command(*words, *asked, "--output", f"{name}-{place}", *more)
            told = process.communicate()
            assert process.returncode == 0 and not told[1], told
    measured = [(tmp_path / f"measured-{place}").read_text() for place in ("here", "there")]
    assert measured[0] == measured[1] and measured[0].count("\n") == 12
    played = [verdicts(EvaluationFolder(tmp_path / f"played-{p}")) for p in ("here", "there")]
    assert played[0] == played[1] and len(played[0]) == 24
    assert any("turns" in record for record in played[0].values())


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_was_graded_is_kept_whatever_ends_the_driver(number, command, clusters, tmp_path):
    path = tmp_path / "out" / "answers.jsonl"
    process = command(*SLOW, "--ray", "local:2", "--plan.num-problems", "25", "--samples", "8")
    wait_for_verdicts(process, path, 20)
    if number == signal.SIGINT:  # as a terminal does, to all of its group
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    told = process.communicate()[1]
    before = graded(path)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        first, last = told.splitlines()
        assert "stopping after this step" in first and "the same command goes on" in last
    killed = number == signal.SIGKILL  # what that left behind goes with the next cluster
    again = ["--ray", "local:2"] if killed else []
    assert len(list(clusters.glob("ray-*"))) == killed
    process = command(*SLOW, *again, "--plan.num-problems", "25", "--samples", "8")
    told = process.communicate()[1]
    assert process.returncode == 0, told
    assert not list(clusters.glob("ray-*"))
    after = graded(path)
    assert [line for line in after if line in set(before)] == before and len(before) < 800
    assert len(after) == 4 * 25 * 8
