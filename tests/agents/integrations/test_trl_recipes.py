"""Every recipe for TRL is one that `edgewise trl` takes, and trains a small model on a CPU."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import torch

from edgewise.agents import load_policy
from edgewise.agents.integrations.trl_config import TRLConfig
from edgewise.agents.integrations.trl_recipe import layout, make_arguments
from edgewise.cli import main
from edgewise.cli.parse import parse
from edgewise.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore")  # of TRL and what it imports
ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes" / "trl").glob("*.json"))
PAGES = (ROOT / "recipes" / "trl" / "README.md", ROOT / "docs" / "trl.md")
SMALL = "--device cpu --num-steps 2 --num-problems 2 --group-size 4 --per-device 2 --max-tokens 8"


def words_of(path, model, output):
    return f"trl --recipe {path} --model {model} --output {output} {SMALL}".split()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains_a_small_model(path, tiny_model, tmp_path, capsys):
    pytest.importorskip("peft")
    assert main([*words_of(path, tiny_model, tmp_path), "--vllm", "none"]) == 0
    recipe, told = json.loads(path.read_text()), json.loads((tmp_path / "config.json").read_text())
    safe = {"use_safetensors": True, "trust_remote_code": False}
    given = {**recipe["arguments"].get("model_init_kwargs", {}), **safe}
    assert told["trl"].items() >= {**recipe["arguments"], "model_init_kwargs": given}.items()
    assert told["trl"]["max_steps"] == 2 * recipe.get("num_minibatches", 1)
    assert not (tmp_path / "model" / "adapter_config.json").exists()  # they are merged
    assert load_policy(f"hf:{tmp_path / 'model'}").state_dict().keys() == weights_of(tiny_model)
    assert len((tmp_path / "groups.jsonl").read_text().splitlines()) == 2 * 2
    assert main(["replay", str(tmp_path)]) == 0
    assert main(["report", str(tmp_path)]) == 0
    assert "2 of 2 steps of 2 problems, 4 completions each" in capsys.readouterr().out
    assert main(words_of(path, tiny_model, tmp_path)) == 2
    assert "`output` must hold no run" in capsys.readouterr().err


def weights_of(path):
    """The names of the weights of a model."""
    return load_policy(f"hf:{path}").state_dict().keys()


def test_the_model_that_is_left_has_the_adapters_of_its_last_checkpoint_in_it(tiny_model, tmp_path):
    peft = pytest.importorskip("peft")
    words = f"trl --model {tiny_model} --output {tmp_path} {SMALL} --lora-rank 2".split()
    assert main([*words, "--learning-rate", "0.1"]) == 0
    base = load_policy(f"hf:{tiny_model}").model
    trained = peft.PeftModel.from_pretrained(base, tmp_path / "checkpoint-2").merge_and_unload()
    left = load_policy(f"hf:{tmp_path / 'model'}").model
    tokens = torch.arange(8)[None]
    torch.testing.assert_close(left(tokens).logits, trained(tokens).logits)
    assert main([*words, "--resume"]) == 0  # it is finished, and written again
    again = load_policy(f"hf:{tmp_path / 'model'}").model
    assert torch.equal(again(tokens).logits, left(tokens).logits)


def test_adapters_on_a_tied_matrix_are_refused_before_training(tiny_model, tmp_path, capsys):
    pytest.importorskip("peft")
    words = f"trl --model {tiny_model} --output {tmp_path / 'run'} {SMALL} --lora-rank 2".split()
    assert main([*words, "--lora-targets", "lm_head"]) == 2
    assert "`lora_targets` must name no matrix that is tied" in capsys.readouterr().err
    assert not (tmp_path / "run" / "groups.jsonl").exists()


def test_rloo_and_a_rule_over_problems(tiny_model, tmp_path):
    words = f"trl --model {tiny_model} --output {tmp_path} {SMALL} --algorithm rloo".split()
    assert main([*words, "--curriculum", "mopps", "--pool-size", "20"]) == 0
    assert json.loads((tmp_path / "config.json").read_text())["algorithm"] == "RLOO of TRL"
    assert main(["replay", str(tmp_path)]) == 0


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", ["colocate", "server"])
def test_a_recipe_makes_the_config_of_vllm(mode, path, tmp_path):
    config = replace(TRLConfig.from_recipe(path), vllm=mode, output=tmp_path, device="cpu")
    arguments = make_arguments(config, config.envs())
    assert arguments.use_vllm and arguments.vllm_mode == mode
    assert (arguments.vllm_server_base_url is not None) == (mode == "server")
    ends = {"stop": ["</answer>"], "include_stop_str_in_output": True}
    assert arguments.generation_kwargs == (ends if path.name.startswith("e2h") else None)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("num_processes", [1, 2, 4, 8])
def test_a_batch_is_the_same_for_any_number_of_processes(num_processes, path):
    config = TRLConfig.from_recipe(path)
    told = layout(config, num_processes)
    at_once = told["per_device_train_batch_size"] * num_processes
    completions = config.num_problems * config.group_size
    assert at_once * told["steps_per_generation"] == completions
    updates = told["steps_per_generation"] // told["gradient_accumulation_steps"]
    assert updates == config.num_minibatches == (4 if path.name.startswith("sec") else 1)


def test_the_settings_are_those_of_the_papers():
    e2h, sec = (TRLConfig.from_recipe(ROOT / "recipes" / "trl" / name) for name in
                ("e2h-qwen2.5-1.5b.json", "sec-qwen2.5-3b.json"))  # fmt: skip
    assert (e2h.num_problems, e2h.group_size, e2h.num_steps, e2h.max_tokens) == (16, 8, 1600, 512)
    assert (e2h.lora_rank, e2h.lora_alpha, e2h.lora_dropout) == (32, 64, 0.1)
    assert (sec.num_problems, sec.group_size, sec.num_steps, sec.max_tokens) == (256, 8, 240, 4096)
    assert sec.lora_rank is None and sec.learning_rate == e2h.learning_rate == 1e-6


def command_lines():
    """What the pages say is typed, from `edgewise trl` on."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return sorted(set(re.findall(r"\bedgewise trl (--[^\n`]+)", text)))


def test_the_command_lines_of_the_pages_are_taken(monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = command_lines()
    assert len(lines) >= 6
    for line in lines:
        words = [word for word in shlex.split(line) if word != "--resume"]  # there is no run here
        config = parse(TRLConfig, "trl", words)
        assert config.recipe is not None and layout(config, 2)
        config.envs()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"num_stepz": 3}', "`recipe field` must be one of .*did you mean 'num_steps'"),
        ('{"per_device": 0}', "`per_device` must be at least 1, got 0"),
        ("{", r"recipe.json:1: must be JSON, got"),
        ("[3]", r"recipe.json:1: must be a JSON object, got list"),
    ],
)
def test_a_recipe_that_is_none_is_told_in_one_line(content, message, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        parse(TRLConfig, "trl", ["--recipe", str(path)])


def test_what_does_not_fit_is_told_in_one_line(tiny_model, tmp_path, capsys):
    words = ["trl", *f"--model {tiny_model} --output {tmp_path} {SMALL}".split()]
    for flags, message in (
        (
            ["--per-device", "3"],
            "`num_problems` times `group_size` must be a multiple of 1 updates",
        ),
        (["--arguments", '{"no_such": 1}'], "no_such"),
        (["--curriculum", "sek"], "did you mean 'sec'"),
        (["--resume"], "`output` must have a run to resume"),
    ):
        assert main([*words, *flags]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_a_run_without_a_checkpoint_begins_again(tiny_model, tmp_path, capsys):
    words = ["trl", *f"--model {tiny_model} --output {tmp_path / 'run'} {SMALL}".split()]
    assert main(words) == 0
    whole = (tmp_path / "run" / "model" / "model.safetensors").read_bytes()
    for checkpoint in (tmp_path / "run").glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    assert main(words) == 2
    assert "must hold no run" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert "has no checkpoint yet: the run begins again" in capsys.readouterr().out
    assert (tmp_path / "run" / "model" / "model.safetensors").read_bytes() == whole
    assert main([*words, "--resume"]) == 0
    told = capsys.readouterr().out
    assert "finished: all 2 steps are done, and stay as they are" in told
    assert (tmp_path / "run" / "model" / "model.safetensors").read_bytes() == whole
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [step["step"] for step in metrics] == list(range(1, len(metrics) + 1))


ACCELERATE = "accelerate.commands.launch --num_processes 2 --num_machines 1 --mixed_precision no"
LAUNCHERS = {
    "torchrun": "torch.distributed.run --nproc_per_node 2 --standalone",
    "accelerate": f"{ACCELERATE} --multi_gpu",
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS.values(), ids=LAUNCHERS)
def test_several_processes_train_by_the_command_line(launcher, tiny_model, tmp_path):
    words = [*words_of(RECIPES[0], tiny_model, tmp_path), "--vllm", "none", "--per-device", "1"]
    command = [sys.executable, "-m", *launcher.split(), "-m", "edgewise", *words]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("report   ") == 1
    assert len((tmp_path / "groups.jsonl").read_text().splitlines()) == 2 * 2
