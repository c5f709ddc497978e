"""lm-eval's own command on exported tasks: rewards are ours, for all rows and for each level."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import gymnasium as gym
import pytest

pytest.importorskip("lm_eval")

from edgewise.agents.integrations import named
from edgewise.agents.integrations.export import export

HOSTILE = "\\boxed{1}\\boxed{2} <answer>1</answer> __import__('os') {{7*7}}"
pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]


def run(tmp_path, url, repeat):
    """Evaluate the exported task with lm-eval's command; return what it logged of each row."""
    output = tmp_path / f"log{repeat}"
    tool = Path(sys.executable).with_name("lm_eval")
    model = f"base_url={url}/chat/completions,model=told,num_concurrent=1,tokenizer_backend=none"
    words = [str(tool), "run", "--include_path", str(tmp_path / "tasks"), "--tasks", "mine"]
    words += ["--model", "local-chat-completions", "--model_args", model, "--apply_chat_template"]
    words += ["--log_samples", "--output_path", str(output)]
    env = {**os.environ, "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        words, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [samples] = output.rglob("samples_mine_*.jsonl")
    [results] = output.rglob("results_*.json")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    return rows, json.loads(results.read_text())["results"]["mine"]


def test_its_command_gives_our_rewards_row_by_row(script, serve, tmp_path):
    env = gym.make("Countdown-v0", preset="e2h", split="test")
    export(env, "lm-eval", 5, tmp_path / "tasks" / "mine.jsonl")
    answers = {}  # the first time right and wrong in turn, then hostile
    for place, (messages, right) in enumerate(script.values()):
        answers[messages[-1]["content"]] = [
            (right + " <answer>7</answer>", "no")[place % 2],
            HOSTILE,
        ]
    url = serve(answers)
    for repeat in range(2):
        rows, results = run(tmp_path, url, repeat)
        assert len(rows) == len(script) and {row["doc"]["problem"] for row in rows} <= set(script)
        levels = defaultdict(list)
        for row in rows:
            name, told = row["doc"]["problem"], answers[row["doc"]["prompt"]][repeat]
            asked = json.loads(row["arguments"]["gen_args_0"]["arg_0"][0])
            assert asked == script[name][0]
            text = told.partition("</answer>")
            [outcome] = named.score([name], [text[0] + text[1]], begun=False)
            assert row["reward"] == outcome.reward and row["correct"] == float(outcome.correct)
            assert row["formatted"] == float(outcome.formatted)
            levels[row["doc"]["level"]].append(row["reward"])
        assert all(len(found) == 5 for found in levels.values()) and len(levels) == 4
        for level in levels:
            right = [row["correct"] for row in rows if row["doc"]["level"] == level]
            assert results[f"level_{level},none"] == pytest.approx(sum(right) / 5)
        assert sum(row["correct"] for row in rows) == (10 if repeat == 0 else 0)
