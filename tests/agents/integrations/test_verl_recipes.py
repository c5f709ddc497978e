"""`edgewise verl` prints verl's own command line, and refuses what a curriculum cannot bear; needs no verl."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tyro")
pytest.importorskip("yaml")

from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.integrations.verl_settings import (
    LOCKED,
    command,
    overrides,
    refuse_code,
    spell,
)
from edgewise.cli import main
from edgewise.cli.parse import parse
from edgewise.cli.verl import begun_again, num_done, refuse_output
from edgewise.errors import UsageError
from edgewise.files import FileError
from edgewise.registration import check_id

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes" / "verl").glob("*.yaml"))
PAGES = (ROOT / "recipes" / "verl" / "README.md", ROOT / "docs" / "verl.md")


def settings_of(words):
    """The last value of each setting of a command line."""
    return dict(word.lstrip("+").split("=", 1) for word in words)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_printed_as_a_command_line(path, capsys):
    assert main(["verl", "--recipe", str(path), "--output", "runs/x", "--print"]) == 0
    words = shlex.split(capsys.readouterr().out.replace("\\\n", " "))
    config = VerlConfig.from_recipe(path)
    module = "verl.trainer.main_ppo"
    if config.feedback == "trainer":
        module = "edgewise.agents.integrations.verl_main"
    assert words[:3] == ["python", "-m", module]
    told = settings_of(words[3:])
    check_id(told["data.edgewise.env"])
    size = config.num_problems // config.num_minibatches
    assert told["actor_rollout_ref.actor.ppo_mini_batch_size"] == str(size)
    assert told["data.train_batch_size"] == told["data.edgewise.num_problems"]
    assert told["actor_rollout_ref.rollout.n"] == told["data.edgewise.group_size"]
    assert told["data.dataloader_num_workers"] == "0"
    assert told["trainer.default_local_dir"] == spell(Path("runs/x").absolute())


def test_the_settings_are_those_of_the_papers():
    folder = ROOT / "recipes" / "verl"
    sec = settings_of(overrides(VerlConfig.from_recipe(folder / "sec-qwen2.5-3b.yaml")))
    assert sec["data.train_batch_size"] == "256" and sec["actor_rollout_ref.rollout.n"] == "8"
    assert sec["actor_rollout_ref.actor.optim.betas"] == "[0.9,0.99]"
    assert sec["actor_rollout_ref.actor.ppo_mini_batch_size"] == "64"
    assert sec["trainer.total_training_steps"] == "240"
    assert sec["actor_rollout_ref.actor.optim.lr"] == "1e-06"
    ppo = settings_of(overrides(VerlConfig.from_recipe(folder / "sec-ppo-qwen2.5-3b.yaml")))
    assert (ppo["algorithm.adv_estimator"], ppo["algorithm.lam"]) == ("gae", "1.0")
    assert ppo["critic.model.path"] == ppo["actor_rollout_ref.model.path"] == "Qwen/Qwen2.5-3B"
    rloo = VerlConfig.from_recipe(folder / "sec-rloo-qwen2.5-3b.yaml")
    assert rloo.curriculum == "sec:learning_rate=0.5:temperature=0.25" and rloo.num_steps == 120
    e2h = settings_of(overrides(VerlConfig.from_recipe(folder / "e2h-qwen2.5-1.5b.yaml")))
    assert e2h["actor_rollout_ref.model.lora_rank"] == "32"
    assert e2h["actor_rollout_ref.model.target_modules"] == "[q_proj,v_proj]"
    envs = {VerlConfig.from_recipe(path).env for path in RECIPES}
    assert envs == {"Countdown-v0", "Zebra-v0", "ARC1D-v0", "MATH-v0"}
    assert {VerlConfig.from_recipe(path).algorithm for path in RECIPES} == {"grpo", "rloo", "ppo"}


def command_lines():
    """What the pages say is typed, from `edgewise verl` on."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return sorted(set(re.findall(r"\bedgewise verl (--[^\n`#]+)", text.replace("\\\n", " "))))


def test_the_command_lines_of_the_pages_are_taken(monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = command_lines()
    assert len(lines) >= 5
    for line in lines:
        assert command(parse(VerlConfig, "verl", shlex.split(line)))


@pytest.mark.parametrize("locked", sorted(LOCKED))
def test_what_a_curriculum_depends_on_cannot_be_changed(locked, tmp_path, capsys):
    words = ["verl", "--preset", "seedling", "--output", str(tmp_path), "--print"]
    for prefix in ("", "+", "++"):
        assert main([*words, f"{prefix}{locked}=other"]) == 2
        error = capsys.readouterr().err
        assert f"`{locked}` must be" in error and error.count("\n") == 1


def test_a_setting_may_be_said_again_as_it_is(tmp_path, capsys):
    words = ["verl", "--preset", "seedling", "--output", str(tmp_path), "--print"]
    assert main([*words, "trainer.v1.trainer_mode=sync", "trainer.nnodes=2"]) == 0
    assert capsys.readouterr().out.endswith(
        "trainer.v1.trainer_mode=sync \\\n    trainer.nnodes=2\n"
    )
    for mode in ("colocate_async", "separate_async"):
        assert main([*words, f"trainer.v1.trainer_mode={mode}"]) == 2
        assert (
            "with an asynchronous trainer a batch would be drawn before" in capsys.readouterr().err
        )


@pytest.mark.parametrize(
    "name",
    [
        "actor_rollout_ref.model.external_lib",
        "actor_rollout_ref.model.trust_remote_code",
        "actor_rollout_ref.model.override_config.attn_implementation",
        "actor_rollout_ref.model._target_",
        "actor_rollout_ref.rollout.agent.agent_loop_config_path",
        "actor_rollout_ref.rollout.multi_turn.tool_config_path",
        "actor_rollout_ref.rollout.engine_kwargs.vllm",
        "actor_rollout_ref.actor.profiler.finish_hook_cmd",
        "data.custom_cls.path",
        "data.edgewise.env",
        "reward.custom_reward_function.path",
        "trainer.checkpoint_callback_class",
        "trainer.default_hdfs_dir",
        "ray_kwargs.ray_init.runtime_env",
        "hydra.run.dir",
        "global_profiler.tool",
        "trainer.a-b",
        "trainer",
    ],
)
def test_a_recipe_names_no_code(name, tmp_path):
    with pytest.raises(ValueError, match="`arguments` must"):
        refuse_code(name, "os:system")
    config = VerlConfig(preset="seedling", output=tmp_path, overrides=("trainer.nnodes=2",))
    inner = "{}"
    for part in reversed(name.split(".")):
        inner = f'{{"{part}": {inner if inner != "{}" else 1}}}'
    with pytest.raises(ValueError, match="`arguments` must"):
        overrides(replace(config, arguments=inner))


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "a\nb", "c\\", b"bytes", object()])
def test_what_cannot_be_said_is_refused(value):
    with pytest.raises(ValueError, match="`arguments` must have texts"):
        spell(value)


BAD = {
    "num_stepz: 3\n": "`recipe field` must be one of .*did you mean 'num_steps'",
    "num_steps: 0\n": "`num_steps` must be at least 1, got 0",
    "num_problems: 5\nnum_minibatches: 2\n": "`num_problems` must be a multiple of 2",
    "a: [1\n": "recipe.yaml:2: must be YAML, got",
    "env: a\nenv: b\n": "recipe.yaml:2: must be YAML, got 'env' a second time",
    "arguments: {a: 1,\n  a: 2}\n": "recipe.yaml:2: must be YAML, got 'a' a second time",
    "- 3\n": "recipe.yaml:1: must be a mapping of names, got list",
    "3: 4\n": "recipe.yaml:1: must be a mapping of names",
    "a: &x [1]\nb: *x\n": "recipe.yaml:2: must be YAML, got an alias",
    "env: !!python/object/apply:os.system [ls]\n": "recipe.yaml:1: must be YAML, got could not",
    "overrides: [data.custom_cls.path=x]\n": "`recipe field` must be one of",
    "print: true\n": "`recipe field` must be one of",
    "curriculum: sek\n": "did you mean 'sec'",
    "env: Countdown\n": "did you mean 'Countdown-v0'",
    "num_steps: three\n": "`num_steps` must be an integer, got 'three'",
}


@pytest.mark.parametrize("content", BAD, ids=range(len(BAD)))
def test_a_recipe_that_is_none_is_told_in_one_line(content, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=BAD[content]) as refused:
        parse(VerlConfig, "verl", ["--recipe", str(path)])
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_a_recipe_that_is_not_there_or_too_long(tmp_path):
    with pytest.raises(FileError, match=r"none.yaml: No such file"):
        VerlConfig.from_recipe(tmp_path / "none.yaml")
    (tmp_path / "long.yaml").write_text("#" * 100_001)
    with pytest.raises(FileError, match="must have at most 100,000 characters"):
        VerlConfig.from_recipe(tmp_path / "long.yaml")


def test_numbers_in_recipes_are_numbers(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("learning_rate: 2e-5\npreset: seedling\n")
    assert VerlConfig.from_recipe(path).learning_rate == 2e-5


def test_the_presets_have_the_lengths(tmp_path):
    told = settings_of(overrides(VerlConfig(env="Countdown-v0", preset="e2h", output=tmp_path)))
    assert (told["data.max_prompt_length"], told["data.max_response_length"]) == ("1000", "512")


def test_without_verl_the_command_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "verl", None)
    monkeypatch.setattr("edgewise.registration.find_spec", lambda name: None)
    assert main(["verl", "--preset", "seedling", "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "pip install 'edgewise[verl]'" in error and error.count("\n") == 1


def test_the_folder_must_be_of_a_run_of_verl_or_of_none(tmp_path):
    config = VerlConfig(preset="seedling", output=tmp_path / "run")
    refuse_output(config)
    again = replace(config, resume=True)
    with pytest.raises(ValueError, match="`output` must have a run to resume"):
        refuse_output(again)
    config.output.mkdir()
    (config.output / "config.json").write_text('{"verl": {}, "arms": []}')
    refuse_output(again)
    with pytest.raises(ValueError, match="`output` must hold no run"):
        refuse_output(config)
    (config.output / "config.json").write_text('{"trl": {}, "arms": []}')
    with pytest.raises(ValueError, match="must be of a run of `edgewise verl`"):
        refuse_output(again)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`output` must be a folder"):
        refuse_output(replace(config, output=tmp_path / "file"))


def test_a_run_without_a_checkpoint_begins_again(tmp_path, capsys):
    for name in ("config.json", "groups.jsonl", "metrics.jsonl"):
        (tmp_path / name).write_text('{"verl": {}}')
    config = VerlConfig(preset="seedling", output=tmp_path, resume=True)
    assert not begun_again(config).resume
    assert "has no checkpoint yet: the run begins again" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("5")
    (tmp_path / "config.json").write_text("{}")
    assert begun_again(config) == config and (tmp_path / "config.json").exists()


@pytest.mark.parametrize(("text", "number"), [("5", 5), (" 240\n", 240), (None, 0)])
def test_verl_s_own_file_says_which_steps_are_done(text, number, tmp_path):
    config = VerlConfig(preset="seedling", output=tmp_path, resume=True)
    if text is not None:
        (tmp_path / "latest_checkpointed_iteration.txt").write_text(text)
    assert num_done(config) == number and num_done(replace(config, resume=False)) == 0


@pytest.mark.parametrize("text", ["", "release", "-1", "\u0663", "9" * 5_000])
def test_a_file_that_does_not_say_it_is_named(text, tmp_path):
    path = tmp_path / "latest_checkpointed_iteration.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=r"latest_check.*: must be the number of a step, got"):
        num_done(VerlConfig(preset="seedling", output=tmp_path, resume=True))


STOPPED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins without
from edgewise.cli.verl import run_python
child = "import os, pathlib, time; pathlib.Path('child').write_text(str(os.getpid())); time.sleep(600)"
print(run_python(["-c", child]), flush=True)
"""


@pytest.mark.parametrize(("number", "told"), [(signal.SIGTERM, "-15"), (signal.SIGINT, "None")])
def test_what_stops_the_command_stops_verl(number, told, tmp_path):
    ran = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    path = tmp_path / "child"
    while not (path.exists() and path.read_text()):
        assert ran.poll() is None
        time.sleep(0.01)
    if number == signal.SIGINT:  # from the terminal, to all
        os.killpg(ran.pid, number)
    else:
        ran.send_signal(number)
    assert ran.communicate()[0].strip() == told
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)
