"""Commands that are stopped: acknowledged, exit code 130, and what is done is kept; a closed pipe."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tyro")

from edgewise.benchmarks.simulation.compare import CellFile  # noqa: E402
from edgewise.benchmarks.workers import in_order  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.interrupts import GOES_ON, TOLD, Stopped, asked, stoppable  # noqa: E402

STOPPED = [TOLD.strip(), f"edgewise: stopped; {GOES_ON}"]
TRAIN = "train --preset sec --no-evaluate --max-tokens 12 --num-problems 4 --group-size 4"


def records(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def num_lines(path):
    return path.read_bytes().count(b"\n") if path.is_file() else 0


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_training_stops_after_its_step_and_goes_on_as_if_it_had_not(
    start, tiny_model, tmp_path, number
):
    words = f"{TRAIN} --agent hf:{tiny_model} --num-steps 5 --checkpoint-every 2 --output"
    after = tmp_path / "run" / "checkpoints" / "2"
    command = start(f"{words} {tmp_path / 'run'}", after=after)
    command.until(command.held.exists)
    command.press(number)
    command.go.touch()
    code, said = command.end()
    step = num_lines(tmp_path / "run" / "metrics.jsonl")
    told = f"stopped after step {step}; continue with: edgewise train --resume {tmp_path / 'run'}"
    assert code == 130 and said == [TOLD.strip(), f"edgewise: {told}"] and step == 3
    assert (tmp_path / "run" / "checkpoints" / str(step)).is_dir()
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert main(f"{words} {tmp_path / 'whole'}".split()) == 0
    for name in ("metrics.jsonl", "groups.jsonl"):
        assert records(tmp_path / "run" / name) == records(tmp_path / "whole" / name)
    weights = [tmp_path / run / "model" / "model.safetensors" for run in ("run", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
def test_a_closed_pipe_ends_the_output_and_not_the_run(start, tiny_model, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    words = f"{TRAIN} --agent hf:{tiny_model} --num-steps 12 --output {tmp_path / 'run'}"
    command = start(words, output=fifo)
    command.until(lambda: num_lines(tmp_path / "run" / "metrics.jsonl") >= 1)
    os.close(reader)
    assert command.end() == (0, [])
    assert num_lines(tmp_path / "run" / "metrics.jsonl") == 12
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


@pytest.mark.slow
def test_a_profile_stops_after_a_batch_and_goes_on(start, tiny_model, tmp_path):
    words = f"profile --agent hf:{tiny_model} --levels 1 --max-tokens 24 --plan.num-problems 320"
    command = start(words)
    command.until(lambda: num_lines(tmp_path / "profile.jsonl") >= 32)
    command.press(signal.SIGINT)
    code, said = command.end()
    done = num_lines(tmp_path / "profile.jsonl")
    assert code == 130 and said == STOPPED and done < 320 and done % 32 == 0
    assert main([*words.split(), "--output", str(tmp_path / "profile.jsonl")]) == 0
    assert main([*words.split(), "--output", str(tmp_path / "whole.jsonl")]) == 0
    texts = [(tmp_path / f"{name}.jsonl").read_text() for name in ("profile", "whole")]
    assert texts[0] == texts[1] and num_lines(tmp_path / "profile.jsonl") == 320


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True])
def test_a_comparison_stops_with_all_its_processes(start, tmp_path, group):
    words = "compare --worlds independent --curricula sec --output"
    command = start(f"{words} out --seeds 1000")
    table = tmp_path / "out" / "cells.csv"
    command.until(lambda: num_lines(table) >= 2)
    if group:
        children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children")
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGINT)  # as a terminal does
    command.press(signal.SIGINT)
    code, said = command.end()
    assert code == 130 and said == STOPPED and num_lines(table) < 1 + 2 * 1000
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    before = set(CellFile(tmp_path / "out", config).done.values())
    assert main([*words.split(), str(tmp_path / "out"), "--seeds", "5"]) == 0
    after = CellFile(tmp_path / "out", config).done
    assert before <= set(after.values()) and {cell.seed for cell in after} >= set(range(5))


def work(path, number):
    """Wait in steps until it is time to stop, and say so in a file."""
    (path / f"begun{number}").touch()
    while not asked():
        time.sleep(0.01)
    (path / f"kept{number}").touch()
    raise Stopped


def begun(path):
    """Ask this process to stop once two workers are at work."""
    while not all((path / f"begun{number}").exists() for number in (0, 1)):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_workers_come_to_the_end_of_their_steps_and_no_other_begins(tmp_path, capfd):
    threading.Thread(target=begun, args=[tmp_path], daemon=True).start()
    with stoppable(), pytest.raises(Stopped):
        list(in_order(work, [(tmp_path, number) for number in range(9)], 2))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["begun0", "begun1", "kept0", "kept1"]
    assert capfd.readouterr().err == TOLD


def dies(number):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_dies_is_told_in_one_line():
    with pytest.raises(ChildProcessError, match="a process died"):
        list(in_order(dies, [(0,), (1,)], 2))
