"""What a worker process does for a Reasoning Gym environment: make a problem, or score an answer.

Some of the scorers execute the text of an answer. Of those that are used, each sees only texts of
a narrow form (`GUARDS`), and the process may not write files, start processes or open sockets.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache, lru_cache
from typing import Any

import reasoning_gym

MAX_LENGTH = 20_000  # of an answer
EXPRESSION = re.compile(r"(?!.*(?:\*\*|//))[\d+\-*/() ]{1,200}", re.ASCII)
FORMULA = re.compile(
    r"(?:sin|cos|tan|exp|log|ln|sqrt|pi|[a-zA-Z](?![a-zA-Z])|\d|\.(?=\d)"
    r"|(?<!\*)\*\*(?=\(?\d{1,3}(?!\d))|(?<!\*)\*(?!\*)|\^(?=\(?\d{1,3}(?!\d))|[-+/() ])+",
    re.ASCII,
)
GUARDS = {  # what may reach a scorer that executes it
    "countdown": EXPRESSION,
    "puzzle24": EXPRESSION,
    "n_queens": re.compile(r"[Q_ \n]{1,2000}"),
    "polynomial_multiplication": FORMULA,
    "simple_integration": FORMULA,
    "intermediate_integration": FORMULA,
}
EXAMPLES = {"graph_color": "possible_answer", "rubiks_cube": "example_correct_answer"}
REFUSED = ("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pty.")
HARMLESS = {"os.listdir", "os.scandir", "os.walk"}
WRITES = re.compile(r"[wax+]")


def work(name: str, config: str, index: str, *answers: str) -> Any:
    """Return the question and the answer of a problem, or whether another answer is right.

    Args:
        name: Of the data set.
        config: Its configuration, JSON.
        index: Of the problem.
        answers: None, or one to score.
    """
    lock()
    made = entry(name, config, int(index))
    if not answers:
        return [made["question"], made["answer"]]
    return is_right(name, dataset(name, config), made, answers[0])


@lru_cache(maxsize=16)
def dataset(name: str, config: str) -> Any:
    """Return a data set, whose problem of an index is drawn with that index as the seed."""
    return reasoning_gym.create_dataset(name, seed=0, **json.loads(config))


@lru_cache(maxsize=4096)
def entry(name: str, config: str, index: int) -> dict[str, Any]:
    """Return a problem; one whose answer is only an example has that."""
    made: dict[str, Any] = dict(dataset(name, config)[index])
    if made["answer"] is None and name in EXAMPLES:
        example = made["metadata"][EXAMPLES[name]]
        made["answer"] = example if isinstance(example, str) else json.dumps(example)
    if not isinstance(made["answer"], str) or not made["answer"].strip():
        raise ValueError(f"{name} gives no answer of its own")
    return made


def is_right(name: str, source: Any, made: dict[str, Any], answer: str) -> bool:
    """Return whether the scorer of the data set gives `answer` all the credit."""
    guard = GUARDS.get(name)
    if len(answer) > MAX_LENGTH or (guard is not None and not guard.fullmatch(answer)):
        return False
    return float(source.score_answer(answer, made)) >= 1.0


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError for what no generator or scorer needs."""
    writes = event == "open" and bool(WRITES.search(str(arguments[1])))
    if writes or (event.startswith(REFUSED) and event not in HARMLESS):
        raise PermissionError(event)


@cache
def lock() -> None:
    """Refuse, from now on and for good, what reaches beyond this process; once."""
    sys.addaudithook(refuse)
