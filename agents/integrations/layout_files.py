"""The files that go with the rows of `edgewise export` for lm-eval and for NeMo-Gym; needs neither.

    edgewise export --layout lm-eval --env Countdown-v0 --preset e2h --split test --output tasks/countdown.jsonl
    lm_eval run --include_path tasks --tasks countdown --model local-chat-completions --apply_chat_template ...

    edgewise export --layout nemo-gym --env Countdown-v0 --preset e2h --output gym/problems.jsonl
    cd gym && gym env start "+config_paths=[edgewise.yaml,...a model of NeMo-Gym's...]"

NeMo-Gym finds a server by its folder in the one where it is started.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.env import ReasoningEnv
from edgewise.judging import takes_turns

SCORE = "edgewise.agents.integrations.lm_eval.score"
WORD = re.compile(r"[\w.-]+", re.ASCII)  # what lm-eval reads as the name of one task
SERVER, AGENT = "edgewise", "edgewise_agent"  # as rows and config call them
MAX_TURNS = 64  # after which NeMo-Gym's agent ends an episode
APP = '''"""Serves the problems of Edgewise to NeMo-Gym."""

from edgewise.agents.integrations.nemo_gym import ProblemServer

if __name__ == "__main__":
    ProblemServer.run_webserver()
'''


def task_files(env: ReasoningEnv, path: Path) -> dict[Path, str]:
    """Return lm-eval's task file of the rows in `path`: where it goes, and its text.

    The task is called as the file of rows, sampled as the preset says, and has the metrics of all rows
    and of each level.

    Raises:
        ValueError: If the name of the file is none of a task, or the environment has several turns.
    """
    if WORD.fullmatch(path.stem) is None:
        raise ValueError(
            f"`output` must be named with letters, digits, _, . and -, as the task is, got {path.name}"
        )
    if path.suffix != ".jsonl":
        raise ValueError(f"`output` must end with .jsonl for lm-eval, got {path}")
    problem, _ = env.pose(env.choose(np.random.default_rng(0)))
    if takes_turns(env, problem):
        raise ValueError(f"`env` must have one turn, got {env.identity['env']}, which has several")
    names = ["correct", "formatted", "reward", *(f"level_{level}" for level in env.levels)]
    protocol = env.preset.protocol
    sampling: dict[str, Any] = {
        "until": [],  # lm-eval would take the stop string out of the answer
        "do_sample": protocol.temperature > 0,
        "temperature": protocol.temperature,
        "top_p": protocol.top_p,
        "max_gen_toks": env.preset.frame.max_completion_tokens,
    }
    task = {
        "task": path.stem,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path.resolve())}},
        "test_split": "test",
        "output_type": "generate_until",
        "description": "{{system}}",
        "doc_to_text": "prompt",
        "doc_to_target": "problem",
        "generation_kwargs": sampling,
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names
        ],
        "metadata": {"version": 1.0},
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in task.items()]  # JSON is YAML too
    lines.append(f"process_results: !function {SCORE}")
    return {path.with_suffix(".yaml"): "\n".join(lines) + "\n"}


def server_files(env: ReasoningEnv, path: Path) -> dict[Path, str]:
    """Return NeMo-Gym's config and server of the rows in `path`, a .jsonl: where they go, and their texts.

    Raises:
        ValueError: If `path` has another ending.
    """
    if path.suffix != ".jsonl":
        raise ValueError(f"`output` must end with .jsonl for NeMo-Gym, got {path}")
    server = {
        "entrypoint": "app.py",
        "domain": "other",
        "description": f"Problems of {env.identity['env']}, verified by Edgewise",
        "verified": False,
    }
    agent = {
        "entrypoint": "app.py",
        "resources_server": {"type": "resources_servers", "name": SERVER},
        "model_server": {"type": "responses_api_models", "name": "policy_model"},
        "max_steps": MAX_TURNS,
        "datasets": [{"name": path.stem, "type": "example", "jsonl_fpath": str(path.resolve())}],
    }
    config = {
        SERVER: {"resources_servers": {SERVER: server}},
        AGENT: {"responses_api_agents": {"gymnasium_agent": agent}},
    }
    folder = path.parent / "resources_servers" / SERVER
    return {
        path.parent / f"{SERVER}.yaml": json.dumps(config, indent=2) + "\n",  # JSON is YAML too
        folder / "app.py": APP,
        folder / "requirements.txt": "edgewise\n",
    }
