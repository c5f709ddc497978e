"""A pipe that nobody reads any more ends the output, and nothing else."""

import io
import os
import subprocess
import sys

import pytest

from edgewise.output import Output, closed_pipes


def test_a_file_goes_on_in_silence_when_its_reader_has_gone():
    reader, writer = os.pipe()
    with Output(writer, "w") as file:
        assert file.write(b"one") == 3 and os.read(reader, 10) == b"one"
        os.close(reader)
        assert file.write(b"two") == 3 and file.write(b"three") == 5


def test_another_fault_of_a_file_is_told(tmp_path):
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space"):
        Output(full.fileno(), "w", closefd=False).write(b"one")


def test_streams_that_someone_put_there_stay(monkeypatch):
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    with closed_pipes():
        assert sys.stdout is mine
        print("heard")
    assert mine.getvalue() == "heard\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_goes_on_to_its_end_and_succeeds(stream, tmp_path):
    code = (
        "import pathlib, sys\n"
        "from importlib import import_module; cli = import_module('edgewise.cli.main')\n"
        "def run(_):\n"
        f"    for number in range(50_000): print(number, file=sys.{stream})\n"
        "    pathlib.Path('made').write_text('whole')\n"
        "cli.execute = run\n"
        "sys.exit(cli.main(['list']))\n"
    )
    pipe = {stream: subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, **pipe) as process:
        read = getattr(process, stream)
        assert read.readline() == b"0\n"
        read.close()
    assert process.returncode == 0 and (tmp_path / "made").read_text() == "whole"
