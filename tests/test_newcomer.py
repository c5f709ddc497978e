"""The first hour with a wheel, in a fresh environment and an empty home: every command says what it did."""

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVER = Path(__file__).parent / "benchmarks" / "evaluation" / "server.py"
SIZE = "--num-steps 6 --num-problems 2 --group-size 4 --levels 1 2 --eval-every 3 --max-tokens 32"
FEW = "--evaluation.num-problems 10 --evaluation.num-samples 2 --evaluation.k 1 --validation.num-problems 4"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
AT_MOST = 300  # seconds of a command

pytestmark = pytest.mark.slow


class Newcomer:
    """A person with an empty home, a folder to work in and an environment that has the wheel alone."""

    def __init__(self, path):
        self.home, self.work, self.bin = path / "home", path / "work", path / "venv" / "bin"
        for folder in (self.home, self.work):
            folder.mkdir()
        kept = {  # and where packages are installed from
            name: value
            for name, value in os.environ.items()
            if name in ("LANG", "TMPDIR") or name.startswith("PIP_")
        }
        places = {"HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}"}
        self.environment = {**kept, **places, "OMP_NUM_THREADS": "1", "COLUMNS": "80"}

    def start(self, line, **streams):
        """Begin a command, as typed."""
        words = shlex.split(line)
        return subprocess.Popen(words, cwd=self.work, env=self.environment, text=True, **streams)

    def types(self, line, code=0):
        """Run a command; return what it printed, once it has ended with `code`."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        with self.start(line, **pipes) as process:
            out, err = process.communicate(timeout=AT_MOST)
        assert process.returncode == code, f"{line}\n{out[-2000:]}\n{err[-2000:]}"
        assert "Traceback" not in err and "Warning" not in err, err
        return out if code == 0 else err


def run(*words, cwd):
    """Run a command that must succeed."""
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """Someone who has installed both wheels; what they depend on is that of this environment."""
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("newcomer")
    for folder in (ROOT, ROOT / "seedlings"):
        words = ("-m", "build", "--wheel", "--no-isolation", "--outdir", path / "dist", folder)
        run(sys.executable, *words, cwd=path)
    venv.create(path / "venv", with_pip=True)
    (site,) = (path / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    wheels = sorted((path / "dist").glob("*.whl"))
    run(path / "venv" / "bin" / "python", "-m", "pip", "install", "--no-deps", *wheels, cwd=path)
    return Newcomer(path)


@pytest.fixture(scope="module")
def packages(newcomer):
    """The same person, who has written and installed an environment and a rule."""
    for kind, name in (("env", "word-sums"), ("rule", "near-half")):
        said = newcomer.types(f"edgewise new {kind} {name}")
        assert f"pip install -e {name}" in said
        newcomer.types(f"pip install --quiet --disable-pip-version-check --no-deps -e {name}")
    return newcomer


@pytest.fixture(scope="module")
def trained(packages):
    """The same, who has trained on both, having stopped in the middle, and once more under Random."""
    line = f"edgewise train --env WordSums-v0 --curriculum near-half:rate=0.5 {SIZE} {FEW} --output runs/mine"
    log = packages.work / "err.txt"
    with log.open("w") as errors, packages.start(line, stdout=errors, stderr=errors) as process:
        metrics = packages.work / "runs" / "mine" / "metrics.jsonl"
        while not metrics.exists() or not metrics.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130, log.read_text()
    (again,) = re.findall(r"continue with: (edgewise train --resume .*)", log.read_text())
    said = packages.types(again)
    assert "step 6/6" in said and "model    runs/mine/model" in said
    assert "finished: all 6 steps are done" in packages.types(again)
    said = packages.types(
        f"edgewise train --env WordSums-v0 --curriculum random {SIZE} {FEW} --output runs/other"
    )
    assert "pass@1 before" in said and "report   runs/other/report.md" in said
    return packages


def until(terminal, mark, seen):
    """Read a terminal until `mark` is on it; return all that was read."""
    while mark not in seen:
        assert select.select([terminal], [], [], AT_MOST)[0], seen
        seen += os.read(terminal, 4096).decode()
    return seen


def played(newcomer, answer):
    """Play a problem in a terminal with one answer; return what was on it."""
    ours, theirs = pty.openpty()
    line = "edgewise play Countdown-v0 --preset seedling --level 1 --num-problems 1"
    with newcomer.start(line, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        until(ours, "> ", "")
        os.write(ours, f"{answer}\n".encode())
        seen = until(ours, "solved", "")
    os.close(ours)
    assert process.returncode == 0
    return COLOUR.sub("", seen)


def test_list_names_the_environments(newcomer):
    said = newcomer.types("edgewise list")
    assert "Countdown-v0" in said and max(map(len, said.splitlines())) <= 80
    assert "sec" in newcomer.types("edgewise list --curricula")
    assert "Train a model under a curriculum" in newcomer.types("edgewise --help")
    assert newcomer.types("edgewise --version").startswith("edgewise 0.")


def test_play_shows_a_solution_and_takes_it(newcomer):
    (solution,) = re.findall(r"solution: (\S.*?)\r?\n", played(newcomer, ""))
    seen = played(newcomer, solution)
    assert "right, reward 1" in seen and "1 solved" in seen
    assert "wrong" in played(newcomer, "1")


def test_an_environment_of_ones_own_passes_its_tests_and_the_contract(packages):
    said = packages.types("edgewise check WordSums-v0 --num-problems 20")
    assert "all checks hold" in said and "guess" in said
    assert "passed" in packages.types("python -m pytest -q -p no:cacheprovider word-sums near-half")
    assert "WordSums-v0" in packages.types("edgewise list")


def test_a_run_is_viewed_as_a_page_and_from_a_server(trained):
    assert "page page.html" in trained.types("edgewise view runs/mine --output page.html")
    page = (trained.work / "page.html").read_text(encoding="utf-8")
    assert "WordSums-v0" in page and "validation" in page and "http://" not in page
    with trained.start("edgewise view runs/mine", stdout=subprocess.PIPE) as process:
        url = process.stdout.readline().split()[0]
        assert urllib.request.urlopen(url, timeout=AT_MOST).read().decode() == page
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_the_run_is_compared_with_random(trained):
    said = trained.types("edgewise report runs/other runs/mine").splitlines()
    assert "| curriculum | random | near-half:rate=0.5 |" in said
    (row,) = [line for line in said if line.startswith("| WordSums-v0 1 ")]
    assert re.fullmatch(
        r"\| WordSums-v0 1 \| 10 \|( [\d.]+ \|){2} [-+\d., \[\]]+ \| [\d.]+ \|", row
    )


def test_a_push_shows_what_would_go(trained):
    said = trained.types("edgewise push runs/mine --dry-run")
    assert "`near-half:rate=0.5`" in said and "| model.safetensors |" in said
    assert "nothing was sent" in said and str(trained.work) not in said
    assert "hf auth login" in trained.types("edgewise push runs/mine --repo me/mine", code=2)


def test_a_server_of_ones_own_is_evaluated(trained):
    with trained.start(f"python {SERVER}", stdout=subprocess.PIPE, stdin=subprocess.PIPE) as server:
        server.stdin.write("[[]]\n")  # one server, without faults
        server.stdin.flush()
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1#mine"
        line = (
            f"edgewise eval --env WordSums-v0 --agent openai:{url} --levels 1 --plan.num-problems 3"
        )
        said = trained.types(f"{line} --output runs/served")
        assert "WordSums-v0 1: pass@1 0.000" in said and "runs/served" in said
        server.terminate()
    assert "pass@8" in trained.types("edgewise report runs/served")


def test_the_home_has_nothing_but_caches(trained):
    left = {path.name for path in trained.home.iterdir()}
    assert left <= {".cache", ".config", ".triton", ".rustup"}  # pip asks for the version of rustc
