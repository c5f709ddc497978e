"""Ctrl-C: acknowledged at once, a request at first, a stop the second time."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from edgewise.interrupts import SIGNALS, TOLD, Stopped, asked, held_back, repeatable, stoppable


def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_a_request_and_the_second_a_stop(number, capfd):
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(KeyboardInterrupt), stoppable():
        assert not asked()
        press(number)
        assert asked()
        press()
    assert capfd.readouterr().err == TOLD
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert not asked() and signal.set_wakeup_fd(-1) == -1


def test_nothing_is_said_without_a_request_or_where_another_process_says_it(capfd):
    with stoppable():
        pass
    with stoppable(quiet=True):
        press()
        assert asked()
    assert capfd.readouterr().err == ""


def test_a_request_is_said_where_a_display_shows_it(capfd):
    told = []
    with stoppable(say=told.append):
        press()
    assert told == [TOLD.rstrip()] and capfd.readouterr().err == ""


def test_a_request_stands_above_a_live_display():
    rich = pytest.importorskip("rich")
    from rich.console import Console
    from rich.live import Live

    from edgewise.agents.training.display import announcer

    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    assert announcer(Console(file=io.StringIO())) is None
    with Live("the table", console=console, refresh_per_second=100) as live:
        with stoppable(say=announcer(console)):
            press()
        live.refresh()
    shown = rich.text.Text.from_ansi(screen.getvalue()).plain
    assert shown.index(TOLD.rstrip()) < shown.rindex("the table")


def test_a_request_holds_in_a_block_within():
    with stoppable(quiet=True):
        press()
        with stoppable(quiet=True):
            assert asked()
        assert asked()


def test_other_threads_change_nothing():
    found = []

    def work():
        with stoppable():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_what_can_be_repeated_says_so(capfd):
    told = "the same command goes on"
    with pytest.raises(Stopped, match=f"^stopped; {told}$"), repeatable(told):
        press()
        press()
    with pytest.raises(Stopped, match=r"^$"), repeatable(quiet=True):
        raise Stopped("in the middle")
    with pytest.raises(ZeroDivisionError), repeatable():
        print(1 / 0)


def test_what_is_held_back_arrives_afterwards_whichever_thread_takes_it():
    others = [threading.Event() for _ in range(8)]
    threads = [threading.Thread(target=other.wait) for other in others]
    for thread in threads:
        thread.start()
    with stoppable(quiet=True):
        with held_back():
            press()
            for _ in range(50):
                time.sleep(0.001)
                assert not asked()
        for _ in range(1_000):
            if asked():
                break
            time.sleep(0.001)
        assert asked()
    for other, thread in zip(others, threads, strict=True):
        other.set()
        thread.join()


def test_a_request_is_acknowledged_in_the_middle_of_one_long_operation():
    code = (  # which no handler of Python's interrupts
        "import hashlib, sys\n"
        "from edgewise.interrupts import stoppable\n"
        "with stoppable():\n"
        "    print('begins', flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2_000_000)\n"
        "    sys.stderr.write('over')\n"
    )
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **piped) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == f"{TOLD}over"
