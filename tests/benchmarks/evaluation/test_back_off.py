import pytest

pytest.importorskip("httpx")
pytest.importorskip("torch")

from edgewise.benchmarks.evaluation.server_agent import ServerAgent, ServerConfig, Transient


def test_a_back_off_is_bounded_however_often():
    agent = ServerAgent("http://127.0.0.1:9/v1#m", ServerConfig(), None, 0)
    agent.stopping.set()
    agent.back_off(5_000, Transient("busy"))
