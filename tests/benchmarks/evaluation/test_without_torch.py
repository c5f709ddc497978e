"""What needs no model loads no torch: agents by a script, servers, and one's own."""

import subprocess
import sys

import pytest

pytest.importorskip("tyro")

CODE = """
import sys
from edgewise.benchmarks.evaluation import session
from edgewise.benchmarks.evaluation.scripted import scripted
from edgewise.benchmarks.evaluation.suite import Part
from edgewise.agents.training.flags import EvaluationPlan
from edgewise.agents.training.scores import score_levels
from edgewise.task import Protocol
from pathlib import Path
from rich.console import Console
import gymnasium as gym

output, agents = Path(sys.argv[1]), sys.argv[2:]
env = gym.make("Countdown-v0", split="test").unwrapped
plan = EvaluationPlan(num_problems=2, num_samples=2, k=1)
for agent in ("oracle", "constant:7", "simulated"):
    (score,) = score_levels(scripted(agent, env), env, plan, levels=[1])
part = Part("own", "Countdown-v0", None, Protocol())
for place, agent in enumerate(agents):
    asked = session.Session("own", [part], agent, "", levels=[1], num_problems=2, num_samples=2,
                            output=output / str(place))
    folder, opened, made = session.prepare(asked, Console())
    if not agent.startswith(("openai", "human")):
        assert session.carry_out(folder, opened, made, Console())["complete"]
assert not {"torch", "transformers"} & set(sys.modules)
"""


def test_agents_without_a_model_and_servers_load_no_torch(tmp_path):
    pytest.importorskip("httpx")
    agents = ["oracle", "constant:7", "random", "simulated", "human"]
    server = "openai:http://127.0.0.1:1/v1#model"
    command = [sys.executable, "-c", CODE, str(tmp_path), *agents, server]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
