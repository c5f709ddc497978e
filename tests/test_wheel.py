"""The wheel, installed where nothing else of the project is, trains and evaluates."""

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
def test_the_wheel_trains_and_evaluates(tmp_path):
    pytest.importorskip("torch")
    ran(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.stat().st_size < 16_000_000
    venv.create(tmp_path / "venv", with_pip=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # its dependencies are those of this environment, which a .pth adds without its own .pth files
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = tmp_path / "venv" / "bin" / "python"
    ran(python, "-m", "pip", "install", "--no-deps", wheel, cwd=tmp_path)
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
    assert "report" in ran(edgewise, "train", *few, "--output", "run", cwd=tmp_path)
    plan = ["--plan.num-problems", "4", "--plan.k", "1", "--agent", "hf:run/model"]
    assert "Countdown-v0 3: pass@1" in ran(edgewise, "eval", *plan, cwd=tmp_path)
    suite = ["--suite", "sec", "--agent", "oracle", "--plan.num-problems", "2", "--output", "sec"]
    ran(edgewise, "eval", *suite, cwd=tmp_path)
    assert "Transcripts" in (tmp_path / "sec" / "report.html").read_text()
