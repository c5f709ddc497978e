"""NeMo-Gym's own command, agent and model server on exported rows: rewards are ours, also in turns."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import gymnasium as gym
import pytest

pytest.importorskip("nemo_gym")

from fastapi.testclient import TestClient
from nemo_gym.base_resources_server import BaseResourcesServerConfig
from nemo_gym.server_utils import BaseServerConfig, ServerClient
from omegaconf import OmegaConf

import edgewise
from edgewise.agents.integrations import named
from edgewise.agents.integrations.export import chat, export
from edgewise.agents.integrations.nemo_gym import ProblemServer

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]
WRONG = "\\boxed{1}\\boxed{2} <answer>1</answer> __import__('os') {{7*7}}"
SERVERS = (
    "resources_servers/edgewise",
    "responses_api_agents/gymnasium_agent",
    "responses_api_models/openai_model",
)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def started(folder, url):
    """NeMo-Gym's servers, each in the environment that runs the tests; yields what finds them."""
    for server in SERVERS:
        place = folder / "venvs" / server
        place.mkdir(parents=True)
        (place / ".venv").symlink_to(sys.prefix)
    found = ["+head_server.host=127.0.0.1", f"+head_server.port={free_port()}"]
    models = "responses_api_models/openai_model/configs/openai_model.yaml"
    words = ["env", "start", f"+config_paths=[edgewise.yaml,{models}]", *found]
    words += ["+skip_venv_if_present=true", f"+uv_venv_dir={folder / 'venvs'}"]
    words += [f"+policy_base_url={url}", "+policy_api_key=none", "+policy_model_name=told"]
    tool = Path(sys.executable).with_name("gym")
    with (folder / "servers.log").open("w") as log:
        process = subprocess.Popen(
            [str(tool), *words], cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while "servers ready! Polling" not in (folder / "servers.log").read_text():
            assert process.poll() is None, (folder / "servers.log").read_text()[-3000:]
            signal.sigtimedwait([], 0.5)
        yield [str(tool), "eval", "run", "--no-serve", *found]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def rollouts(command, folder, rows, repeats):
    """What NeMo-Gym's command says of each rollout of a file of rows."""
    output = folder / f"{rows.stem}-rollouts.jsonl"
    words = [f"+input_jsonl_fpath={rows}", f"+output_jsonl_fpath={output}"]
    words += [f"+num_repeats={repeats}", "+num_samples_in_parallel=1"]
    words += ["+upload_rollouts_to_wandb=false"]
    done = subprocess.run(
        [*command, *words], cwd=folder, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_its_command_gives_our_rewards_row_by_row_and_turn_by_turn(script, serve, tmp_path):
    export(
        gym.make("Countdown-v0", preset="e2h", split="test"), "nemo-gym", 5, tmp_path / "a.jsonl"
    )
    env = edgewise.env.unwrap(gym.make("Blocksworld-v0", preset="seedling", interactive=True))
    export(env, "nemo-gym", 1, tmp_path / "b.jsonl")
    answers = {messages[-1]["content"]: [right, WRONG] for messages, right in script.values()}
    row = json.loads((tmp_path / "b.jsonl").read_text().splitlines()[-1])
    (tmp_path / "b.jsonl").write_text(json.dumps(row) + "\n")
    posed, said = edgewise.pose(row["problem"]), row["responses_create_params"]["input"][-1]
    actions = [rf"\boxed{{{part.strip()}}}" for part in posed.task.solve(posed.problem).split(",")]
    for action in actions:
        answers[said["content"]] = [action]
        said = {"content": posed.step(action)[0]}
    with started(tmp_path, serve(answers)) as command:
        found = defaultdict(list)
        for rollout in rollouts(command, tmp_path, tmp_path / "a.jsonl", 2):
            told = rollout["info"]
            found[told["problem"]].append((rollout["reward"], told["correct"]))
        [episode] = rollouts(command, tmp_path, tmp_path / "b.jsonl", 1)
    assert len(found) == len(script) == 20
    for name, (messages, _) in script.items():
        outcomes = named.score([name] * 2, answers[messages[-1]["content"]], begun=False)
        assert sorted(found[name]) == sorted((one.reward, one.correct) for one in outcomes)
        assert {one.correct for one in outcomes} == {True, False}
    assert len(actions) > 1 and episode["terminated"] and episode["info"]["correct"]
    assert episode["reward"] == 1.0
    assert len([one for one in episode["response"]["output"] if one["role"] == "user"]) == (
        len(actions) - 1
    )


@pytest.fixture(scope="module")
def application():
    config = BaseResourcesServerConfig(host="127.0.0.1", port=1, entrypoint="app.py", name="mine")
    head = BaseServerConfig(host="127.0.0.1", port=1)
    client = ServerClient(head_server_config=head, global_config_dict=OmegaConf.create({}))
    return ProblemServer(config=config, server_client=client).setup_webserver()


def asked(name, text=None):
    """The body of a request."""
    body = {"problem": name, "responses_create_params": {"input": []}}
    if text is not None:
        part = {"type": "output_text", "text": text, "annotations": []}
        message = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
        body["response"] = {
            **{"id": "r", "object": "response", "created_at": 0, "model": "told", "tools": []},
            **{"parallel_tool_calls": False, "tool_choice": "none"},
            "output": [{**message, "content": [part]}],
        }
    return body


def test_a_group_sees_one_problem_in_32_sessions_at_once(application, script):
    [name, *_], barrier = list(script), Barrier(32)

    def member(place):
        with TestClient(application) as client:
            barrier.wait()
            shown = client.post("/reset", json=asked(name)).json()["info"]
            answer = script[name][1] if place % 2 else "no"
            return shown, client.post("/step", json=asked(name, answer)).json()

    with ThreadPoolExecutor(32) as pool:
        members = list(pool.map(member, range(32)))
    env = edgewise.pose(name)
    for place, (shown, answered) in enumerate(members):
        assert shown["problem"] == name
        assert shown["messages"] == chat(env.frame_of(env.problem), env.prompt(env.problem))
        assert answered["terminated"] and answered["info"]["correct"] is bool(place % 2)


def test_the_contract_of_one_turn_gives_our_rewards(application, script):
    with TestClient(application) as client:
        for name, (_, right) in script.items():
            for text in (right, "no", WRONG):
                found = client.post("/verify", json=asked(name, text)).json()
                [outcome] = named.score([name], [text], begun=False)
                assert (found["reward"], found["correct"]) == (outcome.reward, outcome.correct)


def test_what_cannot_be_posed_or_comes_too_early_is_refused(application, script):
    turns = edgewise.env.unwrap(gym.make("Blocksworld-v0", interactive=True))
    _, info = turns.reset(seed=0)
    name, (_, right) = next(iter(script.items()))
    huge, unnamed = asked(name, "a" * 3_000_000), {"responses_create_params": {"input": []}}
    for path, body, said in (
        ("/reset", asked("nonsense"), "`name` must be JSON"),
        ("/reset", asked("{" * 100_000), "must"),
        ("/reset", asked(["x"]), "must have the name of a problem"),
        ("/reset", unnamed, "must have the name of a problem"),
        ("/reset", {}, "Field required"),
        ("/step", asked(name, "no"), "must be reset before its first answer"),
        ("/step", asked(name), "Field required"),
        ("/verify", asked(info["problem"], "no"), "must have one turn"),
        ("/verify", asked(5, "no"), "valid string"),
    ):
        with TestClient(application) as client:
            answered = client.post(path, json=body)
            assert answered.status_code == 422 and said in str(answered.json()["detail"])
    with TestClient(application) as client:
        assert client.post("/reset", content=b"{").status_code == 422
        client.post("/reset", json=asked(name))
        assert client.post("/step", json=huge).json()["reward"] == 0
        assert client.post("/step", json=asked(name, right)).status_code == 422  # it has ended
        client.post("/reset", json=asked(name))
        assert client.post("/step", json=asked(name, right)).json()["info"]["correct"]
