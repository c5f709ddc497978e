"""Keys that are pressed while a command works, in a terminal of the test's own."""

import os
import signal
import subprocess
import sys

import pytest

termios = pytest.importorskip("termios")

CHILD = """
import os, sys, threading
terminal = os.open(sys.argv[1], os.O_RDWR)  # becomes that of this session
os.dup2(terminal, 0)
from edgewise.agents.training.display import pressed
done = threading.Event()
if sys.argv[2] == "background" and (job := os.fork()):
    sys.exit(os.WIFSTOPPED(os.waitpid(job, os.WUNTRACED)[1]))
if sys.argv[2] == "background":
    os.setpgid(0, 0)
    done.set()

def press(key):
    print("key", repr(key), flush=True)
    if key == "q":
        done.set()

with pressed(press):
    print("ready", flush=True)
    done.wait()
    if sys.argv[2] == "error":
        raise SystemExit("failed")
"""


def modes(terminal):
    """Whether a terminal waits for whole lines, and whether it shows what is typed."""
    flags = termios.tcgetattr(terminal)[3]
    return bool(flags & termios.ICANON), bool(flags & termios.ECHO)


@pytest.fixture
def terminal():
    """Both ends of a new terminal; the second is the one that a program sees."""
    ends = os.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("end", ["end", pytest.param("error", marks=pytest.mark.slow), "interrupt"])
def test_a_key_is_heard_at_once_and_the_terminal_is_as_before_afterwards(terminal, end):
    keyboard, screen = terminal
    before = modes(screen)
    assert before == (True, True)
    command = [sys.executable, "-c", CHILD, os.ttyname(screen), end]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, text=True,
    ) as child:  # fmt: skip
        assert child.stdout.readline() == "ready\n"
        assert modes(screen) == (False, False)
        os.write(keyboard, b"s")
        assert child.stdout.readline() == "key 's'\n"
        if end == "interrupt":
            child.send_signal(signal.SIGINT)
        else:
            os.write(keyboard, b"q")
        child.communicate(timeout=60)
    assert child.returncode == {"end": 0, "error": 1, "interrupt": -signal.SIGINT}[end]
    assert modes(screen) == before


def test_a_job_in_the_background_leaves_the_terminal_alone_and_is_not_stopped(terminal):
    keyboard, screen = terminal
    os.write(keyboard, b"sss\n")  # for the job that has the terminal
    command = [sys.executable, "-c", CHILD, os.ttyname(screen), "background"]
    found = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, "ready\n") and modes(screen) == (True, True)


def test_without_a_terminal_nothing_happens():
    code = "from edgewise.agents.training.display import pressed\nwith pressed(print): print('ran')"
    for stdin in (subprocess.DEVNULL, subprocess.PIPE):
        found = subprocess.run(
            [sys.executable, "-c", code], stdin=stdin, capture_output=True, text=True, check=True
        )
        assert found.stdout == "ran\n" and found.stderr == ""


@pytest.mark.slow
def test_a_run_shows_its_samples_when_it_is_asked_and_leaves_the_terminal_as_it_was(
    terminal, tmp_path
):
    pytest.importorskip("torch")
    keyboard, screen = terminal
    before, path = modes(screen), tmp_path / "run"
    child = f"""
import os, sys
terminal = os.open({os.ttyname(screen)!r}, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(terminal, number)
from edgewise.cli import main
sys.exit(main(sys.argv[1:]))
"""
    flags = ["--num-steps", "500", "--num-problems", "2", "--group-size", "4", "--no-evaluate"]
    command = [sys.executable, "-c", child, "train", *flags, "--output", str(path)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
    ) as run:
        read_until(keyboard, "s: show samples")
        assert modes(screen) == (False, False)
        os.write(keyboard, b"s")
        read_until(keyboard, "s: hide samples")
        os.write(keyboard, b"\x03")  # Ctrl-C still is what it was
        read_until(keyboard, "continue with")
        run.wait(timeout=120)
    assert run.returncode == 130 and modes(screen) == before


def read_until(terminal, text):
    """Read what a program writes on its terminal until it has written a text."""
    found = ""
    while text not in found:
        found += os.read(terminal, 4096).decode("utf-8", "replace")
