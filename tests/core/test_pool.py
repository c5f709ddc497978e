"""Calls end within their limits, whatever happens to the workers."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgewise.pool import LOST, Pool, WorkerError, as_verdict

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    shutil.copy(Path(__file__).with_name("pool_calls.py"), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield "pool_calls:run"


@pytest.fixture(scope="module")
def pool(calls):
    with Pool(calls, num_workers=2, seconds=1.0) as made:
        yield made


@pytest.fixture(scope="module")
def single(calls):
    with Pool(calls, num_workers=1, seconds=60.0) as made:
        yield made


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_results_come_in_the_order_of_the_calls(pool):
    jobs = [("reverse", f"a{i}") for i in range(50)]
    assert pool.map(jobs) == [f"{i}"[::-1] + "a" for i in range(50)]


def test_any_text_goes_through(pool):
    texts = ["", "\n", "\ud800", "é\0", "🙂", "x" * 1_000_000]
    assert pool.map([("reverse", text) for text in texts]) == [text[::-1] for text in texts]


@pytest.mark.parametrize("kind", ["hang", "spin", "die", "half", "raise", "memory", "crash"])
def test_a_call_that_fails_gives_none_and_leaves_the_others_alone(pool, kind):
    jobs = [("reverse", kind), (kind, str(2**40)), ("reverse", kind * 2)]
    assert pool.map(jobs) == [kind[::-1], None, (kind * 2)[::-1]]


@pytest.mark.parametrize("number", FROM_OUTSIDE)
def test_a_call_whose_worker_is_killed_once_is_begun_anew(single, tmp_path, number):
    notes = tmp_path / "notes"
    single.submit([("hold", f"{notes}|a")])
    wait_for(notes, 1)
    before = single.pids
    os.kill(before[0], number)
    wait_for(notes, 2)
    assert single.pids != before and is_gone(before[0])
    release(notes)
    assert single.map([("hold", f"{notes}|a")]) == ["a"]


def test_a_call_whose_workers_are_killed_is_lost_and_not_kept(single, tmp_path):
    notes = tmp_path / "notes"
    job = ("hold", f"{notes}|a")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(single.map, [job])
        for count in (1, 2):
            wait_for(notes, count)
            os.kill(single.pids[0], signal.SIGTERM)
        assert asked.result() == [LOST]
        assert as_verdict(asked.result()[0]) is None
    release(notes)
    assert single.map([job]) == ["a"] and begun(notes) == ["a"] * 3


def test_a_crash_after_a_kill_says_nothing_of_the_call(pool, tmp_path):
    notes = tmp_path / "notes"
    assert pool.map([("mixed", f"{notes}|a"), ("reverse", "xyz")]) == [LOST, "zyx"]
    assert begun(notes) == ["a", "a"]


def test_workers_are_out_of_reach_of_signals_to_the_group(calls, tmp_path):
    notes = tmp_path / "notes"
    code = f"""
