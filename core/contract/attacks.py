"""Answers that attack a verifier, and what a verifier does while it reads them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import numpy as np

from edgewise.contract.level import Level

PIECES = [
    "", "?", "()", "9" * 30, "(", "[", "{", "\\frac{", "1/0", "None", "1and 2", "3(4)", "9**9**9", "²", "é",
    "\0", "\ud800", "\\", "nan", "inf", "-", "{}{0}%s", "a", "1e999", "0x1F", "0b1", "1_0", "٣", "½", "//",
    "%", "<<", "!", "@", ";", "\n", "\t", "'", '"', "`", "$", "${7*7}", "{{7*7}}", "<script>", ":=", "==",
    "\u202e", "\ufeff", "🙂", "lambda:0", "factorial(10**6)", "0e0*(", "\\boxed{", "<answer>", "</answer>",
]  # fmt: skip
FORBIDDEN = ("exec", "open", "import", "os.", "subprocess.", "socket.", "ctypes.")  # audit events
LINES, LINES_A_CHARACTER = 25_000, 20  # of Python that a verdict may run


def hostile_texts(solution: str, path: Path, count: int, length: int = 100_000) -> Iterator[str]:
    """Yield texts that are no answers: payloads that would make a file, and random pieces.

    Args:
        solution: The right answer.
        path: Of the file.
        count: How many random texts there are.
        length: Of the longest, in characters.
    """
    write = f"open({str(path)!r}, 'w')"
    payloads = [
        f"__import__('os').system('touch {path}')", f"[{write}][0]", f"(lambda: {write})()", write,
        f"print({write})", f"exec({write!r})", f"${{{write}}}", f"$(touch {path})", f"`touch {path}`",
        f"().__class__.__base__.__subclasses__()[0]({write})", f"#= {solution}\n{write}",
    ]  # fmt: skip
    yield from payloads
    yield from (piece * (length // max(1, len(piece))) for piece in PIECES)
    rng = np.random.default_rng(0)
    pieces = [*PIECES, *payloads, solution[: len(solution) // 2]]
    for _ in range(count):
        chosen = rng.choice(len(pieces), size=rng.integers(1, 8)).tolist()
        times = (10 ** (4 * rng.random(len(chosen)) ** 3)).astype(int).tolist()
        yield "".join(pieces[i] * n for i, n in zip(chosen, times, strict=True))


class Watch:
    """What reached the machine while it was on, and how many lines of Python a call ran."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.events: set[str] = set()
        self.num_lines = 0
        self.is_on = True

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, and count the lines that it runs."""
        self.num_lines, before = 0, sys.gettrace()
        sys.settrace(self.trace)
        try:
            return function(*arguments)
        finally:
            sys.settrace(before)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Count a line."""
        self.num_lines += event == "line"
        return self.trace

    def audit(self, event: str, arguments: Any) -> None:
        """Note what reaches the machine, of this thread: others renew the workers."""
        here = threading.current_thread() is threading.main_thread()
        if self.is_on and here and event.startswith(FORBIDDEN):
            self.events.add(event)


@contextmanager
def watching() -> Iterator[Watch]:
    """Yield a watch over what happens within the block."""
    watch = Watch()
    sys.addaudithook(watch.audit)  # for good, so it is switched off at the end
    try:
        yield watch
    finally:
        watch.is_on = False


def hostile(level: Level, count: int) -> Iterator[str]:
    """Check that hostile answers are wrong, cost little, and reach neither files nor other processes."""
    env = level.env()
    env.reset(seed=0)
    task, problem = env.task, env.problem
    solution = task.solve(problem)
    task.verify(problem, solution)  # whatever is imported late is imported now
    with TemporaryDirectory() as folder, watching() as watch:
        made = Path(folder) / "made"
        watch.events.clear()
        for answer in hostile_texts(solution, made, count, 100 * min(1_000, 5 * count)):
            verdict = watch.call(task.verify, problem, answer)
            text = rf"<answer>{answer}</answer>\boxed{{{answer}}}"
            correct = env.score([problem], [()], [text])[0].correct
            most, said = LINES + LINES_A_CHARACTER * len(answer), repr(answer[:80])
            if verdict is not False or correct is not False:
                yield f"a hostile answer must be False, got {verdict} and {correct} for {said}"
            elif watch.num_lines > most:
                yield (
                    f"a verdict must run at most {most:,} lines, got {watch.num_lines:,} for "
                    f"{len(answer):,} characters such as {said}"
                )
            elif watch.events or made.exists():
                seen = ", ".join(sorted(watch.events)) or "a file that it wrote"
                yield f"a verdict must leave the machine alone, got {seen} for {said}"
            else:
                continue
            return
