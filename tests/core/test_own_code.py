"""Code of the user's own: what names it, what imports it, and how its faults are told."""

import json
import sys

import gymnasium as gym
import pytest

import edgewise
from edgewise.errors import UsageError
from edgewise.own_code import check_imported, import_again, import_typed, typed
from edgewise.registration import check_id, env_ids, spec_of, task_of
from edgewise.wrappers import make_rule
from edgewise.wrappers.rules.rule_record import as_begun, from_json, to_json

FAULTS = {
    "import os\nx = 1 / 0\n": r"faulty.py:2: ZeroDivisionError: division by zero",
    "def f(:\n": r"faulty.py:1: SyntaxError: ",
    "\n\nimport no_such_thing\n": r"faulty.py:3: ModuleNotFoundError: No module named 'no_such_thing'",
    "from json import no_such_name\n": r"faulty.py:1: ImportError: cannot import name 'no_such_name'",
    "import sys\n\nsys.exit(0)\n": r"faulty.py:3: SystemExit: 0",
    "import json\njson.loads('{')\n": r"faulty.py:2: JSONDecodeError: ",  # raised within a library
    "x = '\0'\n": r"faulty.py(:1)?: \w+: ",
    "x = 1\neval('1 +')\n": r"faulty.py:2: SyntaxError: ",
    "raise ValueError('two\\nlines')\n": r"faulty.py:1: ValueError: two lines",
    "import edgewise\nedgewise.register('X-v0')\n": r"faulty.py:2: TypeError: ",
}


@pytest.mark.parametrize(("source", "message"), FAULTS.items())
def test_a_fault_of_a_module_is_one_line_with_its_place(source, message, own_folder):
    (own_folder / "faulty.py").write_text(source)
    with pytest.raises(UsageError, match=message) as refused:
        import_typed("faulty", "env")
    assert str(refused.value).startswith(str(own_folder)) and "\n" not in str(refused.value)
    assert "faulty" not in typed


@pytest.mark.parametrize("module", ["faultless", "mine.sub", "json.faultless"])
def test_a_module_that_is_not_there_is_told_with_the_folder(module, own_folder):
    with pytest.raises(UsageError, match=f"`env` names {module}, but no module") as refused:
        import_typed(module, "env")
    assert str(own_folder) in str(refused.value)


@pytest.mark.parametrize("module", ["", "a b", "mine.py:x", "../mine", ".mine", "mine;x", "os\n"])
def test_what_is_no_name_of_a_module_is_not_imported(module, own_folder):
    with pytest.raises(UsageError, match="`import` must name a module"):
        import_typed(module)


def test_an_environment_of_a_module_is_known_once_the_user_imports_it(own_folder):
    with pytest.raises(ValueError, match=r"got the module 'mine'; .* add --import mine"):
        check_id("mine:Double-v0")
    assert "mine" not in sys.modules
    import_again(["mine"])
    check_id("mine:Double-v0")
    assert task_of("mine:Double-v0").__name__ == "Double" and spec_of("Double-v0").id in env_ids()
    prompt, info = gym.make("mine:Double-v0").reset(seed=0)
    assert json.loads(info["problem"])["env"] == "Double-v0"
    assert edgewise.pose(info["problem"]).render() == prompt
    with pytest.raises(ValueError, match="`env` must be one of Double-v0, got 'mine:Duble-v0'"):
        check_id("mine:Duble-v0")
    with pytest.raises(ValueError, match=r"must be registered by edgewise\.register"):
        check_id("mine:CartPole-v1")
    (own_folder / "faulty.py").write_text("")
    gym.registry.pop("Double-v0")
    import_typed("faulty")
    with pytest.raises(ValueError, match=r"faulty.py: `env` must be registered there, got 'X-v0'"):
        check_id("faulty:X-v0")


