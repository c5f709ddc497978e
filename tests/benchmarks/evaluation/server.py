"""Servers of OpenAI's protocol that misbehave as they are told, in a process of their own.

They answer every request with a boxed 7, after the faults of their plan are used up. A plan is a list of
faults, one for each request in the order in which they come.
"""

import base64
import json
import socket
import struct
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

TEXT = "I think <b>it</b> is \\boxed{7}"


class Handler(BaseHTTPRequestHandler):
    """Counts what it is asked, and answers."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        """Tell what was asked until now."""
        with self.server.lock:
            self.send(200, {"requests": self.server.requests, "most": self.server.most})

    def do_POST(self):
        """Misbehave, if there is a fault left; else answer."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            number = len(server.requests)
            told = {"path": self.path, "key": self.headers.get("Authorization"), "body": asked}
            server.requests.append({**told, "time": time.monotonic()})
            server.active += 1
            server.most = max(server.most, server.active)
        try:
            fault = server.plan[number] if number < len(server.plan) else server.rest
            time.sleep(server.delay)
            getattr(self, f"fault_{fault}")(asked)
        finally:
            with server.lock:
                server.active -= 1

    def send(self, code, content, **headers):
        """Answer with JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, asked, count, model=None):
        """Return an answer of `count` choices."""
        ends = "stop" if asked.get("max_tokens", 1) > 1 else "length"
        message = (
            {"message": {"role": "assistant", "content": TEXT}}
            if "messages" in asked
            else {"text": TEXT}
        )
        choices = [{"index": i, "finish_reason": ends, **message} for i in range(count)]
        usage = {"prompt_tokens": 100, "completion_tokens": 10 * count}
        return {"model": model or asked["model"], "choices": choices, "usage": usage}

    def fault_none(self, asked):
        self.send(200, self.answer(asked, asked["n"]))

    def fault_few(self, asked):
        self.send(200, self.answer(asked, max(1, asked["n"] - 1)))

    def fault_many(self, asked):
        self.send(200, self.answer(asked, asked["n"] + 3))

    def fault_no_choice(self, asked):
        self.send(200, self.answer(asked, 0))

    def fault_other_model(self, asked):
        self.send(200, self.answer(asked, asked["n"], "another"))

    def fault_revision(self, asked):
        self.send(200, self.answer(asked, asked["n"], f"{asked['model']}-2026-11-01"))

    def fault_busy(self, asked):
        self.send(429, {"error": "slow down"})

    def fault_busy_for_a_second(self, asked):
        self.send(429, {"error": "slow down"}, Retry_After="1")

    def fault_busy_until(self, asked):
        self.send(429, {"error": "slow down"}, Retry_After=formatdate(time.time() + 2, usegmt=True))

    def fault_busy_oddly(self, asked):
        self.send(429, {"error": "slow down"}, Retry_After="a while")

    def fault_busy_at_once(self, asked):
        self.send(429, {"error": "slow down"}, Retry_After="0")

    def fault_busy_for_ages(self, asked):
        self.send(429, {"error": "slow down"}, Retry_After="Mon, 1 Jan 99999999999 00:00:00 GMT")

    def fault_broken(self, asked):
        self.send(500, b"<html>oops [/bold] \x1b[2J</html>")

    def fault_refused(self, asked):
        self.send(400, {"error": {"message": "this model's context is too short"}})

    def fault_no_key(self, asked):
        self.send(401, {"error": "no key"})

    def fault_not_json(self, asked):
        self.send(200, b'{"choices": [{"mess')

    def fault_not_an_object(self, asked):
        self.send(200, [1, 2, 3])

    def fault_odd_types(self, asked):
        odd = [{"message": {"content": 7}, "text": 7}, None, {"message": None}]
        self.send(200, {"choices": odd, "usage": "none"})

    def fault_no_usage(self, asked):
        answer = self.answer(asked, asked["n"])
        self.send(200, {"choices": answer["choices"], "usage": {"completion_tokens": "many"}})

    def fault_first_counted(self, asked):
        """Count the tokens of the first choice alone, as llama.cpp's server does."""
        answer = self.answer(asked, asked["n"])
        answer["usage"]["completion_tokens"] = 10
        self.send(200, {**answer, "timings": {"prompt_n": 1, "predicted_n": 10}})

    def fault_huge_usage(self, asked):
        usage = {"prompt_tokens": 10**400, "completion_tokens": -1}
        self.send(200, {**self.answer(asked, asked["n"]), "usage": usage})

    def fault_runs_on(self, asked):
        choice = {"text": ".</think> <answer>7</answer> User: what", "finish_reason": "length"}
        self.send(200, {"choices": [choice] * asked["n"]})

    def fault_no_content(self, asked):
        choices = [{"message": {"content": None}, "finish_reason": "stop"}] * asked["n"]
        self.send(200, {"choices": choices})

    def fault_hang(self, asked):
        time.sleep(self.server.hang)

    def fault_drip(self, asked):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(300):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)

    def fault_drip_headers(self, asked):
        """Begin a header that never ends."""
        self.drip(b"HTTP/1.1 200 OK\r\nX-Header: ", b"x")

    def fault_continue(self, asked):
        """Send interim answers without end."""
        self.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")

    def drip(self, first, again):
        """Send `first`, and then `again` and again."""
        for part in (first, *[again] * 3000):
            self.wfile.write(part)
            self.wfile.flush()
            time.sleep(0.01)

    def fault_echo(self, asked):
        """Refuse, and say the key in several ways."""
        key = self.headers["Authorization"].removeprefix("Bearer ")
        encoded = base64.b64encode(f"user:{key}".encode()).decode()
        told = f"no {key} {quote(key, safe='')} {encoded} {key[:12]}*** {key.upper()}"
        self.send(401, {"error": told})

    def fault_echo_in_header(self, asked):
        """Answer with a header that is none, with the key in it."""
        key = self.headers["Authorization"].encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + key + b"\x00 no header\r\n\r\n")
        self.close_connection = True

    def fault_echo_in_answer(self, asked):
        """Answer with the key."""
        answer = self.answer(asked, asked["n"])
        for choice in answer["choices"]:
            choice["message"]["content"] += self.headers["Authorization"]
        self.send(200, answer)

    def fault_cut(self, asked):
        """Close in the middle of the body."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.wfile.flush()
        self.close_connection = True

    def fault_reset(self, asked):
        """Reset the connection before any answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class Server(ThreadingHTTPServer):
    """Has a plan, and remembers what it was asked."""

    daemon_threads = True
    hang = 120  # seconds

    def __init__(self, plan, rest="none", delay=0.0):
        """Take the faults of the first requests, the one of all others, and seconds before each."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.rest, self.delay = plan, rest, delay
        self.requests, self.active, self.most, self.lock = [], 0, 0, threading.Lock()

    def handle_error(self, *_):
        """Say nothing of clients that have gone."""


if __name__ == "__main__":  # a server for each line, which has its arguments
    for line in sys.stdin:
        server = Server(*json.loads(line))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
