"""A name is data: what it may say, what is refused with the field at fault, and what never happens."""

import json
import sys
from dataclasses import dataclass

import gymnasium as gym
import pytest

import edgewise
from edgewise import Frame
from edgewise.frame import check_template
from edgewise.names import Name, read_keywords, read_name
from edgewise.task import Preset, Task

NAME = {  # as version 0.1 wrote it
    "env": "Countdown-v0",
    "overrides": {"preset": "sec"},
    "split": "train",
    "level": 2,
    "params": {},
    "problem_seed": 2488343231644625808,
    "key": "d287340f8428c957",
}


def test_a_name_of_version_0_1_is_posed():
    assert read_name(json.dumps(NAME)) == Name(**NAME)
    assert edgewise.pose(json.dumps(NAME)).problem.target == 164


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "e2h", "rewards": (1, 0.1, 0.0), "answer": "any"},
        {"frame": Frame(before="Q: ", chat=True, stop=("\n",))},
        {"template": "Make {target} of {numbers}."},
        {"arms": [{"level": 1, "params": {"num_numbers": 4, "draws": "e2h"}}]},
        {"levels": (2,), "split": "validation"},
    ],
)
def test_what_an_environment_writes_is_read(options):
    env = gym.make("Countdown-v0", **options).unwrapped
    prompt, info = env.reset(seed=0, options=env.arms[0])
    again = edgewise.pose(info["problem"])
    assert again.render() == prompt and again.preset == env.preset


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": {"task": "subprocess:Popen", "args": ["touch", "made"]}}, "got 'task'"),
        ({"overrides": {"env_id": "Zebra-v0"}}, "got 'env_id', which is none of preset, template"),
        ({"overrides": {"requires": "math"}}, "got 'requires'"),
        ({"overrides": {"render_mode": "ansi"}}, "got 'render_mode'"),
        ({"overrides": {"__class__": "x"}}, "got '__class__'"),
        ({"overrides": {"max_episode_steps": 1}}, "got 'max_episode_steps'"),
        ({"overrides": {"levels": [1]}}, "got 'levels'"),
        ({"overrides": {"allow_ood": True}}, "got 'allow_ood'"),
        ({"overrides": []}, "`overrides` must be an object"),
        ({"overrides": {"preset": 3}}, "`overrides.preset` must be a text, got 3"),
        ({"overrides": {"preset": "sek"}}, "`preset` must be one of sec, e2h, seedling"),
        ({"overrides": {"rewards": [1, 2]}}, "`overrides.rewards` must be a list of 3"),
        (
            {"overrides": {"rewards": [1, 0, "0"]}},
            r"`overrides.rewards\[2\]` must be a finite number",
        ),
        ({"overrides": {"answer": "free"}}, "`overrides.answer` must be one of any, boxed"),
        ({"overrides": {"frame": {"chat": 1}}}, "`overrides.frame.chat` must be true or false"),
        ({"overrides": {"frame": {"role": "x"}}}, "`overrides.frame` must be one of before, after"),
        ({"overrides": {"frame": {"opening": "<think>"}}}, "`opening` must be the end of"),
        (
            {"overrides": {"template": "{numbers.__class__}"}},
            "`template` may name {numbers}, {target}",
        ),
        ({"overrides": {"template": "{target:>999999999}"}}, "`template` may name"),
        ({"overrides": {"template": "{target"}}, "`template` must have braces in pairs"),
        ({"overrides": {"arms": "stranger:function"}}, "`arms` must be None or a list"),
        ({"overrides": {"arms": [3]}}, r"`overrides.arms\[0\]` must be an object, got 3"),
        (
            {"overrides": {"arms": [{"level": 1}] * 10_001}},
            "`overrides.arms` must be at most 10,000",
        ),
        (
            {"env": "stranger:Countdown-v0"},
            "`env` must name code that is imported, got the module 'stranger'",
        ),
        ({"env": "CartPole-v1"}, "`env` must be registered by edgewise.register"),
        ({"env": "CartPool-v1"}, "`env` must be one of"),
        ({"env": "Mixture-v0"}, "`env` must be of a task"),
        ({"env": None}, "`name` must be of a registered environment"),
        ({"env": ["Countdown-v0"]}, "`name` must be of a registered environment"),
        ({"split": "dev"}, "`split` must be one of train, validation, test, got 'dev'"),
        ({"split": 0}, "`split` must be one of"),
        ({"level": True}, "`level` must be an integer, got True"),
        ({"level": 99}, r"`level` must be in \[1, 2, 3, 4\], got 99"),
        ({"level": 2.0}, "`level` must be an integer, got 2.0"),
        ({"problem_seed": -1}, r"`problem_seed` must be in \[0, 9223372036854775807\], got -1"),
        ({"problem_seed": "7"}, "`problem_seed` must be an integer"),
        ({"params": None}, "`params` must be an object, got None"),
        (
            {"params": {"function": "os:system"}},
            "`params` must be one of num_numbers, .*'function'",
        ),
        ({"params": {"num_numbers": "3"}}, "`params.num_numbers` must be an integer, got '3'"),
        ({"params": {"num_numbers": 10**9}}, "`params.num_numbers` must be at most 24 in size"),
        ({"params": {"num_numbers": 0}}, "`params` must be such that|`num_numbers`"),
        ({"params": {"draws": "x" * 300}}, "`params.draws` must be at most 200 in size"),
        ({"key": "d287340f8428c958"}, "`key` must be of this version of Countdown-v0"),
        ({"key": "x"}, "`key` must be 16 hexadecimal digits, got 'x'"),
        ({"key": 7}, "`key` must be 16 hexadecimal digits"),
        ({"more": 1}, "`name field` must be one of env, overrides, .* got 'more'"),
    ],
)
def test_what_a_name_may_not_say_is_refused_by_field(changes, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stranger.py").write_text("def function(problem): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=message) as refused:
        edgewise.pose(json.dumps({**NAME, **changes}))
    assert "\n" not in str(refused.value)
    assert "stranger" not in sys.modules and not (tmp_path / "made").exists()


