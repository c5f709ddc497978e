"""The config and the server's folder that go with the rows of `edgewise export --layout nemo-gym`.

    edgewise export --layout nemo-gym --env Countdown-v0 --preset e2h --output gym/problems.jsonl
    cd gym && gym env start "+config_paths=[edgewise.yaml,...a model of NeMo-Gym's...]"

Needs no NeMo-Gym, which finds a server by its folder in the one where it is started.
"""

from __future__ import annotations

import json
from pathlib import Path

from edgewise.env import ReasoningEnv

SERVER, AGENT = "edgewise", "edgewise_agent"  # as rows and config call them
MAX_TURNS = 64  # after which NeMo-Gym's agent ends an episode
APP = '''"""Serves the problems of Edgewise to NeMo-Gym."""

from edgewise.agents.integrations.nemo_gym import ProblemServer

if __name__ == "__main__":
    ProblemServer.run_webserver()
'''


def server_files(env: ReasoningEnv, path: Path) -> dict[Path, str]:
    """Return the files of the rows in `path`, a .jsonl: where they go, and their texts.

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
