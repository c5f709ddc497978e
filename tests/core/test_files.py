"""A file is whole, or as it was."""

import subprocess
import sys

from edgewise.files import write_atomically

WRITE = """
import resource, sys
from pathlib import Path
from edgewise.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
write_atomically(Path(sys.argv[1]), "b" * 10_000)
"""


def test_a_file_is_written_or_written_again(tmp_path):
    for text in ("é\n", "shorter", ""):
        write_atomically(tmp_path / "file.txt", text)
        assert (tmp_path / "file.txt").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, "a" * 500)
    command = [sys.executable, "-c", WRITE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "OSError" in done.stderr and path.read_text() == "a" * 500
