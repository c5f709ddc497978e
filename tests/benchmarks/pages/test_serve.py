"""A page is served to this computer alone, and made anew at every load."""

import http.client
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.pages.serve import PageServer


@pytest.fixture
def server():
    """A server whose page is the number of times that it was made; the third is refused."""
    count = 0

    def make():
        nonlocal count
        count += 1
        if count == 3:
            raise ValueError("damaged")
        return f"<p>{count}</p>"

    with PageServer(make, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path="/", method="GET", host=None):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    headers = {} if host is None else {"Host": host.replace("PORT", str(server.server_port))}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


ASKS = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n"


@pytest.mark.parametrize("sent", [ASKS, ASKS[:20], b"\0" * 99, b"GET /" + b"/" * 70_000, b""])
def test_a_client_that_goes_away_is_no_news(sent, capsys):
    """It resets the connection before the page, of more than a buffer holds, is sent."""
    with PageServer(lambda: "x" * 20_000_000, 0) as server:
        server.daemon_threads = False  # so that leaving waits for all answers
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = socket.create_connection(("127.0.0.1", server.server_port))
        client.sendall(sent.replace(b"PORT", str(server.server_port).encode()))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert len(ask(server)[2]) == 20_000_000
        server.shutdown()
        thread.join()
    assert capsys.readouterr() == ("", "")


def test_what_is_wrong_beside_the_client_is_printed(capsys):
    def make():
        raise ZeroDivisionError("a fault of ours")

    with PageServer(make, 0) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server)
        server.shutdown()
        thread.join()
    assert "ZeroDivisionError: a fault of ours" in capsys.readouterr().err


def test_every_load_makes_the_page_anew_and_tells_what_is_wrong(server):
    status, headers, text = ask(server)
    assert (status, text) == (200, "<p>1</p>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    assert ask(server, host="localhost:PORT")[2] == "<p>2</p>"
    status, headers, text = ask(server)
    assert (status, text) == (500, "damaged\n") and headers["Content-Type"].startswith("text/plain")
    assert ask(server)[2] == "<p>4</p>"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"host": "attacker.example:PORT"}, 403),  # a name that was made to point here
        ({"host": "attacker.example"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": ""}, 403),
        ({"path": "/config.json"}, 404),
        ({"path": "/../../etc/passwd"}, 404),
        ({"path": "/?x=1"}, 404),
        ({"path": "http://127.0.0.1/", "host": "127.0.0.1:PORT"}, 404),
        ({"method": "POST"}, 501),
        ({"method": "PUT"}, 501),
        ({"method": "HEAD"}, 501),
    ],
)
def test_nothing_else_is_answered(server, request_, status):
    found, _, text = ask(server, **request_)
    assert found == status and "<p>1" not in text
    assert ask(server)[2] == "<p>1</p>"  # nothing was made for it


def test_it_listens_on_the_loopback_address_alone(server):
    assert server.server_address[0] == "127.0.0.1"


def test_the_command_serves_until_it_is_interrupted(tmp_path):
    (tmp_path / "config.json").write_text('{"arms": [], "env": "Countdown-v0"}')
    command = [sys.executable, "-m", "edgewise", "view", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        address = child.stdout.readline().split()[0]
        host = address.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/")
        assert "No step is done yet." in connection.getresponse().read().decode()
        connection.close()
        child.send_signal(signal.SIGINT)
    assert child.returncode == 0
