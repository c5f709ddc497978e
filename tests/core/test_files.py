"""A file is whole, or as it was."""

import gzip
import subprocess
import sys

import pytest

from edgewise.files import (
    FileError,
    read_json,
    read_jsonl,
    read_text,
    replacing,
    said,
    write_atomically,
)

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


def test_the_path_stands_first_when_a_file_cannot_be_written(tmp_path):
    for name in ("no/such/file.txt", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(OSError, match=r".") as told:
            write_atomically(tmp_path / name, "text")
        assert said(told.value).startswith(f"{tmp_path / name}: ")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_folder_takes_the_place_of_another_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model"
    for number in range(2):
        with replacing(path) as partial:
            partial.mkdir()
            (partial / f"{number}.txt").write_text("whole")
        assert [found.name for found in path.iterdir()] == [f"{number}.txt"]
    with pytest.raises(KeyError), replacing(path) as partial:
        partial.mkdir()
        (partial / "2.txt").write_text("cut o")
        raise KeyError
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["1.txt", "model"]


DAMAGED = {
    "empty": b"",
    "cut": b'{"a": [1, 2',
    "garbage": bytes(range(7, 256)),
    "no UTF-8": b'{"a": 1,\n "b": "\xff"}',
    "null": b"null",
    "list": b"[]",
    "text": b'"{}"',
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "digits": b'{"a": ' + b"9" * 10_000 + b"}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "NUL": b'{"a": 1}\0',
    "a key twice": b'{"a": 1, "b": {"c": 1, "c": 2}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_json_object_is_told_with_path_and_line(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=rf"^{path}:\d+: must be ") as told:
        read_json(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [c for c in DAMAGED.values() if c and b"\n" not in c])
def test_a_damaged_line_is_told_with_its_number(tmp_path, content):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + content + b"\n" + b'{"a": 2}\n')
    lines = read_jsonl(path)
    assert next(lines) == {"a": 1}
    with pytest.raises(FileError, match=rf"^{path}:3: must be "):
        next(lines)


def test_where_the_damage_begins_is_the_line(tmp_path):
    path = tmp_path / "config.json"
    for content, line in ((b'{\n"a": 1,\n"\xff"}', 3), (b'{\n"a" 1}', 2)):
        path.write_bytes(content)
        with pytest.raises(FileError, match=rf"^{path}:{line}: "):
            read_json(path)


def test_a_last_line_counts_unless_the_file_is_growing(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}')
    assert list(read_jsonl(path)) == [{"a": 1}]
    assert list(read_jsonl(path, growing=False)) == [{"a": 1}, {"a": 2}]
    path.write_bytes(b'{"a": 1}\n{"a')
    assert list(read_jsonl(path)) == [{"a": 1}]
    with pytest.raises(FileError, match=rf"^{path}:2: must be JSON, got Unterminated string"):
        list(read_jsonl(path, growing=False))
    for damaged in (b'{"a": \xff', b"\0\0\0", b"nonsense"):  # which no kill cuts off
        path.write_bytes(b'{"a": 1}\n' + damaged)
        with pytest.raises(FileError, match=rf"^{path}:2: must be "):
            list(read_jsonl(path))


def test_a_key_that_is_missing_is_named(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"step": 1}\n{"stap": 2}\n')
    with pytest.raises(FileError, match=rf"^{path}:2: must have 'step', got \['stap'\]"):
        list(read_jsonl(path, ("step",)))


def test_a_packed_file_is_read_and_told_where_it_is_cut(tmp_path):
    path = tmp_path / "lines.jsonl.gz"
    whole = gzip.compress(b'{"a": 1}\n' * 1_000 + b'{"b": "%s"}\n' % bytes(range(97, 120)))
    path.write_bytes(whole)
    assert len(list(read_jsonl(path))) == 1_001
    for content in (whole[: len(whole) // 2], whole[:-1], whole[:20] + b"\xff" * 20, b"no gzip"):
        path.write_bytes(content)
        with pytest.raises(FileError, match=f"^{path}: "):
            list(read_jsonl(path))


@pytest.mark.parametrize("read", [read_json, read_text, lambda path: list(read_jsonl(path))])
def test_what_cannot_be_opened_is_told_with_its_path(tmp_path, read):
    (tmp_path / "folder").mkdir()
    for name in ("missing", "folder"):
        with pytest.raises(FileError, match=f"^{tmp_path / name}: (No such|Is a directory)"):
            read(tmp_path / name)
