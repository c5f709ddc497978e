"""A model behind a server that speaks OpenAI's protocol: chat or plain completions.

The answer of a server is data, like all that a model writes: bounded in time and size, and checked.
Stop strings of a frame are not sent, since a server cuts them off; the text is cut after them here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from math import inf
from typing import Any

import httpx
import numpy as np

from edgewise.benchmarks.evaluation.agent import MAX_TEXT, Reply, Request, entropy
from edgewise.benchmarks.evaluation.dialogue import Dialogue
from edgewise.benchmarks.evaluation.plans import ServerConfig
from edgewise.benchmarks.evaluation.server_client import MAX_RETRY_AFTER, Client, Refused, Transient
from edgewise.interrupts import asked
from edgewise.judging import takes_turns

FIRST_ATTEMPTS = 3  # at a server that has not taken a connection yet
MAX_DELAY = 60.0  # seconds, of the back-off
MAX_COUNT = 2**40  # tokens of a request that a server may count
PATIENCE = 10.0  # seconds for what is under way, once the user has asked to stop
POLL = 0.1  # seconds between two looks at whether the user has
SUFFIXES = ("-", "@", ":")  # what may follow the name of a model in an answer: a date, a revision


class Halted(ConnectionError):
    """A request that was not made, as another had failed."""


class ServerAgent:
    """Asks a server, many requests at once."""

    def __init__(
        self,
        name: str,
        config: ServerConfig,
        key: str | None,
        seed: int,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            name: URL#MODEL, such as http://127.0.0.1:8000/v1#qwen.
            config: How it is asked.
            key: Is sent to the server, if it is not None.
            seed: Of the sampled tokens, for servers that take one.
            told: Hears of requests that are made again.

        Raises:
            ValueError: If the name has no URL or no model, or the key cannot be sent.
        """
        url, _, self.model = name.partition("#")
        if not is_url(url) or not self.model:
            raise ValueError(f"`agent` must be openai:URL#MODEL, got {'openai:' + name!r}")
        if httpx.URL(url).userinfo:
            raise ValueError(
                "`agent` must be openai:URL#MODEL without a user or password; what the server asks "
                "for is the value of the variable that key_variable names"
            )
        key = (key or "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ValueError(
                "`key_variable` must name a variable that has printable ASCII characters alone, "
                f"got {config.key_variable}"
            )
        self.config, self.seed, self.told = config, seed, told
        path = "chat/completions" if config.api == "chat" else "completions"
        self.url = f"{url.rstrip('/')}/{path}"
        self.client = Client(self.url, key, config.timeout, config.concurrency)
        self.reached = False  # whether the server has ever taken a connection
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.judging = threading.Lock()  # of one turn at a time, as verifiers may share a pool
        self.slots = threading.Semaphore(config.concurrency)
        # when the next request may begin by either limit, by the monotonic clock
        self.next_start, self.tokens_paid = 0.0, 0.0
        self.rng = np.random.default_rng(seed)  # of the back-off alone

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Yield the replies to one request after the other, as they come in.

        When the user asks to stop, no more is asked, and what is under way has `PATIENCE` seconds.

        Raises:
            ConnectionError: If one fails for good; what was already asked is yielded before.
        """
        waiting = deque(part for request in requests for part in self.divided(request))
        pending: dict[Future[list[Reply]], Request] = {}
        failure: BaseException | None = None
        last = inf
        with self.client:
            try:
                while (waiting or pending) and time.monotonic() < last:
                    while waiting and len(pending) < 2 * self.config.concurrency:
                        request = waiting.popleft()
                        pending[self.begin(request)] = request
                    for future in wait(pending, POLL, return_when=FIRST_COMPLETED).done:
                        request, error = pending.pop(future), future.exception()
                        if error is not None:
                            if failure is None or isinstance(failure, Halted):
                                failure = error
                            self.stopping.set()
                            continue
                        replies = future.result()
                        yield replies
                        if len(replies) < len(request.samples):
                            rest = request.samples[len(replies) :]
                            waiting.appendleft(replace(request, samples=rest))
                    if asked() and last == inf:
                        last = time.monotonic() + PATIENCE
                        self.stopping.set()
                    if self.stopping.is_set():
                        waiting.clear()
            finally:
                self.stopping.set()
        if failure is not None and last == inf:
            raise failure

    def divided(self, request: Request) -> Iterator[Request]:
        """Yield a request in parts of as many samples as one may ask for.

        That is one at temperature 0, where vLLM refuses more, and of episodes of several turns.
        """
        size, question = self.config.samples_per_request or len(request.samples), request.question
        if question.sampling.temperature == 0 or takes_turns(question.env, question.problem):
            size = 1
        for first in range(0, len(request.samples), size):
            yield replace(request, samples=request.samples[first : first + size])

    def begin(self, request: Request) -> Future[list[Reply]]:
        """Send the request in a daemon thread."""
        future: Future[list[Reply]] = Future()

        def work() -> None:
            with self.slots:
                try:
                    future.set_result(self.play(request))
                except BaseException as error:
                    future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def play(self, request: Request) -> list[Reply]:
        """Return the replies to one request, turn by turn where episodes have several.

        Raises:
            ConnectionError: As `ask`.
        """
        dialogue = Dialogue(request.question)
        if not takes_turns(request.question.env, request.question.problem):
            return self.ask(request, dialogue)
        while not dialogue.done:
            (reply,) = self.ask(request, dialogue)
            with self.judging:
                dialogue.add(reply)
        return [dialogue.reply(request.samples[0])]

    def ask(self, request: Request, dialogue: Dialogue) -> list[Reply]:
        """Return the replies to one request: at least one, and perhaps not all.

        Raises:
            ConnectionError: If the server refuses, or all attempts have failed.
        """
        content = self.content(request, dialogue)
        for attempt in range(self.config.max_retries + 1):
            start = self.pace()
            if self.stopping.is_set():
                break
            try:
                answer = self.client.post(content)
                self.reached = True
                self.pay(start, answer, request)
                opening = dialogue.opening if self.config.api == "completions" else ""
                return self.read(answer, request, opening, time.monotonic() - start)
            except Transient as error:
                reason = str(error)
                self.reached |= not isinstance(error, Refused)
                if not self.reached and attempt + 1 == FIRST_ATTEMPTS:
                    self.stopping.set()  # before this thread takes the next request
                    raise ConnectionError(
                        f"{self.url} takes no connection: {reason}; start the server, or mend the URL"
                    ) from error
                if attempt < self.config.max_retries and not self.stopping.is_set():
                    self.back_off(attempt, error)
        else:
            raise ConnectionError(
                f"{self.url} failed {self.config.max_retries + 1} times, lastly: {reason}; what was "
                "answered is kept, and the same command goes on"
            )
        raise Halted(f"{self.url}: stopped because another request failed")

    def content(self, request: Request, dialogue: Dialogue) -> dict[str, Any]:
        """Build the body of the request for the next turn."""
        question, sampling = request.question, request.question.sampling
        asked: dict[str, Any] = {
            "model": self.model,
            "n": len(request.samples),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self.config.token_limit: sampling.max_tokens,
            "seed": entropy(self.seed, question, request.samples[0])[0] // 2,
        }
        if self.config.api == "completions":
            return {**asked, "prompt": dialogue.text()}
        return {**asked, "messages": dialogue.messages()}

    def pace(self) -> float:
        """Wait until another request may begin, or none any more; return the time."""
        limit = self.config.requests_per_minute
        while True:
            with self.lock:
                now = time.monotonic()
                delay = max(self.next_start, self.tokens_paid) - now
                if delay <= 0 or self.stopping.is_set():
                    self.next_start = now + (0.0 if limit is None else 60 / limit)
                    return now
            self.stopping.wait(min(delay, MAX_DELAY))

    def pay(self, start: float, answer: Any, request: Request) -> None:
        """Hold back the requests to come for the tokens of one that began at `start`.

        They are the server's count, and where it has none, the most that was asked for.
        """
        limit = self.config.tokens_per_minute
        if limit is None:
            return
        usage = usage_of(answer, len(request.samples)) if isinstance(answer, dict) else None
        prompt, said = (share(usage, name, 1) for name in ("prompt_tokens", "completion_tokens"))
        if said is None:
            said = len(request.samples) * request.question.sampling.max_tokens
        share_of_limit = min(60 * ((prompt or 0) + said) / limit, MAX_RETRY_AFTER)
        with self.lock:
            self.tokens_paid = max(self.tokens_paid, start) + share_of_limit

    def back_off(self, attempt: int, error: Transient) -> None:
        """Wait before a request is made again: as the server says, or twice as long each time."""
        delay = error.retry_after
        if not delay:  # "at once" is no help either
            with self.lock:
                part = (1 + self.rng.random()) / 2
            delay = part * min(MAX_DELAY, self.config.first_delay * 2.0 ** min(attempt, 60))
        self.told(f"again in {delay:.1f} s: {error}")
        self.stopping.wait(delay)

    def read(self, answer: Any, request: Request, opening: str, seconds: float) -> list[Reply]:
        """Return the replies that are in an answer, no more than were asked for.

        Args:
            answer: Of the server.
            request: What was asked.
            opening: What each text goes on with.
            seconds: That it took.

        Raises:
            Transient: If it is none.
            ConnectionError: If another model has answered.
        """
        choices = answer.get("choices") if isinstance(answer, dict) else None
        found = [self.text(choice) for choice in choices] if isinstance(choices, list) else []
        taken = [choice for choice in found if choice is not None][: len(request.samples)]
        if not taken or None in found:
            raise Transient("the answer has no completion")
        self.check_model(answer.get("model"))
        usage = usage_of(answer, len(taken))
        counted: list[Any] = [
            share(usage, name, len(taken)) for name in ("completion_tokens", "prompt_tokens")
        ]
        counted.append(seconds / len(taken))
        question = request.question
        replies = []
        for sample, (text, ended) in zip(request.samples, taken, strict=False):
            kept = question.sampling.cut(opening + text)
            ended = ended or kept.endswith(question.sampling.stop)  # and runs on, which is cut off
            replies.append(Reply(question, sample, kept, ended, *counted))
        return replies

    def text(self, choice: Any) -> tuple[str, bool] | None:
        """Return the text of a choice, and whether it ended by itself; None if it is no choice."""
        if not isinstance(choice, dict):
            return None
        if self.config.api == "chat":
            message = choice.get("message")
            text = message.get("content", "") if isinstance(message, dict) else None
            text = "" if text is None and isinstance(message, dict) else text  # only reasoning
        else:
            text = choice.get("text")
        if not isinstance(text, str):
            return None
        return self.client.secret.remove(text[:MAX_TEXT]), choice.get("finish_reason") != "length"

    def check_model(self, name: object) -> None:
        """Raise ConnectionError if the server answered with another model than the requested one."""
        wanted = self.config.served_model or self.model
        if not isinstance(name, str) or name == wanted:
            return
        if not name.startswith(tuple(wanted + suffix for suffix in SUFFIXES)):
            raise ConnectionError(
                f"{self.url} must answer with the model {wanted!r}, got {self.client.plain(name)!r}; if that "
                "is the same one, pass its name as served_model"
            )


def is_url(text: str) -> bool:
    """Return whether `text` is the address of a server.

    >>> is_url("http://127.0.0.1:8000/v1"), is_url("http://localhost:x"), is_url("http://")
    (True, False, False)
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def usage_of(answer: Mapping[str, Any], count: int) -> object:
    """Read the token counts of a response with `count` choices, if they cover all of them.

    llama.cpp's server counts the tokens of the first choice alone, as its timings show.
    """
    usage, timings = answer.get("usage"), answer.get("timings")
    if count == 1 or not isinstance(usage, dict) or not isinstance(timings, dict):
        return usage
    first = usage.get("completion_tokens") == timings.get("predicted_n")
    return {**usage, "completion_tokens": None} if first else usage


def share(usage: object, name: str, count: int) -> float | None:
    """Return the share of one of `count` answers in the tokens that a server counts, if it does."""
    total = usage.get(name) if isinstance(usage, dict) else None
    return total / count if isinstance(total, int) and 0 <= total <= MAX_COUNT else None