import os, signal, sys
from edgewise.pool import Pool
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
with Pool({calls!r}, num_workers=2, seconds=60.0) as pool:
    print(*pool.map([("hold", "{notes}|a"), ("hold", "{notes}|b")]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        text=True,
    )
    wait_for(notes, 2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.killpg(process.pid, number)
    release(notes)
    assert process.communicate(timeout=300)[0] == "a b\n"
    assert sorted(begun(notes)) == ["a", "b"]  # neither was begun twice


def test_a_worker_whose_memory_is_full_is_replaced(calls):
    with Pool(calls, num_workers=1, seconds=60.0, memory=2**28) as pool:
        assert pool.map([("hoard", "a"), ("use", str(2**25))]) == [None, str(2**25)]


def test_what_other_calls_left_in_the_memory_is_no_fault_of_a_call(calls):
    jobs = [("keep", str(3 * 2**27)), ("use", str(2**28))]
    with Pool(calls, num_workers=1, seconds=60.0, memory=2**29) as pool:
        assert pool.map(jobs) == ["kept", str(2**28)]


def test_what_keeps_a_worker_from_starting_is_told(calls):
    code = f"""
import resource
from edgewise.pool import Pool, WorkerError
with Pool({calls!r}, num_workers=1) as pool:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    for allowed in (3, 5):  # no descriptor for the line, then one for that but none for the process
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, limits[1]))
        try:
            pool.map([("reverse", "abc")])
        except WorkerError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    print(*pool.map([("reverse", "abc")]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    told = done.stdout.splitlines()
    assert len(told) == 3 and all("Too many open files" in line for line in told[:2])
    assert told[2] == "cba" and not done.stderr


def test_an_equal_call_is_not_made_again(pool, tmp_path):
    job = ("note", f"{tmp_path / 'notes'}|once")
    assert pool.map([job, job]) == pool.map([job, job]) == ["once"] * 2
    assert (tmp_path / "notes").read_text() == "once\n"


def test_a_function_that_cannot_be_imported_raises():
    with Pool("no_such_module:run", num_workers=1) as pool:
        for _ in range(2):
            with pytest.raises(WorkerError, match="No module named 'no_such_module'"):
                pool.map([("a",)])


def test_workers_killed_again_and_again_before_they_are_up_are_started_once_more(calls):
    with Pool(calls, num_workers=1) as pool, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(pool.map, [("reverse", "abc")])
        killed = set()
        while (
            len(killed) < 12 and not answer.done()
        ):  # more than the failures of its own that a worker may have
            for pid in set(pool.pids) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.001)
        assert answer.result() == ["cba"]


def test_a_worker_that_ends_before_it_is_up_is_told(tmp_path, monkeypatch):
    (tmp_path / "ends_at_once.py").write_text("import os; os._exit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    with (
        Pool("ends_at_once:run", num_workers=1) as pool,
        pytest.raises(WorkerError, match="ended 10 times before it was ready"),
    ):
        pool.map([("a",)])


def test_closing_ends_the_workers_and_refuses_calls(calls):
    pool = Pool(calls, num_workers=2)
    pool.map([("reverse", "a")])
    pids = pool.pids
    assert pids
    pool.close()
    pool.close()
    assert all(map(is_gone, pids))
    with pytest.raises(WorkerError, match="closed"):
        pool.map([("reverse", "a")])


def begun(notes):
    return notes.read_text().split() if notes.exists() else []


def release(notes):
    notes.with_suffix(".released").touch()


def wait_for(notes, count):
    """Wait until `count` calls have begun, on a slow machine too."""
    for _ in range(12_000):
        if len(begun(notes)) >= count:
            return
        time.sleep(0.01)
    pytest.fail(f"only {begun(notes)} have begun")


def test_a_submitted_call_begins_at_once_and_is_made_once(single, tmp_path):
    notes = tmp_path / "notes"
    jobs = [("note", f"{notes}|{line}") for line in "abc"]
    single.submit(jobs[:2])
    wait_for(notes, 2)
    single.submit(jobs)
    assert single.map(jobs + jobs) == [*"abcabc"]
    single.submit(jobs)
    assert single.map(jobs) == [*"abc"]
    assert begun(notes) == [*"abc"]


def test_calls_under_way_are_joined_by_all_that_ask_for_them(single, tmp_path):
    notes = tmp_path / "notes"
    job = ("hold", f"{notes}|a")
    single.submit([job])
    wait_for(notes, 1)
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(single.map, [job]) for _ in range(3)]
        single.submit([job])
        release(notes)
        assert [future.result() for future in asked] == [["a"]] * 3
    assert begun(notes) == ["a"]


def test_a_worker_killed_at_a_submitted_call_is_replaced_by_one_that_begins_it_anew(
    single, tmp_path
):
    notes = tmp_path / "notes"
    jobs = [("hold", f"{notes}|a"), ("note", f"{notes}|b"), ("reverse", "killed")]
    single.submit(jobs)
    wait_for(notes, 1)
    os.kill(single.pids[0], signal.SIGKILL)
    release(notes)
    assert single.map(jobs) == ["a", "b", "dellik"]
    assert begun(notes) == ["a", "a", "b"]


def test_submitted_calls_that_the_next_map_does_not_ask_for_are_dropped(single, tmp_path):
    notes = tmp_path / "notes"
    jobs = [("hold", f"{notes}|a"), *(("note", f"{notes}|{line}") for line in "bcd")]
    single.submit(jobs[:3])
    wait_for(notes, 1)
    assert single.map([]) == []
    release(notes)
    assert single.map([jobs[3]]) == ["d"]
    assert begun(notes) == ["a", "d"]
    assert single.map(jobs) == [*"abcd"]  # what is dropped may be asked for all the same
    assert begun(notes) == [*"adbc"]


def test_closing_drops_submitted_calls(calls, tmp_path):
    notes = tmp_path / "notes"
    pool = Pool(calls, num_workers=1, seconds=60.0)
    pool.submit([("hold", f"{notes}|a"), ("note", f"{notes}|b")])
    wait_for(notes, 1)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(pool.close)
        with pytest.raises(WorkerError, match="closed"):
            while True:  # until it has come so far
                pool.submit([])
        release(notes)
    assert begun(notes) == ["a"]


def test_no_more_calls_are_submitted_than_results_are_kept(calls, tmp_path):
    notes = tmp_path / "notes"
    jobs = [("note", f"{notes}|{line}") for line in "abcdef"]
    with Pool(calls, num_workers=1, cache_size=2) as pool:
        for job in jobs:
            pool.submit([job])
        assert pool.map([("reverse", "abc"), *jobs[:2]])[0] == "cba"
        assert begun(notes) == ["a", "b"]
        assert pool.map(jobs) == [*"abcdef"]


def test_a_submitted_call_that_no_worker_can_take_raises_when_it_is_asked_for():
    with Pool("no_such_module:run", num_workers=1) as pool:
        pool.submit([("a",)])
        with pytest.raises(WorkerError, match="No module named 'no_such_module'"):
            pool.map([("a",)])


def test_no_worker_outlives_the_process_that_made_it(calls, tmp_path):
    child = os.fork()
    if child == 0:
        with Pool(calls, num_workers=1) as pool:
            pool.map([("reverse", "a")])
            (tmp_path / "pids").write_text(str(pool.pids[0]))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    orphan = int((tmp_path / "pids").read_text())
    for _ in range(100):
        if is_gone(orphan) or Path(f"/proc/{orphan}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the worker is still there")


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_workers_killed_at_random_lose_no_answer(calls, tmp_path, kills):
    notes, done, killed = tmp_path / "notes", threading.Event(), []
    rng = random.Random(0)
    with Pool(calls, num_workers=2) as pool:

        def kill():
            told = 0
            while len(killed) < kills:
                time.sleep(rng.random() * 0.6)
                while (size := notes.stat().st_size if notes.exists() else 0) == told:
                    time.sleep(0.01)  # until the pool, on a slow machine, is at work again
                told = size
                if pids := pool.pids:
                    killed.append(rng.choice(pids))
                    try:
                        os.kill(killed[-1], rng.choice(FROM_OUTSIDE))
                    except ProcessLookupError:
                        killed.pop()
            done.set()

        def load(place):
            results, lines = [], []
            while not done.is_set():
                chunk = [f"{place}-{len(lines) + i}" for i in range(20)]
                results += pool.map([("note", f"{notes}|{line}") for line in chunk])
                lines += chunk
            return lines, results

        with ThreadPoolExecutor(4) as threads:
            loads = [threads.submit(load, place) for place in range(4)]
            kill()
            answers = [pair for run in loads for pair in zip(*run.result(), strict=True)]
        pids = set(pool.pids) | set(killed)
    assert {result for line, result in answers if result != line} <= {LOST}
    assert sum(result is LOST for _, result in answers) <= kills / 2  # of two deaths each
    begun = notes.read_text().splitlines()
    assert len(begun) - len(set(begun)) <= kills
    assert set(begun) >= {line for line, result in answers if result is not LOST}
    assert all(map(is_gone, pids))
