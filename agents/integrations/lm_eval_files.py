"""The task file that goes with the rows of `edgewise export --layout lm-eval`; needs no lm-eval.

edgewise export --layout lm-eval --env Countdown-v0 --preset e2h --split test --output tasks/countdown.jsonl
lm_eval run --include_path tasks --tasks countdown --model local-chat-completions --apply_chat_template ...
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.env import ReasoningEnv
from edgewise.judging import takes_turns

SCORE = "edgewise.agents.integrations.lm_eval.score"
WORD = re.compile(r"[\w.-]+", re.ASCII)  # what lm-eval reads as the name of one task


def task_files(env: ReasoningEnv, path: Path) -> dict[Path, str]:
    """Return the task file of the rows in `path`: where it goes, and its text.

    The task is called as the file of rows, sampled as the preset says, and has the metrics of all rows
    and of each level.

    Raises:
        ValueError: If the name of the file is none of a task, or the environment has several turns.
    """
    if WORD.fullmatch(path.stem) is None:
        raise ValueError(
            f"`output` must be named with letters, digits, _, . and -, as the task is, got {path.name}"
        )
    if path.suffix != ".jsonl":
        raise ValueError(f"`output` must end with .jsonl for lm-eval, got {path}")
    problem, _ = env.pose(env.choose(np.random.default_rng(0)))
    if takes_turns(env, problem):
        raise ValueError(f"`env` must have one turn, got {env.identity['env']}, which has several")
    names = ["correct", "formatted", "reward", *(f"level_{level}" for level in env.levels)]
    protocol = env.preset.protocol
    sampling: dict[str, Any] = {
        "until": [],  # lm-eval would take the stop string out of the answer
        "do_sample": protocol.temperature > 0,
        "temperature": protocol.temperature,
        "top_p": protocol.top_p,
        "max_gen_toks": env.preset.frame.max_completion_tokens,
    }
    task = {
        "task": path.stem,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path.resolve())}},
        "test_split": "test",
        "output_type": "generate_until",
        "description": "{{system}}",
        "doc_to_text": "prompt",
        "doc_to_target": "problem",
        "generation_kwargs": sampling,
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names
        ],
        "metadata": {"version": 1.0},
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in task.items()]  # JSON is YAML too
    lines.append(f"process_results: !function {SCORE}")
    return {path.with_suffix(".yaml"): "\n".join(lines) + "\n"}
