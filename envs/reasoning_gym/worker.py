"""What a worker process does for a Reasoning Gym environment: make a problem, or score an answer.

No scorer that executes the text of an answer is asked. Others see only texts of the form that is
asked for (`FORMS`), and the process may not write files, start processes or open sockets.
"""

from __future__ import annotations

import json
import os
import re
import sys
from copy import copy
from functools import cache, lru_cache
from typing import Any

import reasoning_gym

from edgewise.envs.reasoning_gym.answers import FAILURES, FORMS, MAX_LENGTH, OURS

SEEDS = 2**32
LISTED = {"acre": 5, "gsm_symbolic": 1, "list_functions": 1}  # that draw so many when they are made
RESEEDED = ("pool_matrix", "word_ladder")  # with a limit on the index
UNSOLVED = {"intermediate_integration": "Integral(", "jugs": "No solution"}  # in their answers
EXAMPLES = {"graph_color": "possible_answer", "rubiks_cube": "example_correct_answer"}
REFUSED = ("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pty.")
HARMLESS = {"os.listdir", "os.scandir", "os.walk"}
WRITES = re.compile(r"[wax+]")  # of the mode of `open`, which is None from `os.open`
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def work(name: str, config: str, index: str, *answers: str) -> Any:
    """Return the question and the answer of a problem, or whether another answer is right.

    Nothing, [], is returned for a problem that the generator refuses.

    Args:
        name: Of the data set.
        config: Its configuration, JSON.
        index: Of the problem.
        answers: None, or one to score.
    """
    lock()
    try:
        made = entry(name, config, int(index))
    except FAILURES:
        return []
    if not answers:
        return [made["question"], made["answer"]]
    return is_right(name, dataset(name, config), made, answers[0])


@lru_cache(maxsize=16)
def dataset(name: str, config: str) -> Any:
    """Return a data set, whose problem of an index is drawn with that index as the seed."""
    return reasoning_gym.create_dataset(name, seed=0, **json.loads(config))


def draw(name: str, config: str, index: int) -> dict[str, Any]:
    """Return a problem; of a data set that takes no large index, that of a seed of 32 bits."""
    if name in LISTED:
        size, options = LISTED[name], json.loads(config)
        source = reasoning_gym.create_dataset(name, seed=index % SEEDS, size=size, **options)
        return dict(source[0])
    if name in RESEEDED:
        source = copy(dataset(name, config))
        source.seed = index % SEEDS
        return dict(source[0])
    return dict(dataset(name, config)[index])


@lru_cache(maxsize=4096)
def entry(name: str, config: str, index: int) -> dict[str, Any]:
    """Return a problem; one whose answer is only an example has that."""
    made = draw(name, config, index)
    if made["answer"] is None and name in EXAMPLES:
        example = made["metadata"][EXAMPLES[name]]
        made["answer"] = example if isinstance(example, str) else json.dumps(example)
    if not isinstance(made["answer"], str) or not made["answer"].strip():
        raise ValueError(f"{name} gives no answer of its own")
    if name in UNSOLVED and UNSOLVED[name] in made["answer"]:
        raise ValueError(f"{name} does not solve its problem")
    if len(made["answer"]) > MAX_LENGTH:
        raise ValueError(f"an answer of over {MAX_LENGTH:,} characters")
    return made


def is_right(name: str, source: Any, made: dict[str, Any], answer: str) -> bool:
    """Return whether `answer` gets all the credit: from our judge if there is one, else theirs."""
    if len(answer) > MAX_LENGTH:
        return False
    if name in OURS:
        return OURS[name](made, answer)
    form = FORMS.get(name)
    if form is not None and not form.fullmatch(answer):
        return False
    return float(source.score_answer(answer, made)) >= 1.0


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError for what no generator or scorer needs."""
    writes = event == "open" and (WRITES.search(arguments[1] or "") or arguments[2] & FLAGS)
    if writes or (event.startswith(REFUSED) and event not in HARMLESS):
        raise PermissionError(event)


@cache
def lock() -> None:
    """Refuse, from now on and for good, what reaches beyond this process; once."""
    sys.addaudithook(refuse)
