"""A copy of the project in which an example commit can be tried."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "envs", "wrappers", "agents", "benchmarks", "cli", "tests")
PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # they take a quarter of the time
LARGE = ("__pycache__", "results", "plans", "*.safetensors", "*.png")  # and needed by no example


def copy_of_tree(tmp_path):
    """Copy the sources, link them as the package `edgewise`, and return where the copy is."""
    tree = tmp_path / "tree"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns(*LARGE))
    shutil.copy(ROOT / "pyproject.toml", tree)
    package = tree / "package" / "edgewise"
    package.mkdir(parents=True)
    for path in (tree / "core").iterdir():
        (package / path.name).symlink_to(path)
    for folder in FOLDERS[1:-1]:
        (package / folder).symlink_to(tree / folder)
    return tree


def apply(patch, tree):
    """Apply a commit to the copy, and return the paths of the files that it touches."""
    subprocess.run(["git", "apply", "--whitespace=error-all", patch], cwd=tree, check=True)
    return re.findall(r"^\+\+\+ b/(.*)$", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)


def run(tree, *arguments):
    """Run a module of Python in the copy, and return what it printed; it must succeed."""
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "package"), **PLAIN},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout
