"""The script of docs/trl.md runs, with a model and a length that a test can afford."""

import os
import re
from pathlib import Path
from runpy import run_path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("datasets")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from edgewise.agents.training.run_folder import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore")  # of TRL and what it imports
PAGE = Path(__file__).parents[3] / "docs" / "trl.md"
SMALL = "max_steps=2, max_completion_length=8, use_cpu=True, bf16=False, report_to=[]"
CHANGES = {"max_steps=100": SMALL, "device_train_batch_size=64": "device_train_batch_size=16"}


def test_the_script_runs(tiny_model, tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    script = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    assert len([line for line in script.splitlines() if line]) <= 10
    changes = {**CHANGES, "runs/trl": str(tmp_path), "Qwen/Qwen2.5-1.5B": str(tiny_model)}
    for old, new in changes.items():
        assert script.count(old) == 1
        script = script.replace(old, new)
    path = tmp_path.with_suffix(".py")
    path.write_text(script)
    run_path(str(path))
    assert len(list(RunFolder(tmp_path).lines("groups.jsonl"))) == 2 * 2
