"""The environment that CONTRIBUTING.md adds passes the contract tests, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks():
    """The Python blocks of CONTRIBUTING.md: the file, and the line that registers it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def copy_project(path):
    """Lay the package out as an installation has it, with the tests beside it."""
    shutil.copytree(ROOT / "core", path / "edgewise")
    for folder in ("envs", "wrappers", "agents", "benchmarks", "cli"):
        shutil.copytree(ROOT / folder, path / "edgewise" / folder)
    shutil.copytree(ROOT / "tests" / "envs", path / "tests" / "envs")
    shutil.copy(ROOT / "pyproject.toml", path)


def test_the_worked_example_passes_the_contract_tests(tmp_path):
    copy_project(tmp_path)
    module, line = blocks()
    (tmp_path / "edgewise" / "envs" / "addition.py").write_text(module)
    with (tmp_path / "edgewise" / "envs" / "__init__.py").open("a") as file:
        file.write(line)
    contract = ["tests/envs/test_contract.py", "-k", "Addition", "-q"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *contract],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 20
