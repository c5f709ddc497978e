"""Damage of any file that a manifest names is found, and named."""

import json

import numpy as np
import pytest

from edgewise.files import FileError
from edgewise.manifest import MANIFEST, check_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "a.bin").write_bytes(np.random.default_rng(0).bytes(5_000))
    (tmp_path / "model" / "b.json").write_text('{"b": 1}')
    (tmp_path / "empty").touch()
    write_manifest(tmp_path)
    return tmp_path


def test_the_sizes_and_checksums_are_those_of_the_files(folder):
    files = json.loads((folder / MANIFEST).read_text())["files"]
    assert list(files) == ["a.bin", "empty", "model/b.json"]
    assert [told["size"] for told in files.values()] == [5_000, 0, 8]
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256sum of it
    assert files["empty"]["sha256"] == nothing
    check_manifest(folder)
    (folder / "another").touch()
    check_manifest(folder)


@pytest.mark.parametrize("name", ["a.bin", "model/b.json", "empty"])
def test_any_changed_byte_and_any_other_length_are_found(folder, name):
    path = folder / name
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    changed = [whole + b"\n", *([whole[:-1]] if whole else [])]
    for place in rng.integers(len(whole), size=20) if whole else ():
        changed.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for content in changed:
        path.write_bytes(content)
        with pytest.raises(FileError, match=f"^{path}: must (have|be as)"):
            check_manifest(folder)
    path.unlink()
    with pytest.raises(FileError, match=f"^{path}: No such file"):
        check_manifest(folder)
    path.mkdir()
    with pytest.raises(FileError, match=f"^{path}: "):
        check_manifest(folder)


@pytest.mark.parametrize(
    "content",
    [
        "", "null", "[]", "{}", '{"files": []}', '{"files": {}}', '{"files": {"a.bin": 1}}',
        '{"files": {"a.bin": {"size": 5000}}}', '{"files": {"../a.bin": {"size": 1, "sha256": ""}}}',
        '{"files": {"/dev/zero": {"size": 0, "sha256": ""}}}',
        '{"files": {"a\\u0000": {"size": 0, "sha256": ""}}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_named(folder, content):
    (folder / MANIFEST).write_text(content)
    with pytest.raises(FileError, match=f"^{folder / MANIFEST}:"):
        check_manifest(folder)


def test_a_folder_of_another_run_is_refused_and_one_that_tells_none_is_not(folder):
    check_manifest(folder, "a")
    write_manifest(folder, "a")
    check_manifest(folder, "a")
    check_manifest(folder)
    with pytest.raises(FileError, match=f"^{folder}: must be of this run, got that of another"):
        check_manifest(folder, "b")