def test_a_rule_of_a_module_has_arguments_and_a_record(own_folder):
    with pytest.raises(ValueError, match="got the module 'mine'"):
        make_rule("mine:Hardest", 10)
    import_typed("mine")
    rule = make_rule("mine:Hardest:share=0.5", 10)
    assert rule.share == 0.5 and to_json(rule)["rule"] == "mine:Hardest"
    assert from_json(to_json(rule)).share == 0.5
    assert as_begun("mine:Hardest:share=0.5", to_json(rule)) == "mine:Hardest:share=0.5"
    for text, message in {
        "mine:Hardst": r"mine.py: `curriculum` must be one of .*did you mean 'Hardest'",
        "mine:Plain": r"mine.py:\d+: `curriculum` must be a dataclass of Rule or ProblemRule",
        "mine:np": r"mine.py: `curriculum` must be a dataclass|mine.py: `curriculum` must be one of",
        "mine:Unfinished": r"mine.py:\d+: `curriculum` must define probabilities, got mine:Unf",
        "mine:Hardest:shore=1": "`mine:Hardest argument` must be one of share, signal, got 'shore'",
        "mine:share=1": "`curriculum` must be one of",
        "sec:Hardest": "`sec argument` must be one of",
    }.items():
        with pytest.raises(ValueError, match=message):
            make_rule(text, 10)


def test_a_record_of_a_rule_imports_nothing(own_folder):
    with pytest.raises(ValueError, match="with --import MODULE"):
        from_json({"rule": "mine:Hardest", "share": 0.5})
    assert "mine" not in sys.modules


def test_what_an_installed_package_declares_is_imported_when_it_is_named(installed_package):
    assert "theirs" not in sys.modules and "Double-v0" not in env_ids()
    check_id("Double-v0")
    assert gym.make("Double-v0").unwrapped.task.__class__.__module__ == "theirs"
    assert make_rule("hardest:share=0.2", 10).share == 0.2
    assert from_json(to_json(make_rule("hardest", 10))).share == 0.1
    check_id("theirs:Double-v0")


@pytest.mark.parametrize("record", [{"rule": "hardest"}, {"rule": "theirs:Hardest"}])
def test_a_record_may_name_what_is_installed(record, installed_package):
    assert from_json(record).share == 0.1


def test_a_name_of_a_problem_may_be_of_an_installed_environment(installed_package):
    import_typed("theirs")
    name = gym.make("Double-v0").reset(seed=0)[1]["problem"]
    gym.registry.pop("Double-v0")
    del sys.modules["theirs"]
    assert edgewise.pose(name).identity["env"] == "Double-v0"


def test_faults_of_installed_packages_name_them(installed_package):
    with pytest.raises(UsageError, match=r"broken.py:2: ModuleNotFoundError: .*package theirs"):
        check_id("Broken-v0")
    with pytest.raises(ValueError, match="must be registered by theirs, got 'Missing-v0'"):
        check_id("Missing-v0")
    with pytest.raises(UsageError, match="must be a dataclass of Rule"):
        make_rule("plain", 10)
    with pytest.raises(ValueError, match="`env` must name code that is imported"):
        check_imported("theirsx", "env")


def test_a_task_that_cannot_be_imported_names_its_file(own_folder):
    part = "import edgewise\nclass Part(edgewise.Task):\n    def solve(self, problem): ...\n"
    (own_folder / "faulty.py").write_text(f"class Task: ...\n{part}")
    import_typed("mine")
    for task, message in {
        "faulty:Tusk": r"faulty.py: `task` must be one of Task, Part, got 'Tusk'",
        "faulty:Task": r"`task` must be a subclass of edgewise.Task, got Task of faulty",
        "faulty:Part": r"faulty.py:3: `task` must define generate, prompt, verify, got faulty:Part",
        "no_such_module:Task": "no module no_such_module",
    }.items():
        edgewise.register("Own-v0", task)
        with pytest.raises(UsageError, match=message):
            gym.make("Own-v0")
        gym.registry.pop("Own-v0")
