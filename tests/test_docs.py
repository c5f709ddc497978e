"""What the pages say can be done: their Python runs, their commands parse, their links lead somewhere."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")
GENERATED = ("gallery.md", "reference/")  # pages that only the site has
OPEN = re.compile(r" \.\.\.| my_\w+:|FIRST:")  # flags left out, or code or a machine not here
ON_GPUS = {"trl.md": "trl"}  # Python that needs a GPU and a model of the hub, and what it imports
BEGUN = {"soar.md", "CONTRIBUTING.md"}  # Python that goes on from files that are not here

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the pages are not here")


def commands(text):
    """Every line of a block that begins with `edgewise` and is whole, without its comment."""
    for language, block in BLOCK.findall(text):
        if not language:
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("edgewise ") and not OPEN.search(line):
                    yield shlex.split(line, comments=True)[1:]


LINES = [
    pytest.param(words, id=f"{page.name}-{' '.join(words)[:60]}")
    for page in PAGES
    for words in commands(page.read_text(encoding="utf-8"))
]


def begun(words, folder):
    """The words with a run of the command's kind in place of the one that they go on with."""
    if "--resume" not in words:
        return words
    sign = {"train": "arms", "soar": "game", "trl": "trl", "verl": "verl"}[words[0]]
    (folder / "config.json").write_text(json.dumps({sign: []}))
    place = words.index("--resume") + 1
    return [*words[:place], str(folder), *words[place + 1 :]]


@pytest.mark.parametrize("words", LINES)
def test_every_command_is_one_that_its_flags_are_read_for(words, monkeypatch, tmp_path):
    pytest.importorskip("tyro")
    from edgewise.cli.main import COMMANDS
    from edgewise.cli.parse import configure
    from edgewise.errors import UsageError

    monkeypatch.chdir(ROOT)  # where recipes and plans are
    command, *rest = begun(words, tmp_path)
    try:
        configure(command, COMMANDS[command][1], rest)
    except (OSError, UsageError) as error:  # flags are read first, then it is seen what is there
        missing = [word for word in rest if word in str(error) and not Path(word).exists()]
        assert missing or "pass `data`" in str(error), error


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_files_lead_to_files(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        known = page.parent.name == "docs" and target.startswith(GENERATED)
        assert known or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    blocks = [block for language, block in BLOCK.findall(page.read_text()) if language == "python"]
    if not blocks or page.name in BEGUN:
        pytest.skip("no Python that runs by itself")
    monkeypatch.chdir(tmp_path)
    names = {}
    if page.name in ON_GPUS:
        pytest.importorskip(ON_GPUS[page.name])
        blocks = imports(blocks)
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


def imports(blocks):
    """What of blocks of Python imports something."""
    nodes = [node for block in blocks for node in ast.parse(block).body]
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_messages_that_are_explained_are_messages():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| `(.+?)` \|", page, flags=re.MULTILINE)
    folders = ("core", "envs", "wrappers", "agents", "benchmarks", "cli")
    source = " ".join(
        path.read_text(encoding="utf-8") for f in folders for path in (ROOT / f).rglob("*.py")
    )
    assert len(said) > 5 and [text for text in said if text not in source] == []
