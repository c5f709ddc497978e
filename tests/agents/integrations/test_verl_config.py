"""verl's own check takes what `edgewise verl` prints; run by `make test-verl`."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("verl")

from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config

from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.integrations.verl_settings import (
    LOCKED,
    RUNS_CODE,
    SECTIONS,
    overrides,
    refuse_code,
    spell,
)
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.training.recipe_file import from_fields

pytestmark = [pytest.mark.verl, pytest.mark.filterwarnings("ignore")]
RECIPES = sorted((Path(__file__).parents[3] / "recipes" / "verl").glob("*.yaml"))


def composed(words):
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=words)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("num_gpus", [2, 8])
def test_a_recipe_passes_verl_s_own_check(path, num_gpus, tmp_path, capsys):
    config = replace(  # a model that is here, for verl reads a critic's
        VerlConfig.from_recipe(path),
        output=tmp_path,
        num_gpus=num_gpus,
        model=model_path("seedling"),
    )
    if path.stem.startswith("e2h"):  # of adapters, verl asks vLLM itself, which is not here
        config = replace(config, engine="sglang")
    words = [word for word in overrides(config) if not word.startswith("hydra.")]
    settings = composed(words)
    validate_config(settings, need_reference_policy(settings), need_critic(settings))
    assert "All configuration checks passed" in capsys.readouterr().out
    assert need_critic(settings) == (config.algorithm == "ppo")
    assert need_reference_policy(settings) == path.stem.startswith("e2h")
    told = from_fields(VerlConfig, OmegaConf.to_container(settings.data.edgewise, resolve=True))
    for name in (
        "env",
        "preset",
        "curriculum",
        "num_steps",
        "group_size",
        "learning_rate",
        "output",
    ):
        assert getattr(told, name) == getattr(config, name), name


@pytest.mark.parametrize(
    "value",
    [
        "it's", r"C:\path", r"a\'b", "a b", "", "true", "null", "12", "1e-6", "-3", "a,b", "{}",
        '{"levels": [1, 2]}', "[x]", "sec:temperature=0.2", "pkg://edgewise.agents", "é ü", "$HOME",
        "#", "a=b", "(1)", '"', True, None, 3, 1e-06, ["a b", 2, None], [],
    ],
)  # fmt: skip
def test_values_arrive_as_they_were(value):
    override = OverridesParser.create().parse_override(f"name={spell(value)}")
    found = override.value()
    assert found == value or (
        isinstance(value, str) and str(getattr(found, "text", found)) == value
    )
    config = OmegaConf.create({})
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=[f"+data.edgewise.name={spell(value)}"])
    assert config.data.edgewise.name == value


def leaves(config, before=""):
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def test_no_setting_that_a_recipe_may_decide_names_code_or_a_file():
    config = OmegaConf.to_container(composed([]), resolve=False)
    allowed = []
    for name, value in leaves(config):
        try:
            refuse_code(name, None)
        except ValueError:
            continue
        allowed.append((name, value))
    assert len(allowed) > 200
    suspicious = ("path", "class", "cls", "_target_", "external", "trust", "fqn", "cmd", "env")
    for name, value in allowed:
        last = name.split(".")[-1]
        assert not any(part in last for part in suspicious), name
        if name not in ("data.train_files", "data.val_files"):  # which are locked
            assert not re.search(r"verl\.|/", str(value)) or value == [], (name, value)


def test_what_is_locked_is_what_verl_calls_it():
    config = composed([])
    for name in LOCKED:
        if name != "trainer.v1.sampler.custom_sampler":
            assert OmegaConf.select(config, name, default="?") != "?", name
    assert {name for name in config if name in SECTIONS} == set(SECTIONS)
    assert RUNS_CODE.search("custom_cls")


def test_verl_takes_the_plug_in_of_itself():
    code = "import sys, verl, gymnasium; print('edgewise.agents.integrations.verl' in sys.modules, 'Countdown-v0' in gymnasium.registry)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True"]
