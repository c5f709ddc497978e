"""A model behind OpenAI's protocol that says what a file tells it: `python model.py ANSWERS.json PORT_FILE`.

The file has the answers to each prompt, by the text of its last message, which are given in turn.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers chats, as one text or as a stream of events."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        """List the model."""
        model = {"id": "told", "object": "model", "created": 0, "owned_by": "tests"}
        self.send({"object": "list", "data": [model]})

    def do_POST(self):
        """Give the next answer to the prompt."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = asked["input"] if self.path.endswith("/responses") else asked["messages"]
        text = self.server.answer(text_of(messages[-1]["content"]))
        if self.path.endswith("/responses"):
            self.send(response(text))
            return
        told = {"id": "x", "created": 0, "model": "told"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": text, "refusal": None}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            self.send({**told, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        delta = {"role": "assistant", "content": text}
        parts = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ]
        for part in parts:
            event = json.dumps({**told, "object": "chat.completion.chunk", **part})
            self.wfile.write(f"data: {event}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def send(self, content):
        """Answer with JSON."""
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Counts how often each prompt was asked."""

    daemon_threads = True

    def __init__(self, answers):
        """Take the answers to each prompt."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.counts, self.lock = answers, {}, threading.Lock()

    def answer(self, prompt):
        """Return the next answer to a prompt."""
        with self.lock:
            count = self.counts.get(prompt, 0)
            self.counts[prompt] = count + 1
        answers = self.answers.get(prompt, ["I was told nothing of this."])
        return answers[count % len(answers)]


def response(text):
    """Return an answer in the protocol of responses."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
    told = {"id": "r", "object": "response", "created_at": 0, "model": "told", "tools": []}
    how = {"parallel_tool_calls": False, "tool_choice": "none"}
    return {**told, **how, "output": [{**message, "content": [part]}]}


def text_of(content):
    """Return the text of a message, whose content may be in parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


if __name__ == "__main__":
    server = Server(json.loads(Path(sys.argv[1]).read_text()))
    partial = Path(sys.argv[2] + ".part")
    partial.write_text(str(server.server_port))
    partial.rename(sys.argv[2])
    server.serve_forever()
