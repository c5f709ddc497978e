"""`edgewise serve --openenv` and OpenEnv's own client: groups, levels, seeds, turns, many sessions."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager

import gymnasium as gym
import pytest

pytest.importorskip("openenv")

from openenv.core.generic_client import GenericEnvClient

import edgewise
from edgewise.agents.integrations import named

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]


@contextmanager
def served(*words):
    """The address of a server, which Ctrl-C ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "edgewise", "serve", "--openenv", "--port", str(port), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert "for clients of OpenEnv" in process.stdout.readline()
        for _ in range(600):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture(scope="module")
def address():
    with served("--preset", "e2h", "--max-sessions", "40") as found:
        yield found


def client(address):
    return GenericEnvClient(base_url=address).sync()


def test_rewards_are_ours_row_by_row(address, script):
    with client(address) as session:
        for name, (messages, right) in script.items():
            for answer in (right, "no", "\\boxed{1}\\boxed{2} __import__('os') {{7*7}}"):
                shown = session.reset(problem=name).observation
                assert shown["messages"] == messages and shown["problem"] == name
                found = session.step({"text": answer})
                outcome = named.score([name], [answer], begun=False)[0]
                assert found.reward == outcome.reward and found.done
                assert found.observation["correct"] == outcome.correct
                assert found.observation["formatted"] == outcome.formatted
    assert len(script) == 20


def test_a_group_sees_one_problem_in_32_sessions_at_once(address):
    with ExitStack() as stack:
        sessions = [stack.enter_context(client(address)) for _ in range(32)]
        first = sessions[0].reset(seed=3, level=2).observation
        assert first["level"] == 2
        others = [one.reset(problem=first["problem"]).observation for one in sessions[1:]]
        assert all(other["messages"] == first["messages"] for other in others)
        again = [one.reset(seed=3, level=2).observation["problem"] for one in sessions]
        assert set(again) == {first["problem"]}
        assert (
            len({one.reset(seed=k).observation["problem"] for k, one in enumerate(sessions)}) > 20
        )


@pytest.mark.parametrize(
    "arguments", [{"problem": "nonsense"}, {"level": 99}, {"problem": "zebra"}, {"levle": 2}]
)
def test_what_cannot_be_posed_is_refused_and_the_server_lives(address, arguments):
    if arguments.get("problem") == "zebra":
        _, info = gym.make("Zebra-v0").reset(seed=0)
        arguments = {"problem": info["problem"]}
    with client(address) as session, pytest.raises(Exception, match=r"must|level"):
        session.reset(**arguments)
    with client(address) as session:
        assert session.reset(seed=0).observation["problem"]


@pytest.mark.parametrize(
    "arguments",
    [{"seed": "x"}, {"seed": -1}, {"seed": 1.5}, {"seed": True}, {"level": True}, {"level": "2"},
     {"level": [1]}, {"problem": 5}, {"problem": "{" * 100_000}, {"problem": "x" * 5_000_000}],
    ids=lambda arguments: str(arguments)[:24],
)  # fmt: skip
def test_values_of_another_type_are_refused_and_the_session_goes_on(address, arguments):
    with client(address) as session:
        with pytest.raises(Exception, match=r"must (be|have)"):
            session.reset(**arguments)
        assert session.reset(seed=0).observation["problem"]
        assert session.step({"text": "no"}).done
        with pytest.raises(Exception, match="call `reset` before `step`"):
            session.step({"text": "no"})


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("reset", {"level": "2"}, "`level` must be a whole number from 0, got '2'"),
        ("reset", {"problem": "nonsense"}, "must be"),
        ("reset", {"levle": 2}, "`reset` must have seed, problem or level"),
        ("step", {"action": {"text": "\ud800"}}, "call `reset` before `step`"),
    ],
)
def test_a_request_of_http_is_told_what_was_wrong_with_it(address, path, body, said):
    asked = urllib.request.Request(
        f"{address}/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    assert refused.value.code == 422 and said in json.loads(refused.value.read())["detail"]


def test_sessions_that_break_off_make_room_and_two_at_once_are_apart():
    with served("--preset", "e2h", "--max-sessions", "2") as address:
        for _ in range(3):
            with client(address) as one, client(address) as other:
                first, second = (one.reset(seed=1).observation, other.reset(seed=2).observation)
                env = edgewise.pose(first["problem"])
                assert other.step({"text": "no"}).reward < 1
                assert one.step({"text": env.demonstrate(env.problem)}).reward == 1
                assert first["problem"] != second["problem"]
                one.reset(seed=3)  # and leaves in the middle of an episode


def test_an_episode_of_several_turns_is_played_to_its_end():
    with (
        served(
            "--env",
            "Blocksworld-v0",
            "--preset",
            "seedling",
            "--env-options",
            '{"interactive": true}',
        ) as address,
        client(address) as session,
    ):
        name = session.reset(seed=0).observation["problem"]
        env = edgewise.pose(name)
        actions = env.task.solve(env.problem).split(",")
        for place, action in enumerate(actions, start=1):
            found = session.step({"text": rf"\boxed{{{action.strip()}}}"})
            assert found.done is (place == len(actions))
            assert found.done or found.observation["messages"][0]["content"]
        assert found.reward == 1.0 and found.observation["correct"]