@pytest.mark.parametrize("field", NAME)
def test_a_field_that_is_missing_is_named(field):
    rest = {name: value for name, value in NAME.items() if name != field}
    with pytest.raises(ValueError, match=f"`{field}` must be in a name"):
        edgewise.pose(json.dumps(rest))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "must be a text of JSON, got NoneType"),
        (b"{}", "must be a text of JSON, got bytes"),
        ("", "must be JSON"),
        ("{", "must be JSON"),
        ("null", "must be an object"),
        ("[]", "must be an object"),
        ('{"env": NaN}', "a number must be finite, got NaN"),
        ('{"env": 1e999}', "a number must be finite, got 1e999"),
        (f'{{"env": {"9" * 5_000}}}', "must be JSON"),
        ("[" * 100_000, "at most 16 deep"),
        ('{"a":' * 20 + "1" + "}" * 20, "at most 16 deep"),
        (json.dumps({**NAME, "key": "x" * 2**22}), "at most 4,194,304 bytes"),
        ("é" * 2**21 + "x", "at most 4,194,304 bytes"),
        ('"\ud800"', "must be an object"),
    ],
    ids=range(14),
)
def test_what_is_no_name_is_refused(text, message):
    with pytest.raises(ValueError, match=f"`name` .*{message}"):
        edgewise.pose(text)


@dataclass(frozen=True)
class Doubling(Task[int]):
    """Double a number; its fields have the types that a task may have."""

    words: tuple[str, ...] = ("twice",)
    share: float | None = None
    table: dict[str, int] = None  # type: ignore[assignment]

    presets = {"plain": Preset("{words} {number}?", levels={1: {"high": 10, "kinds": ["a"]}})}
    placeholders = ("word",)

    def generate(self, rng, **params):
        return int(rng.integers(params["high"]))

    def prompt(self, problem, template):
        return template.format(words=self.words, number=problem, word=self.words[0])

    def verify(self, problem, answer):
        return answer == str(2 * problem)

    def solve(self, problem):
        return str(2 * problem)


@pytest.fixture
def doubling(monkeypatch):
    monkeypatch.setattr(gym, "registry", dict(gym.registry))
    monkeypatch.setattr(gym.envs.registration, "registry", gym.registry)
    gym.register("Doubling-v0", "edgewise.env:ReasoningEnv", kwargs={"task": Doubling, "env_id": "Doubling-v0"}, disable_env_checker=True)  # fmt: skip


def test_fields_of_a_registered_task_are_read_by_their_types(doubling):
    options = {"words": ["two", "times"], "share": 1, "template": "{word} {number}"}
    assert read_keywords("Doubling-v0", options, "env_options") == {
        **options,
        "words": ("two", "times"),
    }
    for wrong in ({"words": "two"}, {"words": [2]}, {"share": "1"}, {"share": True}, {"bogus": 1}):
        with pytest.raises(ValueError, match=f"env_options.*{next(iter(wrong))}"):
            read_keywords("Doubling-v0", wrong, "env_options")


def test_params_that_are_declared_nowhere_have_the_types_and_sizes_of_the_levels(doubling):
    arm = {"level": 1, "params": {"high": 40, "kinds": ["b"]}}
    env = gym.make("Doubling-v0", arms=[arm]).unwrapped
    _, info = env.reset(seed=0, options=arm)
    assert edgewise.pose(info["problem"]).problem == env.problem
    for wrong in (
        {"high": 41},
        {"high": "1"},
        {"kinds": ["x" * 300]},
        {"kinds": [0] * 2_000},
        {"low": 1},
    ):
        with pytest.raises(ValueError, match="`params"):
            read_name(json.dumps({**json.loads(info["problem"]), "params": wrong}))


def test_members_of_a_mixture_are_read_as_environments():
    good = {"envs": ["Zebra-v0", {"id": "Countdown-v0", "levels": [1], "preset": "e2h"}]}
    read = read_keywords("Mixture-v0", good, "env_options")
    assert len(gym.make("Mixture-v0", **read).unwrapped.members) == 2
    for member in (
        {"id": "stranger:Countdown-v0"},
        {"id": "Countdown-v0", "task": "subprocess:Popen"},
        {"id": "Mixture-v0", "envs": ["Zebra-v0"]},
        {"levels": [1]},
        ["Countdown-v0"],
    ):
        with pytest.raises(ValueError, match=r"`env`|`env_options.envs\[0\]"):
            read_keywords("Mixture-v0", {"envs": [member]}, "env_options")
    with pytest.raises(ValueError, match="must be one of envs, split, got 'entry_point'"):
        read_keywords("Mixture-v0", {"entry_point": "os:system"}, "env_options")


@pytest.mark.parametrize(
    "template", ["{0}", "{}", "{word!r}", "{word[0]}", "{word:>9}", "{other}", "}"]
)
def test_a_template_names_plain_fields_alone(template):
    with pytest.raises(ValueError, match=r"`template` (may name|must have)"):
        check_template(template, ["word"])
    check_template("{word} {{x}} {word}", ["word"])
