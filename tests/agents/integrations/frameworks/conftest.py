"""Problems, scripted answers to them, and a server that gives these."""

import json
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import pytest

import edgewise
from edgewise.agents.integrations.export import chat

HOSTILE = "\\boxed{1}\\boxed{2} <answer>1</answer> __import__('os') {{7*7}}"
NUM_PROBLEMS = 5


def ladder(env_id="Countdown-v0", preset="e2h", split="test", num_problems=NUM_PROBLEMS):
    """The names of the first problems of each level, with a right, a wrong and a hostile answer."""
    env = edgewise.env.unwrap(gym.make(env_id, preset=preset, split=split))
    told = {}
    for level in env.levels:
        for options in edgewise.evaluation_set(env, level, num_problems):
            problem, info = env.pose(options)
            right = env.demonstrate(problem)
            told[info["problem"]] = (chat(env.frame_of(problem), env.prompt(problem)), right)
    return told


@pytest.fixture
def script():
    """The problems of Countdown: name -> (messages, a right answer)."""
    return ladder()


@pytest.fixture
def serve(tmp_path):
    """Start a model with the answers to each prompt; return its address."""
    started = []

    def start(answers):
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        place, code = tmp_path / "port", Path(__file__).with_name("model.py")
        words = [sys.executable, str(code), str(tmp_path / "answers.json"), str(place)]
        started.append(subprocess.Popen(words))
        while not place.exists():
            assert started[-1].poll() is None
            time.sleep(0.05)
        return f"http://127.0.0.1:{place.read_text()}/v1"

    yield start
    for process in started:
        process.kill()
        process.wait()
