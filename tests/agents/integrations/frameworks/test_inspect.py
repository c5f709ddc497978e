"""Inspect's own command on our suites: the same test sets, and verdicts that are ours."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai")

from edgewise.agents.integrations import named
from edgewise.benchmarks.evaluation import checksum, open_part
from edgewise.benchmarks.evaluation.inspect_tasks import e2h, problems, sec
from edgewise.benchmarks.evaluation.suite import SUITES

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]


def test_the_test_sets_are_those_of_our_own_evaluation():
    for make, suite in ((sec, "sec"), (e2h, "e2h")):
        task = make(num_problems=5)
        for part in SUITES[suite]:
            if part.name in task.metadata["checksums"]:
                opened = open_part(part, 5)
                assert task.metadata["checksums"][part.name] == checksum(opened.questions)
        assert f"{suite}/Countdown-v0" in task.metadata["checksums"]
        assert task.epochs == SUITES[suite][0].protocol.num_samples


def test_turns_are_refused():
    with pytest.raises(ValueError, match="must have one turn"):
        problems("Blocksworld-v0", env_options='{"interactive": true}', num_problems=1)


def test_its_command_gives_our_rewards_row_by_row(script, serve, tmp_path):
    wrong = "\\boxed{1}\\boxed{2} <answer>1</answer>"
    answers = {messages[-1]["content"]: [right, "no", wrong] for messages, right in script.values()}
    url = serve(answers)
    words = ["eval", "edgewise/problems", "-T", "preset=e2h", "-T", "num_problems=5"]
    words += ["--model", "openai-api/told/model", "--epochs", "3", "--log-format", "json"]
    words += ["--log-dir", str(tmp_path / "logs"), "--display", "plain", "--max-connections", "1"]
    code = "from inspect_ai._cli.main import main; main()"
    env = {**os.environ, "TOLD_BASE_URL": url, "TOLD_API_KEY": "none", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code, *words], env=env, cwd=tmp_path, timeout=300)
    assert done.returncode == 0
    log = json.loads(next(Path(tmp_path / "logs").glob("*.json")).read_text())
    assert log["status"] == "success"
    rows = defaultdict(list)
    for sample in log["samples"]:
        score = sample["scores"]["verified"]
        rows[sample["metadata"]["problem"]].append((score["value"], score["metadata"]["reward"]))
    for name, (messages, _) in script.items():
        outcomes = named.score([name] * 3, answers[messages[-1]["content"]], begun=False)
        assert [outcome.correct for outcome in outcomes] == [True, False, False]
        assert sorted(rows[name]) == sorted((float(one.correct), one.reward) for one in outcomes)
    assert len(script) == 20
    metrics = log["results"]["scores"][0]["metrics"]
    assert {"Countdown-v0 1", "Countdown-v0 2"} <= set(metrics)
