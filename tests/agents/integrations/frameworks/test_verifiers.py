"""verifiers' own commands on our taskset: rewards are ours, and its ground truths are valid."""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("verifiers")

import edgewise
from edgewise.agents.integrations import named
from edgewise.agents.integrations.verifiers import ProblemsConfig, ProblemTaskset

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]


def taskset(**config):
    return ProblemTaskset(ProblemsConfig(id="edgewise_verifiers", **config))


def test_tasks_are_the_test_problems_by_name(script):
    tasks = list(taskset(preset="e2h", num_problems=5))
    assert [task.key for task in tasks] == list(script)
    for task in tasks:
        messages, _ = script[task.key]
        assert task.data.prompt == messages[-1]["content"]
        assert task.data.system_prompt == messages[0]["content"]


def test_an_endless_stream_is_the_same_with_the_same_seed():
    one, other = (taskset(num_problems=0, split="train", seed=seed) for seed in (1, 2))
    assert not one.bounded
    keys = [task.key for task in islice(one, 10)]
    assert keys == [task.key for task in islice(one, 10)]
    assert keys != [task.key for task in islice(other, 10)]


def test_turns_are_refused():
    with pytest.raises(ValueError, match="must have one turn"):
        next(iter(taskset(env="Blocksworld-v0", env_options='{"interactive": true}')))


def command(name, *words, home, url):
    """Run one of verifiers' commands, offline."""
    tool = Path(sys.executable).with_name(name)
    env = {**os.environ, "TOLD_KEY": "none", "HOME": str(home)}
    env["PATH"] = f"{tool.parent}:{env['PATH']}"
    words = [str(tool), "edgewise-verifiers", "--env.taskset.preset", "e2h", *words]
    done = subprocess.run(words, env=env, cwd=home, timeout=900, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.skipif(not shutil.which("uv", path=Path(sys.executable).parent), reason="no uv")
def test_its_command_gives_our_rewards_row_by_row(script, serve, tmp_path):
    answers = {messages[-1]["content"]: [right, "no"] for messages, right in script.values()}
    url = serve(answers)
    words = ["--env.taskset.num-problems", "1", "-m", "told", "-r", "2", "-c", "1"]
    words += ["--env.agent.harness.id", "null", "--env.agent.runtime.type", "subprocess"]
    words += ["--env.agent.client.type", "eval", "--env.agent.client.base-url", url]
    words += ["--env.agent.client.api-key-var", "TOLD_KEY"]
    command("vf-eval", *words, "--push", "False", home=tmp_path, url=url)
    lines = [
        json.loads(line)
        for path in tmp_path.rglob("traces.jsonl")
        for line in path.read_text().splitlines()
    ]
    rewards = defaultdict(list)
    for trace in [trace for line in lines for trace in line["traces"]]:
        assert not trace["errors"]
        score = trace["rewards"]["reward"]["score"]
        rewards[trace["task"]["data"]["problem"]].append(score)
    assert len(rewards) == 4
    for name, found in rewards.items():
        told = answers[script[name][0][-1]["content"]]
        outcomes = named.score([name] * 2, told, begun=False)
        assert sorted(found) == sorted(outcome.reward for outcome in outcomes)


@pytest.mark.anyio
async def test_a_worked_answer_is_valid():
    for task in taskset(preset="e2h", num_problems=1):
        assert await task.validate(None)
        assert edgewise.pose(task.key).problem is not None
