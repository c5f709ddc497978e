"""The wheels, installed where nothing else of the project is, train and evaluate."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def ran(*command, cwd):
    """The output of a command that must succeed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheels_train_and_evaluate(tmp_path):
    pytest.importorskip("torch")
    dist = tmp_path / "dist"
    for folder in (ROOT, ROOT / "seedlings"):
        ran(sys.executable, "-m", "build", "--outdir", dist, cwd=folder)
    (base,), (models,) = dist.glob("edgewise-*.whl"), dist.glob("edgewise_seedlings-*.whl")
    assert base.stat().st_size < 1_000_000 and models.stat().st_size < 10_000_000
    assert all(path.stat().st_size < 10_000_000 for path in dist.glob("*.tar.gz"))
    venv.create(tmp_path / "venv", with_pip=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # its dependencies are those of this environment, which a .pth adds without its own .pth files
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = tmp_path / "venv" / "bin" / "python"
    ran(python, "-m", "pip", "install", "--no-deps", base, cwd=tmp_path)
    where = ran(python, "-c", "import edgewise; print(edgewise.__file__)", cwd=tmp_path)
    assert where.startswith(str(site))
    few = [
        "--evaluation.num-problems",
        "4",
        "--evaluation.k",
        "1",
        "--num-steps",
        "2",
        "--num-problems",
        "4",
    ]
    edgewise = tmp_path / "venv" / "bin" / "edgewise"
    refused = subprocess.run([edgewise, "train"], cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "pip install 'edgewise[train]'" in refused.stderr
    ran(python, "-m", "pip", "install", "--no-deps", models, cwd=tmp_path)
    assert "report" in ran(edgewise, "train", *few, "--output", "run", cwd=tmp_path)
    plan = ["--plan.num-problems", "4", "--samples", "1", "--agent", "hf:run/model"]
    assert "Countdown-v0 3: pass@1" in ran(edgewise, "eval", *plan, cwd=tmp_path)
    suite = ["--suite", "sec", "--agent", "oracle", "--plan.num-problems", "2", "--output", "sec"]
    ran(edgewise, "eval", *suite, cwd=tmp_path)
    assert "Transcripts" in (tmp_path / "sec" / "report.html").read_text()
