"""The page of a run, a game or a comparison needs no other file, and what is in the folder stays text."""

import importlib.util
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.pages import charts
from edgewise.benchmarks.pages.charts import Dot, Line, chart
from edgewise.benchmarks.pages.run_page import latest
from edgewise.benchmarks.view import view
from edgewise.cli import main
from edgewise.files import FileError

spec = importlib.util.spec_from_file_location("folders", Path(__file__).with_name("runs.py"))
folders = importlib.util.module_from_spec(spec)
spec.loader.exec_module(folders)
KINDS = [folders.run, folders.game, folders.comparison]


class Elements(HTMLParser):
    """The elements of a page, what they point to, and the text of scripts and of all else."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self.links, self.text = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags[-1:] == ["script"]:
            self.scripts[-1] += data
        else:
            self.text += data


@pytest.mark.parametrize("make", KINDS)
def test_hostile_text_stays_text_and_nothing_is_asked_for(make, tmp_path):
    page = view(make(tmp_path / "folder"))
    found = Elements(page)
    assert not {"iframe", "b", "a"} & set(found.tags)
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert found.tags.count("script") in (0, 2) and "window.hacked" not in "".join(
        found.scripts[1:]
    )
    assert "c2VjcmV0" not in page  # the picture of another folder
    assert not re.search(r"url\(|@import", page.split("<script")[0])


def test_the_page_of_a_run_has_curves_arms_scores_and_samples(tmp_path):
    page = view(folders.run(tmp_path / "run"))
    found = Elements(page)
    assert "Countdown-v0, sec, grpo, seed 3" in found.text and "step 12 of 20" in found.text
    assert "1,800 tokens sampled in 6 s" in found.text  # 12 (100 + 50), 12 of half a second
    assert "reward rises while accuracy does not: reward 0.150 to 0.500" in found.text
    assert "0.500 [0.500, 0.500]" not in found.text  # the accuracy of 12 halves is not that sure
    assert "0.250 [0.150, 0.350]" in found.text  # before training
    for name in ("reward", "accuracy of each arm", "probability of each arm", "validation pass@1"):
        assert page.count(f'aria-label="{name}"') == 2  # over steps and over tokens
    problems = json.loads(found.scripts[0])
    assert len(problems) == 24  # two of each step: the first has two completions
    first = problems[0]
    assert (first["step"], first["part"], first["level"]) == (12, "level 1", 1)
    assert [(one["correct"], one["completion"]) for one in first["answers"]] == [
        (True, r"\boxed{2}"), (False, r"\boxed{3}"),
    ]  # fmt: skip
    assert problems[1]["answers"][0]["completion"] == folders.HOSTILE
    assert '<option value="12" selected>' in page


def test_of_a_rule_over_problems_the_levels_are_the_arms(tmp_path):
    config = {**folders.CONFIG, "arms": ["Countdown-v0 level 1", "Countdown-v0 level 2"]}
    problem = folders.sample(1, 1, 0, "right", "2")["problem"]
    group = {"step": 1, "arm": 371, "problem": problem, "correct": [True, True]}
    samples = [{**folders.sample(1, 1, 0, "right", "2"), "arm": None}]
    samples += [{**folders.sample(1, 7, 1, "right", "2"), "arm": None}]  # of a level that is no arm
    path = folders.write(
        tmp_path / "run", config, metrics=[folders.metric(1)], groups=[group], samples=samples
    )
    page = view(path)
    assert "Countdown-v0 level 2, 1: 1 [" in page  # over steps
    assert "Countdown-v0 level 2, 150: 1 [" in page  # over tokens
    parts = [one["part"] for one in json.loads(Elements(page).scripts[0])]
    assert sorted(parts) == ["Countdown-v0 level 2", "no arm"]


def test_a_run_that_has_only_begun_and_one_that_is_being_written_have_a_page(tmp_path):
    path = folders.write(tmp_path / "run", folders.CONFIG)
    assert "No step is done yet." in view(path)
    (path / "metrics.jsonl").write_text(json.dumps(folders.metric(1)) + '\n{"step": 2, "rew')
    assert "step 1 of 20" in view(path)


def test_the_page_of_a_game_has_its_problems(tmp_path):
    found = Elements(view(folders.game(tmp_path / "game")))
    assert "outer step 1 of 3" in found.text and "promotions after outer steps 1" in found.text
    questions = [problem["prompt"] for problem in json.loads(found.scripts[0])]
    assert questions == ["9+6", folders.HOSTILE]


def test_the_page_of_a_comparison_has_its_tables_and_pictures(tmp_path):
    page = view(folders.comparison(tmp_path / "compare"))
    found = Elements(page)
    assert "<td>sec</td>" in page and "<title>Two rules</title>" in page
    assert found.tags.count("img") == 1 and "[here](http://example.com)" in found.text


def test_of_too_many_samples_the_last_are_taken():
    problems = [{"prompt": "x" * 100, "answers": [], "number": number} for number in range(9)]
    assert [one["number"] for one in latest(problems, budget=760)] == [0, 1, 2]
    assert len(latest(problems, budget=0)) == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path, "must be the folder of a run, an evaluation or a comparison, got no such"),
        (lambda path: path.mkdir(), "got none of these"),
        (lambda path: path.write_text("x"), "got a file"),
        (lambda path: folders.write(path, {"num_arms": 3}), "report.md: is not written yet"),
        (lambda path: folders.write(path, {"model_type": "qwen2"}), "got a model; that is read by"),
        (lambda path: folders.write(path, folders.CONFIG, metrics=[{"reward": 1}]), "must have 'step'"),
        (lambda path: folders.write(path, folders.CONFIG, metrics=[{"step": "x"}]), "`step` must be"),
        (lambda path: folders.write(path, folders.CONFIG, samples=[{"step": 1}]), "must have 'place'"),
    ],
)  # fmt: skip
def test_what_has_no_page_is_told_in_one_line(make, said, tmp_path, capsys):
    make(tmp_path / "one")
    assert main(["view", str(tmp_path / "one"), "--output", str(tmp_path / "page.html")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error and str(tmp_path / "one") in error
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["metrics", "groups", "samples", "validation"])
@pytest.mark.parametrize("value", [None, "x", [], {}, True, -1, float("nan"), 10**400])
def test_a_damaged_value_is_drawn_as_nothing_or_told(name, value, tmp_path):
    path = folders.run(tmp_path / "run", num_steps=2)
    file = path / f"{name}.jsonl"
    *rest, last = map(json.loads, file.read_text().splitlines())
    for key in last:
        file.write_text("".join(json.dumps(row) + "\n" for row in [*rest, {**last, key: value}]))
        try:
            assert view(path).startswith("<!DOCTYPE html>")
        except FileError as error:
            assert str(error).startswith(str(file))


def test_a_page_is_written_whole_by_the_command_without_torch(tmp_path):
    path, page = folders.run(tmp_path / "run"), tmp_path / "page.html"
    code = (
        "import sys; from edgewise.cli import main; code = main(sys.argv[1:])\n"
        "sys.exit(code or len({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "view", str(path), "--output", str(page)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == f"page {page}\n" and page.read_text().endswith("</html>\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "0"], "`port` must be from 1 to 65535, got 0"),
        (["--port", "80", "--output", "x"], "`port` must be left out with `output`"),
    ],
)
def test_flags_are_checked(flags, said, capsys):
    assert main(["view", "run", *flags]) == 2
    assert said in capsys.readouterr().err


def test_fifty_curves_are_all_told_apart():
    dots = (Dot(1, 0.5), Dot(2, 0.6))
    drawn = chart("accuracy", [Line(f"arm {n}", dots) for n in range(50)], "step")
    styles = re.findall(r'<g class="([^"]*)">', drawn)
    assert len({*styles}) == 50 and re.findall(r'<li class="([^"]*)">', drawn) == styles
    css = Path(charts.__file__).with_name("page.css").read_text(encoding="utf-8")
    names = {name for style in styles for name in style.split()}
    assert all(re.search(rf"\.{name}\b", css) for name in names)
    assert {place for place, style in enumerate(styles) if " d" in style} == {*range(10, 50)}


@pytest.mark.parametrize(("num_lines", "num_bands"), [(6, 6), (7, 0)])
def test_intervals_of_many_curves_do_not_hide_them_and_steps_are_whole(num_lines, num_bands):
    dots = tuple(Dot(x, 1.0, 0.2, 1.0) for x in (1, 2, 3))
    drawn = chart("accuracy", [Line(f"level {n}", dots) for n in range(num_lines)], "step")
    assert drawn.count('class="band"') == num_bands and drawn.count('class="line"') == num_lines
    assert "level 1, 2: 1 [0.2, 1]" in drawn and ">1.2<" not in drawn and ">2</text>" in drawn
