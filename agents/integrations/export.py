"""Write problems as rows that other frameworks train on, with a card that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym

from edgewise.agents.integrations.layout_files import AGENT as NEMO_GYM_AGENT
from edgewise.agents.integrations.layout_files import server_files, task_files
from edgewise.agents.integrations.trl_turns import messages
from edgewise.env import ReasoningEnv, evaluation_set, unwrap
from edgewise.files import replacing, write_atomically
from edgewise.frame import Frame, Message
from edgewise.registration import require

FORMATS = (".jsonl", ".parquet")
Report = Callable[[int, int], None]  # how many levels are done, and of how many


def chat(frame: Frame, prompt: str) -> list[Message]:
    """Return `prompt` as chat messages, also where its frame is plain text."""
    if frame.chat:
        return messages(frame, prompt)
    return [{"role": "user", "content": frame.text(prompt)}]


def for_trl(env: ReasoningEnv, problem: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for TRL's trainers: a prompt, and columns for the reward function.

    TRL continues no message, so where the frame begins the answer, the prompt is a text in ChatML.
    """
    frame, prompt = env.frame_of(problem), env.prompt(problem)
    whole = frame.chat and not frame.after
    shown = frame.messages(prompt) if whole else frame.text(prompt)
    return {"prompt": shown, "problem": info["problem"], "level": info["level"]}


def for_turns(env: ReasoningEnv, problem: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for TRL's `environment_factory`, `TurnEnvironment`: messages, and the name."""
    shown = messages(env.frame_of(problem), env.prompt(problem))
    return {"prompt": shown, "problem": info["problem"], "level": info["level"]}


def for_verl(env: ReasoningEnv, problem: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for verl, whose reward function is given `ground_truth`, the problem's name."""
    extra = {"split": env.split, "level": info["level"], "index": info["problem_seed"]}
    return {
        "data_source": f"edgewise/{env.identity['env']}",
        "prompt": chat_of(env, problem),
        "ability": "reasoning",
        "reward_model": {"style": "rule", "ground_truth": info["problem"]},
        "extra_info": extra,
    }


def for_nemo_gym(env: ReasoningEnv, problem: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for NeMo-Gym, whose agent and server are those of `layout_files`."""
    return {
        "responses_create_params": {"input": chat_of(env, problem)},
        "agent_ref": {"type": "responses_api_agents", "name": NEMO_GYM_AGENT},
        "problem": info["problem"],
        "level": info["level"],
    }


def for_lm_eval(env: ReasoningEnv, problem: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for lm-eval, whose task file is that of `layout_files`."""
    told = {message["role"]: message["content"] for message in chat_of(env, problem)}
    return {
        "system": told.get("system", ""),
        "prompt": told["user"],
        "problem": info["problem"],
        "level": info["level"],
    }


def chat_of(env: ReasoningEnv, problem: Any) -> list[Message]:
    """Return the prompt of a problem as chat messages."""
    return chat(env.frame_of(problem), env.prompt(problem))


LAYOUTS: dict[str, Callable[[ReasoningEnv, Any, Mapping[str, Any]], dict[str, Any]]] = {
    "trl": for_trl,
    "trl-turns": for_turns,
    "verl": for_verl,
    "nemo-gym": for_nemo_gym,
    "lm-eval": for_lm_eval,
}
FILES: dict[str, Callable[[ReasoningEnv, Path], dict[Path, str]]] = {  # that go with the rows
    "nemo-gym": server_files,
    "lm-eval": task_files,
}


def problem_rows(
    env: gym.Env[str, str], layout: str, size: int, progress: Report = lambda done, total: None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows of the first `size` different problems of each level, and a summary of each level.

    They are those of `evaluation_set`, in the split of `env`, level after level. `progress` is called
    with how many levels are done, of how many.
    """
    base = unwrap(env)
    rows: list[dict[str, Any]] = []
    levels: list[dict[str, Any]] = []
    for level in base.levels:
        chosen = evaluation_set(env, level, size)
        names: list[str] = []
        for options in chosen:
            problem, info = base.pose(options)
            rows.append(LAYOUTS[layout](base, problem, info))
            names.append(info["problem"])
        seeds = [options["problem_seed"] for options in chosen]
        levels.append(
            {
                "level": level,
                "num_problems": len(seeds),
                "problem_seeds": [seeds[0], seeds[-1]],
                "first": json.loads(names[0]),
                "sha256": digest("\n".join(names).encode()),
            }
        )
        progress(len(levels), len(base.levels))
    return rows, levels


def export(
    env: gym.Env[str, str],
    layout: str,
    size: int,
    path: Path,
    progress: Report = lambda done, total: None,
) -> Path:
    """Write the rows to `path`, and what goes with them and the card beside it; return the card's path.

    The same arguments give the same bytes, in parquet with the same version of pyarrow.

    Raises:
        ValueError: If the ending of `path` names no format, or the layout is not for `env`.
        ImportError: If the format is parquet and pyarrow is not installed.
    """
    base = unwrap(env)
    files = FILES[layout](base, path) if layout in FILES else {}
    check_format(path)
    rows, levels = problem_rows(env, layout, size, progress)
    told = {"levels": levels, "rewards": list(base.preset.rewards)}
    card = write_rows(rows, path, {**base.identity, "layout": layout}, told)
    for place, text in files.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, text)
    return card


def check_format(path: Path) -> None:
    """Raise ValueError if the ending of `path` names no format, ImportError if that needs an extra."""
    if path.suffix not in FORMATS:
        raise ValueError(f"`output` must end with {' or '.join(FORMATS)}, got {path}")
    if path.suffix == ".parquet":
        require("data")


def write_rows(
    rows: Sequence[Mapping[str, Any]],
    path: Path,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Path:
    """Write rows of the same columns, and the card beside them, whose path is returned.

    Args:
        rows: At least one.
        path: Of JSON lines or parquet.
        before: What the card says first.
        after: What it says after columns and number of the rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        write_atomically(path, "".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        write_parquet(rows, path)
    counts = {"columns": list(rows[0]), "num_rows": len(rows)}
    made = {"edgewise": version("edgewise"), "sha256": digest(path.read_bytes())}
    place = path.with_name(f"{path.name}.card.json")
    write_atomically(place, json.dumps({**before, **counts, **after, **made}, indent=2) + "\n")
    return place


def write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows of the same columns."""
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(list(rows))
    with replacing(path) as partial:
        pyarrow.parquet.write_table(table, partial)


def digest(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
